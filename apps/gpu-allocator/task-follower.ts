import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import { isUnconfirmed, type Failure } from '#libs/domain/errors.js';
import type { LeaseId, ServerId } from '#libs/domain/ids.js';
import type { StepFailure, TaskEvent } from '#libs/domain/task/events.js';
import { toldApart } from '#libs/domain/task/told-apart.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import type { LeaseDesk } from './lease-desk.js';

/**
 * Frees the slots of attempts that have ended, as `TASKS` tells it. Everything that is read in one turn is released
 * together: one event per server instead of one per attempt.
 */
export class TaskFollower {
  #ended: LeaseId[] = [];
  #position = 0;
  seen = 0;

  constructor(
    private readonly desk: LeaseDesk,
    /** Makes sure that the server has stopped working for a lease whose abort it did not confirm. */
    private readonly settle: (leaseId: LeaseId) => Promise<void>,
    /** An attempt failed on this server. */
    private readonly onFailure: (serverId: ServerId, failure: Failure) => void,
  ) {}

  take(stored: StoredEvent): void {
    this.seen = stored.seq;
    for (const event of toldApart(typedEvent<TaskEvent>(stored))) this.#told(event, stored.seq);
  }

  #told(event: TaskEvent, seq: number): void {
    const failed = failedAttempt(event);
    // Of an attempt that was closed before, whatever happened there is known.
    if (failed && this.desk.isLive(failed.leaseId)) this.onFailure(failed.serverId, failed.failure);
    const doubtful = new Set(unconfirmedLeases(event));
    const ended = endedLeases(event).filter((leaseId) => !doubtful.has(leaseId));
    for (const leaseId of doubtful) void this.settle(leaseId).finally(() => this.desk.release([leaseId]));
    if (ended.length === 0) return;
    if (this.#ended.length === 0) setImmediate(() => this.#release());
    this.#ended.push(...ended);
    this.#position = seq;
  }

  #release(): void {
    const leaseIds = this.#ended;
    this.#ended = [];
    this.desk.release(leaseIds, `tsk:${this.#position}`);
  }
}

/** Subjects of the events that can end an attempt; nothing else of `TASKS` matters here. */
export const ENDING_SUBJECTS: readonly string[] = (
  [
    'step.completed',
    'step.failed',
    'step.stopped',
    'step.abandoned',
    'task.completed',
    'task.failing',
    'task.finishing',
    'task.failed',
    'task.cancelled',
  ] as const satisfies readonly TaskEvent['type'][]
).map((type) => SUBJECTS.task('*', subjectToken(type)));

/** Leases of the attempts that an event ends. Types that end none, and types of later versions, end nothing here. */
export const endedLeases = (event: TaskEvent): readonly LeaseId[] => {
  switch (event.type) {
    case 'step.completed':
    case 'step.failed':
    case 'step.stopped':
    case 'step.abandoned':
      return [event.step.leaseId];
    case 'task.completed':
      return [event.step ?? event.abandoned ?? []].flat().map(({ leaseId }) => leaseId);
    case 'task.failing':
      return event.step ? [event.step.leaseId] : [];
    case 'task.failed':
      return [...(event.step ? [event.step.leaseId] : []), ...event.stopped.map(({ leaseId }) => leaseId)];
    case 'task.cancelled':
      return event.stopped.map(({ leaseId }) => leaseId);
    default:
      return [];
  }
};

/** Leases whose attempt was aborted without the server being seen to stop. */
export const unconfirmedLeases = (event: TaskEvent): readonly LeaseId[] => {
  const stopped =
    event.type === 'step.stopped'
      ? [event.step]
      : event.type === 'task.cancelled' || event.type === 'task.failed'
        ? event.stopped
        : [];
  const leaseIds = stopped.filter(({ how }) => how === 'unconfirmed').map(({ leaseId }) => leaseId);
  const failed = failedAttempt(event);
  return failed && isUnconfirmed(failed.failure) ? [...leaseIds, failed.leaseId] : leaseIds;
};

const failedAttempt = (event: TaskEvent): StepFailure | null => {
  switch (event.type) {
    case 'step.failed':
    case 'step.abandoned':
      return event.step;
    case 'task.completed':
      return event.abandoned ?? null;
    case 'task.failing':
    case 'task.failed':
      return event.step ?? null;
    default:
      return null;
  }
};
