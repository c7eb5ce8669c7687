/**
 * A moment of the past of a long log: `TASKS` with a million events beside `LEASES`, on a broker of its own. How long the fold up to
 * a moment takes from the start, how much further a second question takes, and for how long the process stands still meanwhile.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect } from '@nats-io/transport-node';
import { provision } from '#libs/broker/provision.js';
import { BUCKETS, STREAMS } from '#libs/contracts/streams.js';
import { START, type EventLog, type NewEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import { seqAtTime } from '#libs/event-log/log-at.js';
import { PastState } from '#apps/results/past/past-state.js';
import { explainThen } from '#apps/results/past/past-view.js';
import {
  configured,
  cpuSpec,
  dispatched,
  later,
  NOW,
  NOW_MS,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { startNatsServer } from '#libs/testing/nats-server.js';
import { report, round } from './bench-report.js';

const EVENTS = Number(process.env['BENCH_EVENTS'] ?? 1_000_000);
/** Submitted, dispatched, completed. */
const EVENTS_PER_TASK = 3;
const TASKS = Math.floor(EVENTS / EVENTS_PER_TASK);
/** Tasks that wait at each moment. */
const QUEUED = 1_000;
/** A second holds so many tasks. */
const TASKS_PER_S = 100;
const BATCH = 32;

type Fact = { readonly type: string } & Readonly<Record<string, unknown>>;

let made = 0;
const asEvent = (fact: Fact, ms: number): NewEvent => {
  const { type, ...data } = fact;
  made += 1;
  return { id: `b-${made}`, type, version: 1, subject: `evt.task.t.x${made % 1_000}`, time: later(ms), data };
};

const atOf = (task: number): number => Math.floor((task * 1_000) / TASKS_PER_S);

function* taskFacts(): Generator<NewEvent> {
  for (let n = 0; n < TASKS; n += 1) {
    const ms = atOf(n);
    yield asEvent(
      submitted({ taskId: `t${n}`, parameters: { prompt: 'x'.repeat(200) }, submittedAt: later(ms) }),
      ms,
    );
    const runs = n - QUEUED;
    if (runs < 0) continue;
    const taskId = `t${runs}`;
    // The opening, and the configuration of the server, come before the first grant.
    const lease = { leaseId: `l${runs}`, token: 3 + 2 * runs, serverId: 'cpu' };
    yield asEvent(dispatched('a', 1, { taskId, lease, at: later(ms) }), ms);
    yield asEvent(
      {
        type: 'task.completed',
        taskId,
        step: success(),
        result: { text: 'y'.repeat(200) },
        at: later(ms),
      },
      ms,
    );
  }
}

function* leaseFacts(): Generator<NewEvent> {
  yield asEvent(configured(cpuSpec(4)), 0);
  for (let n = 0; n < TASKS - QUEUED; n += 1) {
    const [ms, leaseId] = [atOf(n + QUEUED), `l${n}`];
    const leases = [{ leaseId, taskId: `t${n}`, stepId: 'a', attempt: 1 }];
    yield asEvent({ type: 'lease.granted', serverId: 'cpu', leases, at: later(ms) }, ms);
    yield asEvent({ type: 'lease.released', serverId: 'cpu', leaseIds: [leaseId], at: later(ms) }, ms);
  }
}

const write = async (log: EventLog, subject: string, events: Iterable<NewEvent>): Promise<void> => {
  const opening = { ...asEvent({ type: 'log.started', logId: 'bench', at: NOW }, 0), subject };
  const writer = await log.openWriter(START, opening);
  let batch: NewEvent[] = [];
  let sent = 0;
  for (const event of events) {
    batch.push({ ...event, subject });
    if (batch.length < BATCH) continue;
    const { acknowledged } = writer.append(batch);
    batch = [];
    sent += BATCH;
    if (sent % 4_096 === 0) await acknowledged();
  }
  if (batch.length > 0) writer.append(batch);
  await writer.flush();
  await writer.close();
};

const server = await startNatsServer();
const connection = await connect({ servers: server.url });
await provision(connection);
const logs = {
  tasks: jetStreamEventLog(connection, STREAMS.tasks),
  leases: jetStreamEventLog(connection, STREAMS.leases),
};
await write(logs.tasks, 'evt.scheduler.bench', taskFacts());
await write(logs.leases, 'evt.allocator.bench', leaseFacts());
const snapshotsOf = ({ name }: { readonly name: string }) =>
  jetStreamSnapshotStore(connection, { bucket: BUCKETS.snapshots.name, log: name, inboxPrefix: '_INBOX' });
const state = new PastState({
  logs,
  snapshots: { tasks: snapshotsOf(STREAMS.tasks), leases: snapshotsOf(STREAMS.leases) },
  onSnapshotFailure: (error) => {
    throw error;
  },
});

const figures: Record<string, number> = {
  tasksEvents: (await logs.tasks.tail()).lastSeq,
  leasesEvents: (await logs.leases.tail()).lastSeq,
};
const ask = async (name: string, task: number): Promise<void> => {
  const atMs = NOW_MS + atOf(task);
  const beginMs = performance.now();
  const target = {
    tasksSeq: await seqAtTime(logs.tasks, atMs),
    leasesSeq: await seqAtTime(logs.leases, atMs),
  };
  const foundMs = performance.now();
  await state.moveTo(target, new AbortController().signal);
  const foldedMs = performance.now();
  const reply = await explainThen(state, new Map(), { taskId: `t${task - QUEUED / 2}`, atMs });
  if (reply.kind !== 'open') throw new Error(`the task is ${reply.kind}`);
  figures[`${name}FindMs`] = round(foundMs - beginMs, 0);
  figures[`${name}FoldMs`] = round(foldedMs - foundMs, 0);
  figures[`${name}ExplainMs`] = round(performance.now() - foldedMs, 0);
};
const standstill = monitorEventLoopDelay({ resolution: 1 });
standstill.enable();
await ask('fromTheStart', TASKS - 200);
await ask('aSecondLater', TASKS - 100);
standstill.disable();
figures['standstillMsP99'] = round(standstill.percentile(99) / 1e6, 1);
figures['standstillMsMax'] = round(standstill.max / 1e6, 1);
const { fromTheStartFoldMs: foldMs = Number.NaN, tasksEvents = 0, leasesEvents = 0 } = figures;
figures['eventsPerS'] = round(((tasksEvents + leasesEvents) / foldMs) * 1_000, 0);
report('explain-past', figures, { nats: server.version });
await connection.drain();
await server.remove();
