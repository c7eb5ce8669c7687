import type { OnFailure } from '#libs/domain/task/workflow.js';
import type { TaskStatus } from './queries.js';

/** What a person sees of a workflow. Field names are those of the REST answer. */
export type WorkflowView = WorkflowSummary & { readonly tasks: readonly WorkflowTaskView[] };

export type WorkflowSummary = {
  readonly id: string;
  readonly name: string | null;
  readonly workspace: string;
  readonly status: WorkflowStatus;
  readonly labels: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly task_counts: Readonly<Record<WorkflowTaskStatus, number>>;
};

export const WORKFLOW_STATUSES = ['queued', 'running', 'completed', 'failed', 'cancelled'] as const;
export type WorkflowStatus = (typeof WORKFLOW_STATUSES)[number];

/** `skipped`: cancelled, because a task that it needs did not complete and the edge says so. */
export const WORKFLOW_TASK_STATUSES = [
  'queued',
  'running',
  'waiting',
  'completed',
  'failed',
  'cancelled',
  'skipped',
] as const satisfies readonly (TaskStatus | 'skipped')[];
export type WorkflowTaskStatus = (typeof WORKFLOW_TASK_STATUSES)[number];

export type WorkflowTaskView = {
  readonly name: string;
  readonly id: string;
  readonly template: string;
  readonly needs: readonly { readonly task: string; readonly on_failure: OnFailure }[];
  readonly status: WorkflowTaskStatus;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  /** The sentence to it is in the task. */
  readonly error_code: string | null;
};

/** Newest first; `next` leads to the older ones. */
export type WorkflowPage = { readonly items: readonly WorkflowSummary[]; readonly next: string | null };
