// ioredis against a server on the port given.
import assert from "node:assert/strict";
import Redis from "ioredis";

const port = Number(process.argv[2]);
const redis = new Redis({ port, lazyConnect: false, maxRetriesPerRequest: 1 });
const other = new Redis({ port, db: 2 });

await redis.flushall();
assert.equal(await redis.set("k", "v", "EX", 100), "OK");
assert.equal(await redis.get("k"), "v");
assert.ok((await redis.ttl("k")) > 98);
assert.deepEqual(await redis.getBuffer("absent"), null);
const binary = Buffer.from([0, 255, 13, 10]);
await redis.set("bin", binary);
assert.deepEqual(await redis.getBuffer("bin"), binary);
assert.deepEqual(await redis.mget("k", "absent"), ["v", null]);

assert.equal(await redis.hset("h", { a: 1, b: "two" }), 2);
assert.deepEqual(await redis.hgetall("h"), { a: "1", b: "two" });
assert.equal(await redis.rpush("l", 1, 2, 3), 3);
assert.deepEqual(await redis.lrange("l", 0, -1), ["1", "2", "3"]);
assert.deepEqual((await redis.sadd("s", "x", "y"), (await redis.smembers("s")).sort()), ["x", "y"]);
assert.equal(await redis.zadd("z", 1.5, "one", 2, "two"), 2);
assert.deepEqual(await redis.zrange("z", 0, -1, "WITHSCORES"), ["one", "1.5", "two", "2"]);

const pipeline = redis.pipeline();
for (let number = 0; number < 500; number++) pipeline.set(`p:${number}`, number);
pipeline.lpush("k", "wrong type");
const results = await pipeline.exec();
assert.equal(results.length, 501);
assert.equal(results[499][1], "OK");
assert.match(results[500][0].message, /^WRONGTYPE /);

assert.deepEqual(await redis.multi().incr("n").incr("n").exec(), [[null, 1], [null, 2]]);
await redis.watch("n");
await other.select(0);
await other.set("n", 10);
assert.equal(await redis.multi().incr("n").exec(), null);

const keys = [];
for await (const batch of redis.scanStream({ match: "p:*", count: 50 })) keys.push(...batch);
assert.equal(new Set(keys).size, 500);

const subscriber = new Redis({ port });
const heard = new Promise((resolve) => subscriber.on("pmessage", (...message) => resolve(message)));
await subscriber.psubscribe("ch*");
assert.equal(await redis.publish("channel", "hello"), 1);
assert.deepEqual(await heard, ["ch*", "channel", "hello"]);

const waiting = other.blpop("queue", 5);
setTimeout(() => redis.rpush("queue", "job"), 30);
assert.deepEqual(await waiting, ["queue", "job"]);
await assert.rejects(redis.call("NOSUCH"), /unknown command/);

subscriber.disconnect();
other.disconnect();
await redis.quit();
console.log("ioredis: passed");
