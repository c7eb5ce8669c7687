import type { Failure } from '../errors.js';
import type { LeaseId, ServerId, StepId, TaskId, WorkspaceId } from '../ids.js';
import type { OneOf } from '../one-of.js';
import type { SchedulePart } from '../schedule/schedule-part.js';
import type { ModelUsage } from '../usage.js';
import type { StoredArtifact } from './artifact.js';
import type { ParentPart } from './child-part.js';
import type { TaskMoved } from './move-events.js';
import type { Requirement } from './requirement.js';
import type { ImpossibleStep, StepDecision } from './step-decisions.js';
import type { StoppedAttempt } from './stopped-attempt.js';
import type { StepSecrets } from './step-secrets.js';
import type { StepSpec, StepTimes } from './step-spec.js';
import type { StartPromise } from './start-promise.js';
import type { Waited, WaitingEvent } from './waiting-events.js';
import type { WorkflowPart } from './workflow.js';

/**
 * The facts of the `TASKS` stream. One transition is one event: the event that ends a task carries the outcome of the
 * step that ended it, so a reader never sees a task whose last step is done while the task is not.
 *
 * Times (`…At`) are RFC 3339 with milliseconds, UTC.
 */
export type TaskEvent =
  | TaskSubmitted
  | TaskPriorityChanged
  | TaskMoved
  | StepDispatched
  | StepCompleted
  | StepFailed
  | StepStopped
  | StepDecision
  | StepAbandoned
  | WaitingEvent
  | CancelRequested
  | TaskFailing
  | TaskFinishing
  | TaskCompleted
  | TaskFailed
  | TaskCancelled;

export type TaskSubmitted = {
  readonly type: 'task.submitted';
  readonly taskId: TaskId;
  readonly workspace: WorkspaceId;
  readonly template: TemplateRef;
  readonly parameters: Readonly<Record<string, unknown>>;
  /** 1 to 10; 10 goes first. */
  readonly priority: number;
  readonly dependsOn: readonly TaskId[];
  readonly labels: Readonly<Record<string, string>>;
  readonly steps: readonly StepSpec[];
  readonly submittedAt: string;
  /** Nothing of it starts before; its waiting counts from here. */
  readonly runAt?: string;
  /** When it should be done: it goes first when that is near. Late is late, not failed. */
  readonly deadlineAt?: string;
  /** It fails when nothing of it has started this long after `runAt`, or else after its submission. */
  readonly queueTtlMs?: number;
  /** The task that this one repeats, with the same template version, parameters and steps. */
  readonly rerunOf?: TaskId;
  /** Steps that count as done from the beginning, with what they gave in the task that this one repeats. */
  readonly kept?: readonly KeptStep[];
  readonly idempotency?: { readonly key: string; readonly requestHash: string };
  /** Absent where its first steps wait for something else than a slot, and for a task of a workflow. */
  readonly promise?: StartPromise;
  /** For a task of a workflow. */
  readonly workflow?: WorkflowPart;
  /** For a task of a schedule. */
  readonly schedule?: SchedulePart;
  /** For a task that a step of another one submitted, and waits for: that step waits in the next event. */
  readonly parent?: ParentPart;
};

/** Done, unless it says that it was left out or had failed. */
export type KeptStep = {
  readonly stepId: StepId;
  readonly output: unknown;
  readonly skipped?: true;
  readonly failure?: Failure;
};

/** `version` is the hash of the template's content: a task keeps the one it was submitted with. */
export type TemplateRef = { readonly name: string; readonly version: string };

export type TaskPriorityChanged = {
  readonly type: 'task.priority-changed';
  readonly taskId: TaskId;
  readonly priority: number;
  readonly at: string;
};

export type StepDispatched = {
  readonly type: 'step.dispatched';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly stepType: string;
  /** From 1. */
  readonly attempt: number;
  readonly lease: LeaseRef;
  readonly requirement: Requirement;
  /** What its slot is of the server's memory; what the attempt is charged with is this times its duration. */
  readonly vramShare?: number;
  /** When it was to start probably, as predicted when it became ready; absent where it did not have to wait, or nothing could be said. */
  readonly predictedStartAt?: string;
  /** What the executor is to do, with every expression already filled in, and references in the place of secrets. */
  readonly input: Readonly<Record<string, unknown>>;
  /** For a step of a template that refers to secrets. */
  readonly secrets?: StepSecrets;
  readonly at: string;
} & StepTimes &
  Pick<StepSpec, 'workerWaitMs'>;

/** `token` is the sequence of the grant in the `LEASES` stream: the fencing token. */
export type LeaseRef = { readonly leaseId: LeaseId; readonly token: number; readonly serverId: ServerId };

