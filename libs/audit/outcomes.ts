import type { LeaseId, StepId } from '#libs/domain/ids.js';
import type { StepFailure, TaskEvent } from '#libs/domain/task/events.js';
import type { StoppedAttempt } from '#libs/domain/task/stopped-attempt.js';
import { toldApart } from '#libs/domain/task/told-apart.js';

/** How an event says that an attempt ended. */
export type AttemptOutcome = {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly succeeded: boolean;
  readonly unconfirmed: boolean;
};

type Named = Pick<AttemptOutcome, 'stepId' | 'attempt' | 'leaseId'>;

const outcome = ({ stepId, attempt, leaseId }: Named, succeeded: boolean): AttemptOutcome => ({
  stepId,
  attempt,
  leaseId,
  succeeded,
  unconfirmed: false,
});

/** One that ran out of time was aborted, like one that was stopped. */
const failed = (attempt: StepFailure): AttemptOutcome => ({
  ...outcome(attempt, false),
  unconfirmed: attempt.failure.code === 'STEP_TIMED_OUT' && attempt.failure.details?.['confirmed'] === false,
});

const stopped = (attempt: StoppedAttempt): AttemptOutcome => ({
  ...outcome(attempt, false),
  unconfirmed: attempt.how === 'unconfirmed',
});

/** Attempts that an event says have ended. */
export const outcomesOf = (event: TaskEvent): readonly AttemptOutcome[] => {
  switch (event.type) {
    case 'step.completed':
      return [outcome(event.step, true)];
    case 'task.completed':
      if (event.step) return [outcome(event.step, true)];
      return event.abandoned ? [failed(event.abandoned)] : [];
    case 'step.failed':
    case 'step.abandoned':
      return [failed(event.step)];
    case 'step.stopped':
      return [stopped(event.step)];
    case 'task.failing':
      return event.step ? [failed(event.step)] : [];
    case 'task.failed':
      if (event.last) return toldApart(event).flatMap(outcomesOf);
      return [...(event.step ? [failed(event.step)] : []), ...event.stopped.map(stopped)];
    case 'task.cancelled':
      if (event.last) return toldApart(event).flatMap(outcomesOf);
      return event.stopped.map(stopped);
    case 'task.submitted':
    case 'task.priority-changed':
    case 'task.moved':
    case 'step.dispatched':
    case 'step.admitted':
    case 'step.skipped':
    case 'step.expanded':
    case 'step.waiting':
    case 'step.reminded':
    case 'step.escalated':
    case 'step.answered':
    case 'step.waited':
    case 'step.impossible':
    case 'task.cancel-requested':
      return [];
    case 'task.finishing':
      return toldApart(event).slice(0, -1).flatMap(outcomesOf);
  }
};
