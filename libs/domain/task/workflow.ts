import type { TaskId, WorkflowId } from '../ids.js';

/** What becomes of a task when one that it needs has failed or was cancelled: it fails too, is left out, or runs all the same. */
export const ON_FAILURE = ['fail', 'skip', 'continue'] as const;
export type OnFailure = (typeof ON_FAILURE)[number];

/** An edge of a workflow: `task` is the name there. */
export type Need = NamedTask & { readonly onFailure: OnFailure };
export type NamedTask = { readonly task: string; readonly taskId: TaskId };

/** A task's place in its workflow. Its `dependsOn` are the ids of `needs`, in the same order. */
export type WorkflowPart = {
  readonly workflowId: WorkflowId;
  /** Its own name. */
  readonly task: string;
  readonly needs: readonly Need[];
  /** Tasks whose results its parameters read: kept until it has ended. */
  readonly uses: readonly NamedTask[];
};
