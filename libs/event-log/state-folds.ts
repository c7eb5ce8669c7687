import { LEASE_STREAM_TYPES, type AllocatorEvent, type GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, type Ledger } from '#libs/domain/gpu/gpu.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, type TaskBook } from '#libs/domain/task/task-book.js';
import type { StoredEvent } from './event-log.js';
import { assertKnown, typedEvent } from './typed-event.js';

/** One stored event of `TASKS` into the book. */
export const foldTask = (book: TaskBook, stored: StoredEvent): void => {
  assertKnown(stored, TASK_STREAM_TYPES, 'TASKS');
  applyToBook(book, {
    seq: stored.seq,
    event: typedEvent<TaskEvent | SchedulerEvent>(stored),
    ...(stored.causationId === undefined ? {} : { causationId: stored.causationId }),
  });
};

/** One stored event of `LEASES` into a copy of the ledger. */
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
