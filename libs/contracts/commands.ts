import type { Failure } from '#libs/domain/errors.js';
import type { ScheduleId, TaskId, WorkflowId, WorkspaceId } from '#libs/domain/ids.js';
import type { ScheduleSpec } from '#libs/domain/schedule/schedule.js';
import type { TaskChoice, TasksCancelled } from '#libs/domain/task/cancel-tasks.js';
import type { KeptStep, TemplateRef } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type { AnswerGiven } from '#libs/domain/task/answer-step.js';
import type { ArtifactUploaded } from '#libs/domain/task/artifact-events.js';
import type { Removals } from '#libs/domain/task/remove-artifacts.js';
import type { Move } from '#libs/domain/task/move-task.js';
import type { Pause } from '#libs/domain/task/pauses.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';

/**
 * What the gateway asks of the scheduler, on `COMMANDS` (`cmd.<kind>.<commandId>`).
 * Every command is answered on the subject in its `answerTo`, once its decision is in the log.
 */
export type Command =
  | SubmitTask
  | CancelTask
  | CancelTasks
  | ChangePriority
  | MoveTask
  | AnswerStep
  | PauseScheduling
  | ResumeScheduling
  | RegisterTemplate
  | SubmitWorkflow
  | CancelWorkflow
  | UploadArtifact
  | RemoveArtifacts
  | ScheduleCommand;

export type SubmitTask = {
  readonly kind: 'submit';
  readonly commandId: string;
  readonly taskId: TaskId;
  readonly workspace: WorkspaceId;
  readonly template: TemplateRef;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly dependsOn: readonly TaskId[];
  readonly labels: Readonly<Record<string, string>>;
  readonly steps: readonly StepSpec[];
  readonly submittedAt: string;
  readonly runAt?: string;
  readonly deadlineAt?: string;
  readonly queueTtlMs?: number;
  readonly rerunOf?: TaskId;
  readonly kept?: readonly KeptStep[];
  readonly idempotency?: { readonly key: string; readonly requestHash: string };
};

export type CancelTask = {
  readonly kind: 'cancel';
  readonly commandId: string;
  readonly taskId: TaskId;
  readonly reason: string;
  /** The steps at its end, too. */
  readonly force?: true;
};

/** Ends every open task that fits, at most so many of them. */
export type CancelTasks = {
  readonly kind: 'cancel-many';
  readonly commandId: string;
  readonly choice: TaskChoice;
  readonly reason: string;
  readonly tasksMax: number;
};

export type ChangePriority = {
  readonly kind: 'priority';
  readonly commandId: string;
  readonly taskId: TaskId;
  readonly priority: number;
};

/** Puts a task that waits before or behind another one, or all others, of its workspace. */
export type MoveTask = Move & { readonly kind: 'move'; readonly commandId: string };

/** Answers what a step has asked. */
export type AnswerStep = AnswerGiven & { readonly kind: 'answer'; readonly commandId: string };

/** The bytes are in the object store; that makes an artifact of them. */
export type UploadArtifact = Omit<ArtifactUploaded, 'type' | 'at'> & {
  readonly kind: 'upload';
  readonly commandId: string;
};

/** Takes artifacts away. Sent by results, which knows which there are; nobody waits for an answer. */
export type RemoveArtifacts = Removals & { readonly kind: 'remove-artifacts'; readonly commandId: string };

/** Starts nothing new in a scope until it is resumed. */
export type PauseScheduling = {
  readonly kind: 'pause';
  readonly commandId: string;
} & Omit<Pause, 'since'>;

export type ResumeScheduling = {
  readonly kind: 'resume';
  readonly commandId: string;
} & Pick<Pause, 'scope' | 'by'>;

/** Makes a template version known. Sent before the first task that uses it; repeating it changes nothing. */
export type RegisterTemplate = {
  readonly kind: 'template';
  readonly commandId: string;
  readonly template: TemplateRef;
  readonly definition: Readonly<Record<string, unknown>>;
};

/** All of its tasks or none. */
export type SubmitWorkflow = Omit<WorkflowSubmitted, 'type'> & {
  readonly kind: 'workflow';
  readonly commandId: string;
};

/** Everything of it that is open. */
export type CancelWorkflow = {
  readonly kind: 'cancel-workflow';
  readonly commandId: string;
  readonly workflowId: WorkflowId;
  readonly reason: string;
};

export type ScheduleCommand = PutSchedule | RemoveSchedule | PauseSchedule | ResumeSchedule | FireSchedule;

/** Creates a schedule, or replaces all that it says. */
export type PutSchedule = {
  readonly kind: 'put-schedule';
  readonly commandId: string;
  readonly scheduleId: ScheduleId;
  readonly schedule: ScheduleSpec;
};

export type RemoveSchedule = {
  readonly kind: 'remove-schedule';
  readonly commandId: string;
  readonly scheduleId: ScheduleId;
};

export type PauseSchedule = {
  readonly kind: 'pause-schedule';
  readonly commandId: string;
  readonly scheduleId: ScheduleId;
  readonly reason: string;
  readonly by: string;
};

export type ResumeSchedule = {
  readonly kind: 'resume-schedule';
  readonly commandId: string;
  readonly scheduleId: ScheduleId;
  readonly by: string;
};

/** Submits its task now, under this id. */
export type FireSchedule = {
  readonly kind: 'fire-schedule';
  readonly commandId: string;
  readonly scheduleId: ScheduleId;
  readonly taskId: TaskId;
  readonly idempotency?: { readonly key: string; readonly requestHash: string };
};

/** `seq` is the sequence of the deciding event in `TASKS`; a query with `atLeastSeq` of this sees the effect. */
export type CommandAnswer =
  | {
      readonly commandId: string;
      readonly ok: true;
      readonly seq: number;
      /** For a submission: the task, which is an earlier one when the idempotency key was seen before. */
      readonly taskId?: TaskId;
      /** The same of a workflow. */
      readonly workflowId?: WorkflowId;
      readonly repeated?: boolean;
      /** Whether the schedule is a new one. */
      readonly created?: boolean;
      /** For tasks that were cancelled together. */
      readonly tasks?: Omit<TasksCancelled, 'events'>;
    }
  | { readonly commandId: string; readonly ok: false; readonly failure: Failure };

/** What one message on an `answerTo` subject holds: the answers that became due together. */
export type CommandAnswers = readonly CommandAnswer[];
