import { isInterruption, type Failure } from '../errors.js';
import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import type {
  KeptStep,
  LeaseRef,
  StepFailure,
  StepSpec,
  TaskEvent,
  TaskFailing,
  TaskSubmitted,
  TemplateRef,
} from './events.js';
import type { SchedulePart } from '../schedule/schedule-part.js';
import type { StartPromise } from './start-promise.js';
import type { WorkflowPart } from './workflow.js';

/** A task as the scheduler knows it. A closed task keeps only how it ended: that is all that later decisions need. */
export type Task = OpenTask | ClosedTask;

export type OpenTask = {
  readonly status: 'open';
  readonly id: TaskId;
  readonly workspace: WorkspaceId;
  readonly template: TemplateRef;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly dependsOn: readonly TaskId[];
  readonly labels: Readonly<Record<string, string>>;
  readonly workflow?: WorkflowPart;
  readonly schedule?: SchedulePart;
  readonly submittedAt: string;
  readonly runAt: string | null;
  readonly queueTtlMs: number | null;
  /** Sequence of the submission: older tasks have lower ones. */
  readonly seq: number;
  readonly deadlineAt: string | null;
  readonly promise: StartPromise | null;
  readonly steps: readonly Step[];
  /** Set once the task is to end as soon as its running attempts have stopped. */
  readonly ending: Ending | null;
};

export type ClosedTask = { readonly status: 'completed' | 'failed' | 'cancelled' };

export type Ending =
  | { readonly kind: 'cancelled'; readonly reason: string }
  | { readonly kind: 'failed'; readonly failure: Failure; readonly step?: StepFailure };

export type Step = { readonly spec: StepSpec; readonly progress: Progress };

export type Progress =
  /** `attempts` so far, of which `interruptions` were cut short from outside; not to be tried before `notBefore`. */
  | {
      readonly status: 'pending';
      readonly attempts: number;
      readonly interruptions: number;
      readonly notBefore: string | null;
    }
  | {
      readonly status: 'active';
      readonly attempt: number;
      readonly interruptions: number;
      readonly lease: LeaseRef;
      readonly vramShare: number;
      readonly at: string;
    }
  /** Attempt 0: kept from the task that this one repeats. */
  | { readonly status: 'done'; readonly attempt: number; readonly output: unknown }
  | { readonly status: 'stopped'; readonly attempt: number };

/** Copies the fact into the state; never refuses. `seq` is the event's place in the stream. */
export const evolve = (task: OpenTask | undefined, event: TaskEvent, seq: number): Task => {
  if (event.type === 'task.submitted') return opened(event, seq);
  if (task === undefined)
    throw new Error(`event ${event.type} at ${seq} for task ${event.taskId}, which is not open`);
  switch (event.type) {
    case 'task.priority-changed':
      return { ...task, priority: event.priority };
    case 'step.dispatched':
      return withProgress(task, event.stepId, {
        status: 'active',
        attempt: event.attempt,
        interruptions: interruptionsOf(task, event.stepId),
        lease: event.lease,
        vramShare: event.vramShare ?? 0,
        at: event.at,
      });
    case 'step.completed':
      return withProgress(task, event.step.stepId, {
        status: 'done',
        attempt: event.step.attempt,
        output: event.step.output,
      });
    case 'step.failed':
      return withProgress(task, event.step.stepId, {
        status: 'pending',
        attempts: event.step.attempt,
        interruptions:
          interruptionsOf(task, event.step.stepId) + (isInterruption(event.step.failure.code) ? 1 : 0),
        notBefore: event.retryAt,
      });
    case 'step.stopped':
      return withProgress(task, event.step.stepId, { status: 'stopped', attempt: event.step.attempt });
    case 'task.cancel-requested':
      return { ...task, ending: task.ending ?? { kind: 'cancelled', reason: event.reason } };
    case 'task.failing':
      return failing(task, event);
    case 'task.completed':
      return COMPLETED;
    case 'task.failed':
      return FAILED;
    case 'task.cancelled':
      return CANCELLED;
  }
};

const COMPLETED: ClosedTask = { status: 'completed' };
const FAILED: ClosedTask = { status: 'failed' };
const CANCELLED: ClosedTask = { status: 'cancelled' };

const opened = (event: TaskSubmitted, seq: number): OpenTask => ({
  status: 'open',
  id: event.taskId,
  workspace: event.workspace,
  template: event.template,
  parameters: event.parameters,
  priority: event.priority,
  dependsOn: event.dependsOn,
  labels: event.labels,
  ...(event.workflow ? { workflow: event.workflow } : {}),
  ...(event.schedule ? { schedule: event.schedule } : {}),
  submittedAt: event.submittedAt,
  runAt: event.runAt ?? null,
  queueTtlMs: event.queueTtlMs ?? null,
  seq,
  deadlineAt: event.deadlineAt ?? null,
  promise: event.promise ?? null,
  steps: event.steps.map((spec) => ({ spec, progress: firstProgress(spec.id, event.kept ?? []) })),
  ending: null,
});

const failing = (task: OpenTask, { failure, step }: TaskFailing): OpenTask => ({
  ...(step ? withProgress(task, step.stepId, { status: 'stopped', attempt: step.attempt }) : task),
  ending: { kind: 'failed', failure, ...(step ? { step } : {}) },
});

const FRESH: Progress = { status: 'pending', attempts: 0, interruptions: 0, notBefore: null };

/** A step that is kept is done without an attempt: its number is 0. */
const firstProgress = (id: StepId, keptSteps: readonly KeptStep[]): Progress => {
  const kept = keptSteps.find(({ stepId }) => stepId === id);
  return kept === undefined ? FRESH : { status: 'done', attempt: 0, output: kept.output };
};

/** Whether a step was done in the task that this one repeats, and not here. */
export const isKept = (progress: Progress): boolean => progress.status === 'done' && progress.attempt === 0;

const withProgress = (task: OpenTask, stepId: string, progress: Progress): OpenTask => ({
  ...task,
  steps: task.steps.map((step) => (step.spec.id === stepId ? { ...step, progress } : step)),
});

const interruptionsOf = (task: OpenTask, stepId: string): number => {
  const progress = task.steps.find(({ spec }) => spec.id === stepId)?.progress;
  return progress?.status === 'pending' || progress?.status === 'active' ? progress.interruptions : 0;
};

/** Attempts that hold a lease now. */
export const activeSteps = (task: OpenTask): readonly ActiveStep[] => {
  const active: ActiveStep[] = [];
  for (const { spec, progress } of task.steps)
    if (progress.status === 'active') active.push({ spec, ...progress });
  return active;
};

export type ActiveStep = { readonly spec: StepSpec } & Extract<Progress, { status: 'active' }>;

/** Outputs by step, as expressions of later steps see them. */
export const outputsOf = (task: OpenTask): Readonly<Record<string, { readonly output: unknown }>> => {
  const outputs: Record<string, { output: unknown }> = {};
  for (const { spec, progress } of task.steps) {
    if (progress.status === 'done') outputs[spec.id] = { output: progress.output };
  }
  return outputs;
};

/** Would the task be complete if this step were done? */
export const isLastStep = (task: OpenTask, stepId: string): boolean =>
  task.steps.every(({ spec, progress }) => spec.id === stepId || progress.status === 'done');

/** Are all of these steps of the task done? */
export const needsDone = (task: OpenTask, needs: readonly StepId[]): boolean =>
  needs.every((id) => task.steps.some(({ spec, progress }) => spec.id === id && progress.status === 'done'));
