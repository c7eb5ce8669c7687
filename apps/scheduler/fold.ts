import { LEASE_STREAM_TYPES, type AllocatorEvent, type GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import { TASK_STREAM_TYPES, type SchedulerEvent, type TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, type TaskBook } from '#libs/domain/task/task-book.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
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
