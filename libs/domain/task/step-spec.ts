import type { ErrorCode } from '../errors.js';
import type { StepId } from '../ids.js';
import type { ChildSpec } from './child-part.js';
import type { Requirement } from './requirement.js';
import type { WaitingKind } from './waiting-events.js';

/** A step of a task, as it was planned at the submission. */
export type StepSpec = {
  readonly id: StepId;
  /** Such as `ollama_generate`. */
  readonly stepType: string;
  /** Steps of the same task that must be over first. */
  readonly needs: readonly StepId[];
  readonly requirement: Requirement;
  readonly retry: RetrySpec;
  /** Whether it runs at all is decided when all that it needs is over. */
  readonly conditional?: true;
  /** The task goes on without it when it has failed for good. Absent: the task fails. */
  readonly onFailure?: 'continue';
  /** How long it waits for a worker of its type where there is none; absent: as long as it takes. Only of types of others. */
  readonly workerWaitMs?: number;
  /** It runs once for each item of a list, which is known when all that it needs is over; so many at once. */
  readonly forEach?: { readonly concurrency: number };
  /** It runs when all others have ended, however they did; `limitMs`: what all such steps of a task may take together. */
  readonly atEnd?: { readonly limitMs: number };
  /** It runs nowhere but waits, for a time, for people or for a task; what it requires does not matter then. */
  readonly waits?: WaitingKind;
  /** For a step that waits for a task: which one it submits. */
  readonly child?: ChildSpec;
} & StepTimes;

/** What an attempt may take; absent: as long as it gets on. */
export type StepTimes = {
  /** Longest that one attempt may take from when it begins. */
  readonly timeoutMs?: number;
  /** Longest that nothing may be heard of it: no token and no word of progress, the first included. */
  readonly noProgressMs?: number;
};

export type RetrySpec = {
  /** Tries in all, the first included; 1 means no retry. A try that was interrupted from outside does not count. */
  readonly attemptsMax: number;
  /** Wait before the second attempt; doubles with each further one up to a minute. */
  readonly backoffMs: number;
  /** Only failures with these codes are retried; absent: all that another attempt may mend. */
  readonly on?: readonly ErrorCode[];
};
