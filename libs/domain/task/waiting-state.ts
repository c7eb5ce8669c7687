import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { ChildEnd } from './child-part.js';
import type { Answer, Waited, WaitingEvent, WaitingFor } from './waiting-events.js';

/** A step that waits, and what has happened since. */
export type WaitingProgress = {
  readonly status: 'waiting';
  /** Sequence of its `step.waiting`. */
  readonly seq: number;
  readonly waiting: WaitingFor;
  readonly since: string;
  readonly reminders: number;
  /** When who is asked was asked last. */
  readonly askedAt: string;
  readonly escalated: boolean;
  /** Given, and what follows of it not recorded yet. */
  readonly answer: (Answer & { readonly at: string }) | null;
  /** How the child has ended that it waits for, and what follows of it not recorded yet. */
  readonly ended?: ChildEnd;
};

/** A step that is to be tried again, as `Progress` has it. */
type TriedAgain = {
  readonly status: 'pending';
  readonly attempts: number;
  readonly interruptions: number;
  readonly notBefore: string;
};

/** Who answered, and when; kept of a step that is over, for those who answer too late. */
export type Answered = { readonly by: string | null; readonly at: string };

/** A step that is done, or has failed for good. Attempt 0: kept from the task that this one repeats. */
export type OverProgress =
  | {
      readonly status: 'done';
      readonly attempt: number;
      readonly output: unknown;
      readonly answered?: Answered;
    }
  | {
      readonly status: 'failed';
      readonly attempt: number;
      readonly failure: Failure;
      readonly answered?: Answered;
    };

/** Which step an event about waiting is about. */
export const waitingStepOf = (event: WaitingEvent): StepId =>
  event.type === 'step.waited' ? event.waited.stepId : event.stepId;

/** The step as it is after the event; `before`: as it waits, where it does. Copies; never refuses. */
export const waitingAfter = (
  before: WaitingProgress | null,
  event: WaitingEvent,
  seq: number,
): WaitingProgress | OverProgress | TriedAgain => {
  if (event.type === 'step.waited') return waitedProgress(before, event.waited);
  if (event.type === 'step.waiting') {
    const { waiting, at } = event;
    const fresh = { reminders: 0, askedAt: at, escalated: false, answer: null };
    return { status: 'waiting', seq, waiting, since: at, ...fresh };
  }
  if (before === null)
    throw new Error(
      `${event.type} at ${seq} for step ${event.stepId} of ${event.taskId}, which does not wait`,
    );
  switch (event.type) {
    case 'step.reminded':
      return { ...before, reminders: event.nth, askedAt: event.at };
    case 'step.escalated':
      return { ...before, escalated: true };
    case 'step.answered':
      return { ...before, answer: { ...event.answer, at: event.at } };
  }
};

/** A waiting that is over. What waits for a time or for people is tried once; a child may be followed by another one. */
export const waitedProgress = (before: WaitingProgress | null, waited: Waited): OverProgress | TriedAgain => {
  const answer = before?.answer ?? null;
  const answered = answer === null ? {} : { answered: { by: answer.by, at: answer.at } };
  const attempt = before?.waiting.kind === 'task' ? before.waiting.attempt : 1;
  if (waited.failure === undefined)
    return { status: 'done', attempt, output: waited.output ?? null, ...answered };
  return waited.retryAt === undefined
    ? { status: 'failed', attempt, failure: waited.failure, ...answered }
    : { status: 'pending', attempts: attempt, interruptions: 0, notBefore: waited.retryAt };
};
