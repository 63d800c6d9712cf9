// Jobs with BullMQ: workers at the same time, priorities, delays, attempts, flows of jobs, repeated jobs, progress and events.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { FlowProducer, Queue, QueueEvents, Worker } from "bullmq";

const { version } = createRequire(import.meta.url)("bullmq/package.json");
const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };
const open = [];
const kept = (one) => (open.push(one), one);
const LIMIT_MS = 20_000;

const queue = kept(new Queue("sums", { connection }));
const events = kept(new QueueEvents("sums", { connection }));
await events.waitUntilReady();
const progress = [];
events.on("progress", ({ data }) => progress.push(data));

const order = [];
const work = async (job) => {
  order.push(job.name);
  if (job.name === "stubborn" && job.attemptsMade < 2) throw new Error(`attempt ${job.attemptsMade}`);
  if (job.name === "broken") throw new Error("as it should");
  await job.updateProgress(100);
  await job.log(`did ${job.name}`);
  if (job.name === "parent") {
    const children = Object.values(await job.getChildrenValues());
    return children.reduce((sum, value) => sum + value, 0);
  }
  return (job.data.one ?? 0) + (job.data.other ?? 0);
};

// Priorities decide among those that wait.
const low = await queue.add("low", { one: 1, other: 1 }, { priority: 10 });
await queue.add("high", { one: 2, other: 2 }, { priority: 1 });
const first = await queue.add("first", { one: 3, other: 3 });
assert.deepEqual(await queue.getJobCounts("wait", "prioritized"), { wait: 1, prioritized: 2 });
const worker = kept(new Worker("sums", work, { connection }));
worker.on("error", (error) => assert.fail(error));
assert.equal(await first.waitUntilFinished(events, LIMIT_MS), 6);
assert.equal(await low.waitUntilFinished(events, LIMIT_MS), 2);
assert.deepEqual(order, ["first", "high", "low"]);

const bulk = await queue.addBulk(
  Array.from({ length: 100 }, (_, n) => ({ name: "sum", data: { one: n, other: 1 } })),
);
const second = kept(new Worker("sums", work, { connection, concurrency: 8 }));
const values = await Promise.all(bulk.map((job) => job.waitUntilFinished(events, LIMIT_MS)));
assert.deepEqual(values, Array.from({ length: 100 }, (_, n) => n + 1));

// Attempts, failures, delays.
const stubborn = await queue.add("stubborn", { one: 5 }, { attempts: 3, backoff: { type: "fixed", delay: 20 } });
const broken = await queue.add("broken", {}, { attempts: 1 });
const delayed = await queue.add("delayed", { one: 7 }, { delay: 150 });
assert.equal(await stubborn.waitUntilFinished(events, LIMIT_MS), 5);
await assert.rejects(broken.waitUntilFinished(events, LIMIT_MS), /as it should/);
assert.equal(await delayed.waitUntilFinished(events, LIMIT_MS), 7);
const done = await queue.getJob(delayed.id);
assert.ok(done.processedOn - done.timestamp >= 145, "not before its time");
assert.deepEqual((await queue.getJobLogs(delayed.id)).logs, ["did delayed"]);

// A job that is there is not added twice.
await queue.add("once", {}, { jobId: "the-one", delay: 3_600_000 });
await queue.add("once", {}, { jobId: "the-one", delay: 3_600_000 });
assert.equal((await queue.getDelayed()).length, 1);
await (await queue.getJob("the-one")).remove();

// A parent gets what its children answer.
const flow = kept(new FlowProducer({ connection }));
const tree = await flow.add({
  name: "parent",
  queueName: "sums",
  children: [1, 2, 3].map((one) => ({ name: "child", queueName: "sums", data: { one } })),
});
assert.equal(await tree.job.waitUntilFinished(events, LIMIT_MS), 6);

// Jobs that come again and again.
let ticks = 0;
const clock = kept(new Queue("clock", { connection }));
await clock.upsertJobScheduler("tick", { every: 60 }, { name: "tick" });
const ticker = kept(new Worker("clock", async () => void ticks++, { connection }));
for (let wait = 0; ticks < 3 && wait < 500; wait++) await new Promise((resolve) => setTimeout(resolve, 20));
assert.ok(ticks >= 3, `${ticks} ticks`);
assert.equal(await clock.removeJobScheduler("tick"), true);

const counts = await queue.getJobCounts("completed", "failed", "waiting", "active");
assert.deepEqual(counts, { completed: 109, failed: 1, waiting: 0, active: 0 });
assert.ok(progress.length >= 100, `${progress.length} reports of progress`);
await Promise.all([worker, second, ticker].map((one) => one.close()));
await queue.obliterate({ force: true });
assert.equal(await queue.count(), 0);
await Promise.all(open.map((one) => one.close()));
console.log(`BullMQ ${version}, jobs: passed`);
process.exit(0);
