import { LEASE_STREAM_TYPES, type AllocatorEvent, type GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import { LEDGER_FOLD_VERSION, ledgerOfLines } from '#libs/domain/gpu/ledger-state.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, type TaskBook } from '#libs/domain/task/task-book.js';
import type { EventLog, LogPosition, StoredEvent } from '#libs/event-log/event-log.js';
import { foldAll } from '#libs/event-log/fold-log.js';
import { restored } from '#libs/event-log/snapshot-keeper.js';
import type { SnapshotStore } from '#libs/event-log/snapshot-store.js';
import { assertKnown, typedEvent } from '#libs/event-log/typed-event.js';

/** One stored event of `TASKS` into the book. */
export const foldTask = (book: TaskBook, stored: StoredEvent): void => {
  assertKnown(stored, TASK_STREAM_TYPES, 'TASKS');
  applyToBook(book, {
    seq: stored.seq,
    event: typedEvent<TaskEvent | SchedulerEvent>(stored),
    ...(stored.causationId === undefined ? {} : { causationId: stored.causationId }),
  });
};

/** One stored event of `LEASES` into the scheduler's copy of the ledger. */
export const foldLease = (ledger: Ledger, stored: StoredEvent): GpuEvent | AllocatorEvent => {
  assertKnown(stored, LEASE_STREAM_TYPES, 'LEASES');
  const event = typedEvent<GpuEvent | AllocatorEvent>(stored);
  applyToLedger(ledger, {
    seq: stored.seq,
    event,
    ...(stored.causationId === undefined ? {} : { causationId: stored.causationId }),
  });
  return event;
};

export type FoldedLedger = { readonly ledger: Ledger; readonly leasesAt: LogPosition };

/** The scheduler's copy of the ledger, from what the allocator put aside and the log behind it. */
export const foldLedger = async (
  log: EventLog,
  store: SnapshotStore,
  signal: AbortSignal,
  onFailure: (error: unknown) => void,
): Promise<FoldedLedger> => {
  let ledger = emptyLedger();
  const leasesAt = await foldAll({
    log,
    reset: () => (ledger = emptyLedger()),
    restore: () =>
      restored(
        { store, foldVersion: LEDGER_FOLD_VERSION, onFailure },
        (lines) => (ledger = ledgerOfLines(lines)),
      ),
    fold: (stored) => void foldLease(ledger, stored),
    signal,
  });
  return { ledger, leasesAt };
};
