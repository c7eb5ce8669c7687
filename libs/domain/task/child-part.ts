import type { Failure } from '../errors.js';
import type { StepId, TaskId } from '../ids.js';

/** What a task is that a step of another task was submitted for: the child of that step. */
export type ParentPart = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  /** Which try of the step it is; from 1. */
  readonly attempt: number;
  /** How many tasks are above it; from 1. */
  readonly depth: number;
  /** When it is cancelled if it has not ended, by the `timeout` of the step. */
  readonly timeoutAt?: string;
};

/** How a child ended, until its step has taken it over. */
export type ChildEnd = { readonly at: string } & (
  | { readonly status: 'completed'; readonly result: unknown }
  | { readonly status: 'failed'; readonly failure: Failure }
  | { readonly status: 'cancelled'; readonly reason: string }
);

/** What a step that is itself a task submits. `version` is the hash of the template's content once the task was accepted. */
export type ChildSpec = {
  readonly template: string;
  readonly version?: string;
  /** Context window of its models where its template says nothing. */
  readonly numCtx: number;
};

/**
 * Tasks above a task, at most. Four levels are more than any template is known to have, and the limit is what ends a template that reaches
 * itself by versions that nobody could see together.
 */
export const TASK_DEPTH_MAX = 8;
