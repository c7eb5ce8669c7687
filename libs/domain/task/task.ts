import { isInterruption } from '../errors.js';
import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import type { CancelRequested, TaskEvent, TaskFailing, TaskSubmitted, TemplateRef } from './events.js';
import type { Moved, TaskMoved } from './move-events.js';
import { itemRefOf, noItemsYet, type ItemRef } from './items.js';
import { finishing, type Ending, type Finishing } from './finishing-state.js';
import { withItemOver, withItems } from './item-steps.js';
import { FRESH, firstProgress, type Progress } from './progress.js';
import type { ParentPart } from './child-part.js';
import type { StepSpec } from './step-spec.js';
import type { Line } from '../policy/place.js';
import { msOf } from '../time.js';
import type { SchedulePart } from '../schedule/schedule-part.js';
import type { StartPromise } from './start-promise.js';
import { toldApart } from './told-apart.js';
import { waitedProgress, waitingAfter, waitingStepOf, type WaitingProgress } from './waiting-state.js';
import type { Waited } from './waiting-events.js';
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
  readonly parent?: ParentPart;
  readonly submittedAt: string;
  readonly runAt: string | null;
  readonly queueTtlMs: number | null;
  /** Sequence of the submission: older tasks have lower ones. */
  readonly seq: number;
  readonly deadlineAt: string | null;
  readonly promise: StartPromise | null;
  /** Where a person has put it; null where priority and age say its place. */
  readonly moved: Moved | null;
  /** From when on it stands in the line of promises, where it gave up the start that it was promised; null: from its submission. */
  readonly line: Line | null;
  readonly steps: readonly Step[];
  /** Set once the task is to end as soon as its running attempts have stopped. */
  readonly ending: Ending | null;
  /** Set once all steps have ended but those that run at its end. `ending` is about these then. */
  readonly finishing?: Finishing;
};

export type ClosedTask = { readonly status: 'completed' | 'failed' | 'cancelled' };

/** `item`: one that stands for an item of another step, as long as it is not over. Those are behind all that the submission names. */
export type Step = { readonly spec: StepSpec; readonly progress: Progress; readonly item?: ItemRef };

/** Copies the fact into the state; never refuses. `seq` is the event's place in the stream. */
export const evolve = (task: OpenTask | undefined, event: TaskEvent, seq: number): Task => {
  if (event.type === 'task.submitted') return opened(event, seq);
  if (task === undefined)
    throw new Error(`event ${event.type} at ${seq} for task ${event.taskId}, which is not open`);
  switch (event.type) {
    case 'task.priority-changed':
      return { ...task, priority: event.priority, moved: null };
    case 'task.moved':
      return moved(task, event, seq);
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
    case 'step.admitted':
      return withProgress(task, event.stepId, { ...FRESH, admitted: true });
    case 'step.skipped':
      return withProgress(task, event.stepId, { status: 'skipped' });
    case 'step.expanded': {
      const items = noItemsYet(event.items, { sinceMs: msOf(event.at), seq });
      return withItems(task, event.stepId, items);
    }
    case 'step.abandoned': {
      const { stepId, attempt, failure } = event.step;
      return withProgress(task, stepId, { status: 'failed', attempt, failure });
    }
    case 'step.impossible':
      return withProgress(task, event.stepId, { status: 'failed', attempt: 1, failure: event.failure });
    case 'step.waiting':
    case 'step.reminded':
    case 'step.escalated':
    case 'step.answered':
    case 'step.waited': {
      const stepId = waitingStepOf(event);
      return withProgress(task, stepId, waitingAfter(waitingIn(task, stepId), event, seq));
    }
    case 'task.cancel-requested':
      return cancelling(task, event);
    case 'task.failing':
      return failing(task, event);
    case 'task.finishing':
      return finishing(afterAll(task, toldApart(event).slice(0, -1), seq), event);
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
  ...(event.parent ? { parent: event.parent } : {}),
  submittedAt: event.submittedAt,
  runAt: event.runAt ?? null,
  queueTtlMs: event.queueTtlMs ?? null,
  seq,
  deadlineAt: event.deadlineAt ?? null,
  promise: event.promise ?? null,
  moved: null,
  line: null,
  steps: event.steps.map((spec) => ({ spec, progress: firstProgress(spec.id, event.kept ?? []) })),
  ending: null,
});

const moved = (task: OpenTask, event: TaskMoved, seq: number): OpenTask => {
  const { to, reason, by, at, promise } = event;
  const { from, ...beside } = event.place;
  return {
    ...task,
    moved: { to, place: { ...beside, fromMs: msOf(from) }, reason, by, at },
    ...(promise === undefined ? {} : { promise, line: { sinceMs: msOf(at), seq } }),
  };
};

/** None of the events ends the task. */
const afterAll = (task: OpenTask, events: readonly TaskEvent[], seq: number): OpenTask =>
  events.reduce((before, event) => evolve(before, event, seq) as OpenTask, task);

const cancelling = (task: OpenTask, { reason, force }: CancelRequested): OpenTask => {
  const ending = task.ending ?? { kind: 'cancelled', reason };
  return { ...task, ending: force ? { ...ending, force } : ending };
};

const failing = (task: OpenTask, { failure, step, waited }: TaskFailing): OpenTask => ({
  ...(step
    ? withProgress(task, step.stepId, { status: 'stopped', attempt: step.attempt })
    : waited
      ? waitedInVain(task, waited)
      : task),
  ending: { kind: 'failed', failure, ...(step ? { step } : {}), ...(waited ? { waited } : {}) },
});

/** The end of a task that failed while others ran names the step again: it is over once, and an item of it counts once. */
const waitedInVain = (task: OpenTask, waited: Waited): OpenTask => {
  const waiting = waitingIn(task, waited.stepId);
  return waiting === null ? task : withProgress(task, waited.stepId, waitedProgress(waiting, waited));
};

/** An item that is over counts in its step, and makes room for the next one. */
export const withProgress = (task: OpenTask, stepId: StepId, progress: Progress): OpenTask => {
  const item = itemRefOf(stepId);
  if (item && progress.status === 'done') return withItemOver(task, item, { output: progress.output });
  if (item && progress.status === 'failed') return withItemOver(task, item, { failure: progress.failure });
  return {
    ...task,
    steps: task.steps.map((step) => (step.spec.id === stepId ? { ...step, progress } : step)),
  };
};

const interruptionsOf = (task: OpenTask, stepId: string): number => {
  const progress = task.steps.find(({ spec }) => spec.id === stepId)?.progress;
  return progress?.status === 'pending' || progress?.status === 'active' ? progress.interruptions : 0;
};

/** How a step waits; null for one that does not. */
export const waitingIn = (task: OpenTask, stepId: string): WaitingProgress | null => {
  const progress = task.steps.find(({ spec }) => spec.id === stepId)?.progress;
  return progress?.status === 'waiting' ? progress : null;
};

/** Attempts that hold a lease now. */
export const activeSteps = (task: OpenTask): readonly ActiveStep[] => {
  const active: ActiveStep[] = [];
  for (const { spec, progress } of task.steps)
    if (progress.status === 'active') active.push({ spec, ...progress });
  return active;
};

export type ActiveStep = { readonly spec: StepSpec } & Extract<Progress, { status: 'active' }>;
