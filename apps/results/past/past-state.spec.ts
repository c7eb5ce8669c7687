import { describe, expect, it } from '@jest/globals';
import { canonicalJson } from '#libs/domain/canonical.js';
import { LEDGER_FOLD_VERSION } from '#libs/domain/gpu/ledger-state.js';
import { BOOK_FOLD_VERSION, bookLines } from '#libs/domain/task/book-state.js';
import { emptyBook } from '#libs/domain/task/task-book.js';
import { START, type NewEvent } from '#libs/event-log/event-log.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { MemorySnapshotStore } from '#libs/event-log/memory.snapshot-store.js';
import { SnapshotKeeper } from '#libs/event-log/snapshot-keeper.js';
import { foldTask } from '#libs/event-log/state-folds.js';
import { configured, cpuSpec, dispatched, later, NOW, submitted, success } from '#libs/testing/builders.js';
import { NotThereYetError, PastState } from './past-state.js';

type Fact = { readonly type: string } & Readonly<Record<string, unknown>>;

const asEvent = ({ type, ...data }: Fact, n: number): NewEvent => ({
  id: `e-${n}`,
  type,
  version: 1,
  subject: `evt.test.${n}`,
  time: later(n),
  data,
});

const written = async (name: string, facts: readonly Fact[]): Promise<MemoryEventLog> => {
  const log = new MemoryEventLog(name);
  const writer = await log.openWriter(START, asEvent({ type: 'log.started', logId: name, at: NOW }, 0));
  writer.append(facts.map((fact, n) => asEvent(fact, n + 1)));
  await writer.flush();
  return log;
};

const lease = { leaseId: 'l-1', taskId: 't1', stepId: 'a', attempt: 1 };
const GRANT = 3;
const leaseFacts: readonly Fact[] = [
  configured(cpuSpec(1)),
  { type: 'lease.granted', serverId: 'cpu', leases: [lease], at: NOW },
  { type: 'lease.released', serverId: 'cpu', leaseIds: ['l-1'], at: NOW },
];

/** The first task runs to its end while others are submitted. */
const taskFacts = (others: number): readonly Fact[] => [
  submitted(),
  dispatched('a', 1, { lease: { leaseId: 'l-1', token: GRANT, serverId: 'cpu' } }),
  { type: 'task.completed', taskId: 't1', step: success(), result: null, at: NOW },
  ...Array.from({ length: others }, (_, n) => submitted({ taskId: `u${n}` })),
];

const past = async (others = 3) => {
  const logs = {
    tasks: await written('TASKS', taskFacts(others)),
    leases: await written('LEASES', leaseFacts),
  };
  const snapshots = { tasks: new MemorySnapshotStore(), leases: new MemorySnapshotStore() };
  const failures: unknown[] = [];
  const state = new PastState({ logs, snapshots, onSnapshotFailure: (error) => failures.push(error) });
  return { state, logs, snapshots, failures };
};

const bookAt = async (log: MemoryEventLog, seq: number): Promise<string> => {
  const book = emptyBook();
  for await (const event of log.replay(START)) if (event.seq <= seq) foldTask(book, event);
  return canonicalJson(book);
};

const never = new AbortController().signal;

describe('the state of a moment of the past', () => {
  it('is the fold up to it, whether one goes forward or back', async () => {
    const { state, logs } = await past();
    for (const seq of [2, 5, 3, 3, 7]) {
      await state.moveTo({ tasksSeq: seq, leasesSeq: 2 }, never);
      expect(canonicalJson(state.book)).toBe(await bookAt(logs.tasks, seq));
    }
  });

  it('has the grant of each attempt that runs, though the clock of the allocator was ahead', async () => {
    const { state } = await past();
    await state.moveTo({ tasksSeq: 2, leasesSeq: 2 }, never);
    expect(state.ledger.servers.get('cpu')?.leases.size).toBe(0);
    await state.moveTo({ tasksSeq: 3, leasesSeq: 2 }, never);
    expect(state.ledger.seq).toBe(GRANT);
    expect(state.ledger.servers.get('cpu')?.leases.has('l-1')).toBe(true);
  });

  it('stops when its time is over, and goes on from there the next time', async () => {
    const { state, logs } = await past(500);
    const over = AbortSignal.abort();
    const tries: number[] = [];
    for (;;) {
      try {
        await state.moveTo({ tasksSeq: 450, leasesSeq: 1 }, over);
        break;
      } catch (error) {
        if (!(error instanceof NotThereYetError)) throw error;
        tries.push(error.at);
      }
    }
    expect(tries).toEqual([100, 200, 300, 400]);
    expect(canonicalJson(state.book)).toBe(await bookAt(logs.tasks, 450));
  });

  it('begins at a snapshot before it, and never at one behind it', async () => {
    const { state, logs, snapshots, failures } = await past(45_000);
    const book = emptyBook();
    for await (const event of logs.tasks.replay(START)) {
      foldTask(book, event);
      if (event.seq !== 30_000 && event.seq !== 44_000) continue;
      const at = { seq: event.seq, hash: event.hash };
      const saved = Promise.withResolvers<void>();
      const keeper = new SnapshotKeeper(
        {
          store: {
            load: () => Promise.resolve(null),
            save: (kept) => snapshots.tasks.save(kept).then(saved.resolve),
          },
          foldVersion: BOOK_FOLD_VERSION,
          lines: () => bookLines(book),
          everyEvents: 1,
          onFailure: saved.reject,
        },
        0,
      );
      keeper.offer(at, () => Promise.resolve());
      await saved.promise;
    }
    const read: number[] = [];
    const replay = logs.tasks.replay.bind(logs.tasks);
    logs.tasks.replay = (from, options) => {
      read.push(from.seq);
      return replay(from, options);
    };
    await state.moveTo({ tasksSeq: 40_000, leasesSeq: 1 }, never);
    expect([read, failures, LEDGER_FOLD_VERSION]).toEqual([[30_000], [], 'leases-2']);
    expect(canonicalJson(state.book)).toBe(await bookAt(logs.tasks, 40_000));
  }, 60_000);
});
