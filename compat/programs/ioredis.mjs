// A chat room with ioredis: messages in a stream that several readers follow, presence with expiry, a command in Lua,
// news over pub/sub, transactions that are tried again.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import Redis from "ioredis";

const { version } = createRequire(import.meta.url)("ioredis/package.json");
const port = Number(process.argv[2]);
const redis = new Redis({ port });
const open = [redis];
const another = () => {
  const client = redis.duplicate();
  open.push(client);
  return client;
};

// Who is there, and a counter that stops at a bound.
redis.defineCommand("enter", {
  numberOfKeys: 2,
  lua: `
    if redis.call('scard', KEYS[1]) >= tonumber(ARGV[2]) then return redis.error_reply('FULL the room is full') end
    redis.call('sadd', KEYS[1], ARGV[1])
    redis.call('hset', KEYS[2], 'name', ARGV[1], 'messages', 0)
    redis.call('expire', KEYS[2], 100)
    return redis.call('scard', KEYS[1])`,
});
const names = ["ann", "bob", "cid", "dora"];
for (const [index, name] of names.entries()) {
  assert.equal(await redis.enter("room", `user:${name}`, name, names.length), index + 1);
}
await assert.rejects(redis.enter("room", "user:eve", "eve", names.length), /^ReplyError: FULL the room is full/);
assert.ok((await redis.ttl("user:ann")) > 90);

// Each reader follows the stream from its beginning, while it is written.
const MESSAGES = 120;
const follow = async () => {
  const client = another();
  const seen = [];
  let last = "0-0";
  while (seen.length < MESSAGES) {
    const batches = await client.xread("COUNT", 25, "BLOCK", 5000, "STREAMS", "messages", last);
    assert.ok(batches, "nothing came for five seconds");
    for (const [id, fields] of batches[0][1]) {
      seen.push(fields[3]);
      last = id;
    }
  }
  return seen;
};
const readers = [follow(), follow(), follow()];
for (let number = 0; number < MESSAGES; number += 10) {
  const pipeline = redis.pipeline();
  for (let n = number; n < number + 10; n++) {
    const name = names[n % names.length];
    pipeline.xadd("messages", "*", "from", name, "text", `message ${n}`);
    pipeline.hincrby(`user:${name}`, "messages", 1);
  }
  for (const [error] of await pipeline.exec()) assert.equal(error, null);
}
const expected = Array.from({ length: MESSAGES }, (_, n) => `message ${n}`);
for (const seen of await Promise.all(readers)) assert.deepEqual(seen, expected);
assert.equal(await redis.hget("user:bob", "messages"), String(MESSAGES / names.length));

// Two that change one value, each trying again when it was too late.
const deposit = async (amount) => {
  const client = another();
  for (let left = 20; left > 0; ) {
    await client.watch("account");
    const balance = Number(await client.get("account"));
    if (await client.multi().set("account", balance + amount).exec()) left--;
  }
};
await Promise.all([deposit(1), deposit(100)]);
assert.equal(await redis.get("account"), "2020");

// News, also by keyspace events.
const listener = another();
const news = [];
listener.on("pmessage", (_, channel, message) => news.push(`${channel} ${message}`));
await redis.config("SET", "notify-keyspace-events", "Kg$");
await listener.psubscribe("news.*", "__keyspace@0__:account");
await redis.publish("news.art", "hello");
await redis.incr("account");
await redis.del("account");
for (let wait = 0; news.length < 3 && wait < 200; wait++) await new Promise((done) => setTimeout(done, 10));
assert.deepEqual(news, ["news.art hello", "__keyspace@0__:account incrby", "__keyspace@0__:account del"]);
await redis.config("SET", "notify-keyspace-events", "");

// Many keys, scanned and dropped.
await redis.mset(Object.fromEntries(Array.from({ length: 2000 }, (_, n) => [`many:${n}`, n])));
let dropped = 0;
for await (const keys of redis.scanStream({ match: "many:*", count: 200 })) {
  if (keys.length > 0) dropped += await redis.unlink(...keys);
}
assert.equal(dropped, 2000);

await Promise.all(open.map((client) => client.quit()));
console.log(`ioredis ${version}, a chat room: passed`);
