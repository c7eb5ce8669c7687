import type { LeaseId, StepId } from '#libs/domain/ids.js';
import type { StoppedAttempt, TaskEvent } from '#libs/domain/task/events.js';

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

const stopped = (attempt: StoppedAttempt): AttemptOutcome => ({
  ...outcome(attempt, false),
  unconfirmed: attempt.how === 'unconfirmed',
});

/** Attempts that an event says have ended. */
export const outcomesOf = (event: TaskEvent): readonly AttemptOutcome[] => {
  switch (event.type) {
    case 'step.completed':
    case 'task.completed':
      return [outcome(event.step, true)];
    case 'step.failed':
      return [outcome(event.step, false)];
    case 'step.stopped':
      return [stopped(event.step)];
    case 'task.failing':
      return event.step ? [outcome(event.step, false)] : [];
    case 'task.failed':
      return [...(event.step ? [outcome(event.step, false)] : []), ...event.stopped.map(stopped)];
    case 'task.cancelled':
      return event.stopped.map(stopped);
    case 'task.submitted':
    case 'task.priority-changed':
    case 'task.moved':
    case 'step.dispatched':
    case 'task.cancel-requested':
      return [];
  }
};
