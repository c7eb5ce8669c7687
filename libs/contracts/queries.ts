import type { Failure } from '#libs/domain/errors.js';
import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import type { ModelUsage } from '#libs/domain/usage.js';

/** What a person sees of a task. Times RFC 3339; durations in milliseconds. Field names are those of the REST answer. */
export type TaskView = {
  readonly id: string;
  readonly workspace: string;
  readonly status: TaskStatus;
  readonly priority: number;
  readonly template: { readonly name: string; readonly version: string };
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly depends_on: readonly string[];
  readonly workflow_id: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly created_at: string;
  readonly run_at: string | null;
  readonly deadline_at: string | null;
  readonly queue_ttl_ms: number | null;
  /** The task that this one repeats. */
  readonly rerun_of: string | null;
  /** The step of another task that submitted it, and waits for it. */
  readonly parent: { readonly task_id: string; readonly step_id: string } | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly cancel_requested_at: string | null;
  /** Where somebody has put it in the queue; null where priority and age say its place. */
  readonly moved: MovedView | null;
  readonly finishing: FinishingView | null;
  readonly result: unknown;
  readonly error: Failure | null;
  readonly last_error: LastError | null;
  readonly steps: readonly StepView[];
  /** Those of items are not among them: see `ItemView`. */
  readonly attempts: readonly AttemptView[];
  readonly resource_usage: ResourceUsage;
  /** Sequence of the last event that this view includes. */
  readonly last_seq: number;
};

/** `task` is the one that it was put before or behind. */
export type MovedView = {
  readonly to: 'front' | 'back' | 'before' | 'after';
  readonly task: string | null;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
};

/** What went wrong last: what the task failed with, or while it is open, its latest failed attempt. Nulls: no attempt was to blame. */
export type LastError = Pick<Failure, 'code' | 'message'> & {
  readonly step_id: string | null;
  readonly attempt: number | null;
  readonly server_id: string | null;
  readonly at: string | null;
};

export const TASK_STATUSES = ['queued', 'running', 'waiting', 'completed', 'failed', 'cancelled'] as const;
export type TaskStatus = (typeof TASK_STATUSES)[number];

/** How all steps of a task have ended but those at its end, which run now: since when, and until when they may. */
export type FinishingView = {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly since: string;
  readonly until: string;
};

export type StepView = {
  readonly id: string;
  readonly type: string;
  readonly needs: readonly string[];
  /** `skipped`: its condition was false. `kept`: as it ended in the task that this one repeats. */
  readonly status:
    | 'pending'
    | 'running'
    | 'waiting'
    | 'completed'
    | 'failed'
    | 'cancelled'
    | 'skipped'
    | 'kept';
  /** Only where nobody serves its step type now. */
  readonly waits_for?: string;
  /** That of a step with items is in its items. */
  readonly output: unknown;
  /** Null for a step that runs once, and before it is known how many items there are. */
  readonly items: ItemCounts | null;
  /** For a step that waits or has waited: for what, since when, and who has answered. */
  readonly waiting: WaitingView | null;
  /** It runs at the end of its task, however that came. */
  readonly finally: boolean;
  /** Why such a step could not begin. Those of attempts stand there. */
  readonly error: Failure | null;
};

/** Items that are none of these wait. */
export type ItemCounts = {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  readonly running: number;
};

/** One item of a step, from when it was begun. `index` from 0. */
export type ItemView = {
  readonly index: number;
  /** `pending`: it is to be tried again. */
  readonly status: 'pending' | 'running' | 'completed' | 'failed' | 'cancelled';
  readonly attempts: number;
  readonly output: unknown;
  readonly error: Failure | null;
  readonly started_at: string | null;
  readonly ended_at: string | null;
};

export const ITEM_STATUSES = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const;

export type ItemsRequest = {
  readonly taskId: string;
  readonly stepId: string;
  readonly status?: ItemView['status'];
  readonly page: Pick<PageRequest, 'size' | 'after'>;
};

/** In the order of the list. */
export type ItemPage = {
  readonly counts: ItemCounts;
  readonly items: readonly ItemView[];
  readonly next: string | null;
};

/** Large data of a task. Of several that were stored under one name it is the last. */
export type ArtifactView = {
  /** What steps and people name it by: `<task>/<name>`. */
  readonly reference: string;
  readonly name: string;
  readonly step_id: string | null;
  readonly size_bytes: number;
  /** `sha256:` and 64 hexadecimal digits. */
  readonly digest: string;
  readonly content_type: string;
  readonly stored_at: string;
  /** Null while it can be read. */
  readonly removed_at: string | null;
  readonly removed_reason: string | null;
};

