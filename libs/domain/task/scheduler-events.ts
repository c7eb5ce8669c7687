import type { Failure } from '../errors.js';
import type { WorkflowId, WorkspaceId } from '../ids.js';
import type { PolicySettings } from '../policy/settings.js';
import type { ScheduleEvent } from '../schedule/schedule-events.js';
import type { ArtifactEvent } from './artifact-events.js';
import type { TemplateRef } from './events.js';
import type { StepSpec } from './step-spec.js';
import type { PauseScope } from './pauses.js';
import type { NamedTask, Need } from './workflow.js';

/** Facts of the `TASKS` stream that belong to no single task. */
export type SchedulerEvent =
  | WorkflowSubmitted
  | TemplateRegistered
  | CommandsRefused
  | PolicyChanged
  | SchedulingPaused
  | SchedulingResumed
  | ScheduleEvent
  | ArtifactEvent
  | LeaderElected
  | LogStarted;

/**
 * A workflow was accepted with all of its tasks, which are submitted right behind it. This one event is the decision: whoever
 * leads next submits those of which the log has no submission yet.
 */
export type WorkflowSubmitted = {
  readonly type: 'workflow.submitted';
  readonly workflowId: WorkflowId;
  readonly workspace: WorkspaceId;
  readonly name?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Each behind those that it needs. */
  readonly tasks: readonly WorkflowTask[];
  readonly submittedAt: string;
  readonly idempotency?: { readonly key: string; readonly requestHash: string };
};

export type WorkflowTask = NamedTask & {
  readonly template: TemplateRef;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly needs: readonly Need[];
  readonly uses: readonly NamedTask[];
  readonly steps: readonly StepSpec[];
};

export type TemplateRegistered = {
  readonly type: 'template.registered';
  readonly template: TemplateRef;
  /** The compiled template, as `libs/template` made it. */
  readonly definition: Readonly<Record<string, unknown>>;
  readonly at: string;
};

/** Commands that were refused. Recorded so that a restarted scheduler does not answer them differently. */
export type CommandsRefused = {
  readonly type: 'commands.refused';
  readonly refused: readonly {
    readonly commandId: string;
    readonly kind: string;
    readonly failure: Failure;
  }[];
  readonly at: string;
};

/** The settings that hold from here on, all of them. */
export type PolicyChanged = {
  readonly type: 'policy.changed';
  readonly policy: PolicySettings;
  readonly at: string;
};

/** Nothing new starts in this scope from here on. */
export type SchedulingPaused = {
  readonly type: 'scheduling.paused';
  readonly scope: PauseScope;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
};

export type SchedulingResumed = {
  readonly type: 'scheduling.resumed';
  readonly scope: PauseScope;
  readonly by: string;
  readonly at: string;
};

export type LeaderElected = { readonly type: 'leader.elected'; readonly node: string; readonly at: string };

export type LogStarted = { readonly type: 'log.started'; readonly logId: string; readonly at: string };
