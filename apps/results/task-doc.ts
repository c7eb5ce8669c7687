import type {
  AttemptView,
  ItemCounts,
  ItemView,
  ResourceUsage,
  StepView,
  TaskStatus,
} from '#libs/contracts/queries.js';

/** A value as it will stand in the answer: JSON text. */
export type Json = string;

/**
 * What the projection has to remember of a task to place its next event. Outputs, results and ended attempts are in
 * the database already and are not read back: `null` there means "nothing new".
 */
export type TaskDoc = {
  /** Sequence of the submission: the task's key in the database. */
  readonly seq: number;
  readonly id: string;
  readonly workspace: string;
  readonly templateName: string;
  readonly state: TaskState;
  readonly steps: readonly StepState[];
  /** Attempts that run, and those that ended in the events being folded. */
  readonly attempts: readonly AttemptState[];
  /** Items of steps, as far as the events being folded change them. */
  readonly items: readonly ItemState[];
};

export type TaskState = {
  readonly status: TaskStatus;
  readonly priority: number;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly cancelRequestedAt: string | null;
  readonly moved: Json | null;
  /** While only the steps at its end run. */
  readonly finishing: Json | null;
  readonly result: Json | null;
  readonly error: Json | null;
  readonly lastSeq: number;
};

export type StepState = {
  readonly position: number;
  readonly stepId: string;
  readonly status: StepView['status'];
  readonly output: Json | null;
  /** `WaitingView`; it is read back, because reminders and answers change it. */
  readonly waiting: Json | null;
  /** Null for a step that does not run at the end of its task; else with why it could not begin. */
  readonly atEnd: Json | null;
  /** Null for a step that runs once. */
  readonly items: ItemsState | null;
};

/** `usage`: of all attempts of all items. */
export type ItemsState = ItemCounts & { readonly usage: ResourceUsage };

export type ItemState = {
  /** That of its step, and its own place in the list. */
  readonly position: number;
  readonly index: number;
  readonly status: ItemView['status'];
  /** Null: nothing new. */
  readonly attempts: number | null;
  readonly output: Json | null;
  readonly error: Json | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
};

export type AttemptState = {
  /** Sequence of the dispatch: the attempt's key in the database. */
  readonly seq: number;
  readonly stepId: string;
  readonly attempt: number;
  readonly serverId: string;
  readonly leaseId: string;
  /** The model that the step asked for; null for a step that needs none. */
  readonly model: string | null;
  readonly dispatchedAt: string;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly outcome: AttemptView['outcome'];
  readonly error: Json | null;
  readonly usage: Json | null;
};

/** What a submission says once and for all. */
export type NewTask = {
  readonly id: string;
  readonly templateVersion: string;
  readonly parameters: Json;
  readonly dependsOn: Json;
  readonly labels: Json;
  readonly createdAt: string;
  readonly runAt: string | null;
  readonly deadlineAt: string | null;
  readonly queueTtlMs: number | null;
  readonly workflowId: string | null;
  readonly rerunOf: string | null;
  readonly parentTaskId: string | null;
  readonly parentStepId: string | null;
  readonly labelPairs: readonly (readonly [key: string, value: string])[];
  readonly steps: readonly { readonly stepType: string; readonly needs: Json }[];
};

export const json = (value: unknown): Json => JSON.stringify(value);

export const withState = (doc: TaskDoc, change: Partial<TaskDoc['state']>): TaskDoc => ({
  ...doc,
  state: { ...doc.state, ...change },
});

export const withStep = (doc: TaskDoc, stepId: string, change: Partial<StepState>): TaskDoc => ({
  ...doc,
  steps: doc.steps.map((step) => (step.stepId === stepId ? { ...step, ...change } : step)),
});

export const isOver = (status: TaskStatus): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled';

/** Drops what the database now holds, so that a remembered task stays small whatever its outputs were. */
export const remembered = (doc: TaskDoc): TaskDoc => ({
  ...doc,
  state: { ...doc.state, result: null, error: null },
  steps: doc.steps.map((step) => (step.output === null ? step : { ...step, output: null })),
  attempts: doc.attempts.filter(({ outcome }) => outcome === 'running'),
  items: [],
});
