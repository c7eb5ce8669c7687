/**
 * The event log alone on a broker of its own: fenced, pipelined appends per second, single appends one after another, replay
 * and inbox rates, in both durability modes. Run with `npm run bench:event-log`; ORCHESTRA_NATS_SERVER picks the server.
 */
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { canSyncAlways } from '#libs/broker/server-config.js';
import { START, type EventLog, type NewEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { percentile, report, round, type Figures } from './bench-report.js';

/** Long enough that starting up is lost in it; a synced append takes up to a few milliseconds. */
const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 50_000);
const SYNCED_EVENTS = Math.ceil(EVENTS / 5);
const SINGLE_EVENTS = 500;
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
/** One transition of a task, as the scheduler appends them: about 300 bytes of data. */
const DATA = { text: 'x'.repeat(250), n: 17, list: [1, 2, 3] };
const BATCH = 16;
/** Messages under way at once, as the gateway has requests. */
const PUTS_IN_FLIGHT = 256;

let made = 0;
const event = (): NewEvent => ({
  id: `b-${(made += 1)}`,
  type: 'step.dispatched',
  version: 1,
  subject: `evt.task.t${made % 1_000}.dispatched`,
  time: '2026-03-01T12:00:00.000Z',
  data: DATA,
  taskId: `t${made % 1_000}`,
  workspace: 'default',
  correlationId: `c-${made}`,
  causationId: `cmd:${made}`,
});

const perSecond = (count: number, sinceMs: number): number => count / ((performance.now() - sinceMs) / 1_000);

const appendRate = async (log: EventLog, count: number): Promise<number> => {
  const { lastSeq } = await log.tail();
  if (lastSeq !== 0) throw new Error(`${log.name} is not fresh: it ends at ${lastSeq}`);
  const writer = await log.openWriter(START, event());
  const sinceMs = performance.now();
  for (let sent = 0; sent < count; sent += BATCH) {
    const { acknowledged } = writer.append(Array.from({ length: BATCH }, event));
    // A few thousand in hand keep the pipeline full; more would only measure memory.
    if (sent % 4_096 === 0) await acknowledged();
  }
  await writer.flush();
  const rate = perSecond(count, sinceMs);
  await writer.close();
  return rate;
};

const singleAppendMs = async (log: EventLog): Promise<number[]> => {
  const writer = await log.openWriter(START, event());
  const waitsMs: number[] = [];
  for (let n = 0; n < SINGLE_EVENTS; n += 1) {
    const sinceMs = performance.now();
    await writer.append([event()]).acknowledged();
    waitsMs.push(performance.now() - sinceMs);
  }
  await writer.close();
  return waitsMs;
};

const replayRate = async (log: EventLog): Promise<number> => {
  const sinceMs = performance.now();
  let count = 0;
  for await (const { seq } of log.replay(START)) count = seq;
  return perSecond(count, sinceMs);
};

const putRate = async (connection: NatsConnection, name: string, count: number): Promise<number> => {
  const inbox = jetStreamInbox(connection, { name });
  let left = count;
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await inbox.put({ id: event().id, subject: `cmd.submit.c${made}`, data: DATA });
    }
  };
  const sinceMs = performance.now();
  await Promise.all(Array.from({ length: PUTS_IN_FLIGHT }, lane));
  return perSecond(count, sinceMs);
};

type Run = { append: number; replay: number; put: number; waitsMs: number[] };

/** Streams as provisioning makes them, as far as it matters for speed. */
const runOnce = async (server: TestServer, connection: NatsConnection, count: number): Promise<Run> => {
  const manager = await jetstreamManager(connection);
  const fresh = async (name: string, subjects: string[], republished: boolean): Promise<void> => {
    await manager.streams.delete(name).catch(() => undefined);
    await manager.streams.add({
      name,
      subjects,
      duplicate_window: 600_000_000_000,
      ...(republished ? { republish: { src: '>', dest: 'pub.>' } } : {}),
    });
  };
  const log = jetStreamEventLog(connection, { name: 'BENCH' });
  await fresh('BENCH', ['evt.>'], true);
  const append = await appendRate(log, count);
  const replay = await replayRate(log);
  await fresh('BENCH', ['evt.>'], true);
  const waitsMs = await singleAppendMs(log);
  await fresh('BOX', ['cmd.>'], false);
  const put = await putRate(connection, 'BOX', count);
  return { append, replay, put, waitsMs };
};

const median = (values: readonly number[]): number => percentile(values, 0.5);

const measure = async (
  durability: 'process-safe' | 'power-safe',
): Promise<{ version: string; figures: Figures }> => {
  const server = await startNatsServer({ durability });
  const connection = await connect({ servers: server.url });
  try {
    const { version } = server;
    if (durability === 'power-safe' && !canSyncAlways(version)) return { version, figures: {} };
    const count = durability === 'power-safe' ? SYNCED_EVENTS : EVENTS;
    const runs: Run[] = [];
    for (let n = 0; n < ROUNDS; n += 1) runs.push(await runOnce(server, connection, count));
    const suffix = durability === 'power-safe' ? 'PowerSafe' : 'ProcessSafe';
    const waitsMs = runs.flatMap((run) => run.waitsMs);
    return {
      version,
      figures: {
        [`appendsPerSecond${suffix}`]: round(median(runs.map(({ append }) => append)), 0),
        [`singleAppendP50Ms${suffix}`]: round(percentile(waitsMs, 0.5), 2),
        [`singleAppendP99Ms${suffix}`]: round(percentile(waitsMs, 0.99), 2),
        [`replayedPerSecond${suffix}`]: round(median(runs.map(({ replay }) => replay)), 0),
        [`inboxPutsPerSecond${suffix}`]: round(median(runs.map(({ put }) => put)), 0),
      },
    };
  } finally {
    await connection.close();
    await server.remove();
  }
};

const fast = await measure('process-safe');
const safe = await measure('power-safe');
report(
  process.env['BENCH_NAME'] ?? 'event-log',
  { ...fast.figures, ...safe.figures },
  { natsServer: fast.version, events: EVENTS, rounds: ROUNDS },
);
