/**
 * The peer's two processes: `worker` runs no-op jobs, `producer` adds them and waits until each is done.
 * Run by throughput.ts with the folder in which BullMQ is installed as the working directory.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { Queue, QueueEvents, Worker } = require('bullmq');

const [, , role, port, loadsText] = process.argv;
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const NAME = 'bench';

/** Runs `count` calls of `work`, `lanes` at once; resolves with the seconds that it took. */
const inLanes = async (count, lanes, work) => {
  const began = performance.now();
  let next = 0;
  const lane = async () => {
    while (next < count) {
      next += 1;
      await work();
    }
  };
  await Promise.all(Array.from({ length: lanes }, lane));
  return (performance.now() - began) / 1000;
};

if (role === 'worker') {
  // 100 is the concurrency that BullMQ's own benchmark uses for jobs that wait on nothing.
  const worker = new Worker(NAME, async (job) => ({ startedMs: Date.now(), addedMs: job.data.atMs }), {
    connection,
    concurrency: 100,
    removeOnComplete: { count: 1000 },
  });
  await worker.waitUntilReady();
  process.send({ ready: true });
} else {
  // Its events stream is trimmed to 10,000 entries by default, four or five a job: completions would be lost to the count.
  const queue = new Queue(NAME, { connection, streams: { events: { maxLen: 1_000_000 } } });
  // From the start of the stream: "from now on" may begin after the first completions.
  const events = new QueueEvents(NAME, { connection, lastEventId: '0-0' });
  // Each job that is waited for listens.
  for (const emitter of [queue, events]) emitter.setMaxListeners(0);
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  const add = () => queue.add('noop', { atMs: Date.now() });
  /** Each lane waits for its job's result before it adds the next. */
  const endToEnd = async (count, lanes) => {
    const waits = [];
    const seconds = await inLanes(count, lanes, async () => {
      const job = await add();
      const { startedMs, addedMs } = await job.waitUntilFinished(events);
      waits.push(startedMs - addedMs);
    });
    return { seconds, waits };
  };
  /** Each lane adds the next job as soon as the one before is stored. */
  const queued = async (count, lanes) => {
    const waits = [];
    const { promise: all, resolve } = Promise.withResolvers();
    const completed = ({ returnvalue: { startedMs, addedMs } }) => {
      waits.push(startedMs - addedMs);
      if (waits.length === count) resolve();
    };
    events.on('completed', completed);
    const began = performance.now();
    await Promise.all([inLanes(count, lanes, add), all]);
    events.off('completed', completed);
    return { seconds: (performance.now() - began) / 1000, waits };
  };
  const results = [];
  for (const { kind, count, lanes } of JSON.parse(loadsText)) {
    results.push(kind === 'queued' ? await queued(count, lanes) : await endToEnd(count, lanes));
  }
  process.send(results);
  await events.close();
  await queue.close();
  process.disconnect();
}