/** What an attempt did. `output` is what later steps see as `steps.<id>.output`. */
export type StepSuccess = {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly serverId: ServerId;
  readonly output: unknown;
  /** What it has stored in the object store. */
  readonly artifacts?: readonly StoredArtifact[];
  readonly usage?: ModelUsage;
  readonly startedAt: string;
  readonly endedAt: string;
};

export type StepFailure = {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly serverId: ServerId;
  readonly failure: Failure;
  readonly startedAt?: string;
  readonly endedAt: string;
};

/** A step is done and the task goes on. The step that ends the task is in `task.completed`. */
export type StepCompleted = {
  readonly type: 'step.completed';
  readonly taskId: TaskId;
  readonly step: StepSuccess;
};

/** An attempt failed and another one follows, not before `retryAt`. The failure that ends the task is in `task.failed`. */
export type StepFailed = {
  readonly type: 'step.failed';
  readonly taskId: TaskId;
  readonly step: StepFailure;
  readonly retryAt: string;
};

/** A step failed for good and its task goes on without it. The one that ends the task is in `task.completed`. */
export type StepAbandoned = {
  readonly type: 'step.abandoned';
  readonly taskId: TaskId;
  readonly step: StepFailure;
};

export type CancelRequested = {
  readonly type: 'task.cancel-requested';
  readonly taskId: TaskId;
  readonly reason: string;
  /** The steps at its end are not to run either. */
  readonly force?: true;
  readonly at: string;
};

/** A step failed for good while others were running; they are being stopped, then `task.failed` follows. */
export type TaskFailing = {
  readonly type: 'task.failing';
  readonly taskId: TaskId;
  readonly failure: Failure;
  readonly step?: StepFailure;
  /** Where the step that failed had waited. */
  readonly waited?: Waited;
  readonly at: string;
};

/** One of several running attempts of an ending task has stopped. The last one is in the event that ends the task. */
export type StepStopped = {
  readonly type: 'step.stopped';
  readonly taskId: TaskId;
  readonly step: StoppedAttempt;
  readonly at: string;
};

/**
 * All steps are over but those that run at the end, which begin now: how the task would have ended here. It ends so unless one of them fails.
 */
export type TaskFinishing = {
  readonly type: 'task.finishing';
  readonly taskId: TaskId;
  readonly end: MainEnd;
  /** Until when they may take. */
  readonly until: string;
  readonly at: string;
};

/** `last`: the step that was over last; absent only where that was told apart. */
export type MainEnd =
  | { readonly status: 'completed'; readonly result: unknown; readonly last?: LastStep }
  | ({ readonly status: 'failed' } & Pick<TaskFailed, 'failure' | 'step' | 'waited' | 'stopped'>)
  | ({ readonly status: 'cancelled' } & Pick<TaskCancelled, 'reason' | 'stopped'>);

/** Why steps at the end of a task did not run, or not to their end: somebody cancelled those too, or their time was over. */
export type CutShort = 'forced' | 'time';

/** All steps are over. The last of them is in here: done (`step`), failed without an end of the task (`abandoned`), left out (`skipped`), without items (`empty`), it has waited (`waited`), or could not begin (`impossible`). */
export type TaskCompleted = {
  readonly type: 'task.completed';
  readonly taskId: TaskId;
  readonly result: unknown;
  readonly at: string;
} & LastStep;

export type LastStep = OneOf<{
  readonly step: StepSuccess;
  readonly abandoned: StepFailure;
  readonly skipped: StepId;
  readonly empty: StepId;
  readonly waited: Waited;
  readonly impossible: ImpossibleStep;
}>;

export type TaskFailed = {
  readonly type: 'task.failed';
  readonly taskId: TaskId;
  readonly failure: Failure;
  /** Absent when no attempt was to blame: a dependency failed, or nothing can ever hold the model. */
  readonly step?: StepFailure;
  /** Where the step to blame had waited. */
  readonly waited?: Waited;
  /** The last attempt that had to be stopped first; empty when the failed one was alone. */
  readonly stopped: readonly StoppedAttempt[];
  /** Where steps ran at its end: the one that was over last. */
  readonly last?: LastStep;
  readonly cut?: CutShort;
  readonly at: string;
};

export type TaskCancelled = {
  readonly type: 'task.cancelled';
  readonly taskId: TaskId;
  readonly reason: string;
  /** For a task that nobody asked to stop: it was left out, because one that it needs did not complete. */
  readonly skipped?: Failure;
  /** The attempt that was running last, and how it ended; empty when none was running. */
  readonly stopped: readonly StoppedAttempt[];
  /** Where steps ran at its end: the one that was over last. */
  readonly last?: LastStep;
  readonly cut?: CutShort;
  readonly at: string;
};
