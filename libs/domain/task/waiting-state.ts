import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
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
): WaitingProgress | OverProgress => {
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

/** A waiting that is over. Its number of attempts is 1: the step was tried once, and here. */
export const waitedProgress = (before: WaitingProgress | null, { output, failure }: Waited): OverProgress => {
  const answer = before?.answer ?? null;
  const answered = answer === null ? {} : { answered: { by: answer.by, at: answer.at } };
  return failure === undefined
    ? { status: 'done', attempt: 1, output: output ?? null, ...answered }
    : { status: 'failed', attempt: 1, failure, ...answered };
};