/** By name. */
export type ArtifactList = { readonly items: readonly ArtifactView[] };

/** With where it lies in the object store. */
export type ArtifactPlace = ArtifactView & { readonly object: string };

/** Times RFC 3339. What is not asked there is null. */
export type WaitingView = {
  readonly kind: WaitingKind;
  /** Names what was asked, to whoever answers. */
  readonly seq: number;
  readonly message: string | null;
  readonly assignees: readonly string[];
  readonly choices: readonly string[] | null;
  readonly since: string;
  readonly until: string | null;
  readonly reminders: number;
  readonly escalated_at: string | null;
  readonly answered_by: string | null;
  readonly answered_at: string | null;
  /** The child that it waits for, or has waited for; null for one that waits for no task. */
  readonly task_id: string | null;
};

export type AttemptView = {
  readonly step_id: string;
  readonly attempt: number;
  readonly server_id: string;
  readonly lease_id: string;
  readonly dispatched_at: string;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly outcome: 'running' | 'completed' | 'failed' | 'cancelled';
  readonly error: Failure | null;
  readonly usage: ModelUsage | null;
};

/** Sums over all attempts of the task. */
export type ResourceUsage = {
  readonly models: readonly string[];
  readonly load_ms: number;
  readonly prompt_ms: number;
  readonly generation_ms: number;
  readonly tokens_in: number;
  readonly tokens_out: number;
  readonly vram_bytes_max: number | null;
};

/** `rpc.results.query`: waits (at most a second) until everything up to `atLeastSeq` of `TASKS` is included. */
export type QueryRequest = { readonly atLeastSeq?: number } & (
  | { readonly kind: 'task'; readonly taskId: string }
  | { readonly kind: 'tasks'; readonly filter: TaskFilter; readonly page: PageRequest }
  | { readonly kind: 'workflow'; readonly workflowId: string }
  | {
      readonly kind: 'workflows';
      readonly filter: Pick<TaskFilter, 'workspace'>;
      readonly page: PageRequest;
    }
  | { readonly kind: 'status-counts'; readonly filter: TaskFilter }
  | { readonly kind: 'leases'; readonly taskId: string }
  | ({ readonly kind: 'items' } & ItemsRequest)
  | { readonly kind: 'artifacts'; readonly taskId: string }
  | { readonly kind: 'artifact'; readonly taskId: string; readonly name: string }
);

export type TaskFilter = {
  readonly workspace?: string;
  readonly statuses?: readonly TaskStatus[];
  readonly template?: string;
  readonly workflowId?: string;
  /** The task of which it is a child. */
  readonly parent?: string;
  /** All of these must match. */
  readonly labels?: Readonly<Record<string, string>>;
  /** RFC 3339; from is inclusive, to exclusive. */
  readonly createdFrom?: string;
  readonly createdTo?: string;
};

/** Newest first. `after` and `before` are opaque cursors of an earlier page. */
export type PageRequest = { readonly size: number; readonly after?: string; readonly before?: string };

export type TaskPage = {
  readonly items: readonly TaskView[];
  /** Cursors to the next (older) and previous (newer) page; null at the ends. */
  readonly next: string | null;
  readonly previous: string | null;
};

export type StatusCounts = {
  readonly total: number;
  readonly by_status: Readonly<Record<TaskStatus, number>>;
  readonly by_template: readonly {
    readonly template: string;
    readonly status: TaskStatus;
    readonly count: number;
  }[];
};

/** A lease that a task had, from grant to end. `token` is the sequence of the grant in `LEASES`. */
export type LeaseView = {
  readonly lease_id: string;
  readonly task_id: string;
  readonly step_id: string;
  readonly attempt: number;
  readonly server_id: string;
  readonly residency_id: string | null;
  readonly model: string | null;
  readonly vram_bytes: number | null;
  readonly token: number;
  readonly granted_at: string;
  readonly ended_at: string | null;
  readonly outcome: 'held' | 'released' | 'expired';
};

/** `rpc.results.rebuild`: fills the read model anew from the log while the old one serves. `follow` only asks how it stands. */
export type RebuildRequest = { readonly follow?: boolean };
/** The rebuild that runs, or the last one; null when there was none since the service started. */
export type RebuildReply = { readonly rebuild: RebuildStatus | null };
export type RebuildStatus = {
  readonly state: 'running' | 'finished' | 'failed';
  /** Why it was started. */
  readonly reason: string;
  /** How much of `TASKS` the new tables include, and how much there is. */
  readonly seq: number;
  readonly tail_seq: number;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly error: string | null;
};

export type QueryReply =
  | { readonly ok: true; readonly value: unknown; readonly seq: number }
  | { readonly ok: false; readonly failure: Failure };
