/**
 * The peer's two processes: `worker` runs no-op jobs, `producer` adds them and waits until each is done.
 * Run by throughput.ts with the folder in which BullMQ is installed as the working directory.
 */
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(process.cwd(), 'package.json'));
const { Queue, QueueEvents, Worker } = require('bullmq');

const [, , role, port, jobsText, inFlightText] = process.argv;
const connection = { host: '127.0.0.1', port: Number(port), maxRetriesPerRequest: null };
const NAME = 'bench';

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
  const jobs = Number(jobsText);
  const inFlight = Number(inFlightText);
  // Its events stream is trimmed to 10,000 entries by default, four or five a job: completions would be lost to the count.
  const queue = new Queue(NAME, { connection, streams: { events: { maxLen: 1_000_000 } } });
  // From the start of the stream: "from now on" may begin after the first completions.
  const events = new QueueEvents(NAME, { connection, lastEventId: '0-0' });
  await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
  const run = async (count, lanes) => {
    const waits = [];
    let completed = 0;
    const all = new Promise((resolve) => {
      events.removeAllListeners('completed');
      events.on('completed', ({ returnvalue }) => {
        waits.push(returnvalue.startedMs - returnvalue.addedMs);
        completed += 1;
        if (completed === count) resolve();
      });
    });
    const began = performance.now();
    let next = 0;
    const lane = async () => {
      while (next < count) {
        next += 1;
        await queue.add('noop', { atMs: Date.now() });
      }
    };
    await Promise.all([Promise.all(Array.from({ length: lanes }, lane)), all]);
    return { seconds: (performance.now() - began) / 1000, waits };
  };
  await run(Math.min(1000, jobs), inFlight);
  const full = await run(jobs, inFlight);
  const idle = [];
  for (let n = 0; n < 200; n += 1) idle.push(...(await run(1, 1)).waits);
  process.send({ seconds: full.seconds, waits: full.waits, idle });
  await events.close();
  await queue.close();
  process.disconnect();
}
