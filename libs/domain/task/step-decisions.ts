import type { Failure } from '../errors.js';
import type { StepId, TaskId } from '../ids.js';

/** What was decided about a step without an attempt of it. */
export type StepDecision = StepAdmitted | StepSkipped | StepExpanded | StepImpossible;

/** The condition of a step was found true when all that it needs was over: it may run. */
export type StepAdmitted = {
  readonly type: 'step.admitted';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly at: string;
};

/** The condition was found false: the step does not run, and the task goes on. That of the step that ends the task is in `task.completed`. */
export type StepSkipped = {
  readonly type: 'step.skipped';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly at: string;
};

/**
 * The items of a step are known: from here on as many of them as may run at once are steps of the task, with ids such as `x[17]`, and each
 * that is over makes room for the next. Without any the step is done; as the one that ends the task it is in `task.completed`.
 */
export type StepExpanded = {
  readonly type: 'step.expanded';
  readonly taskId: TaskId;
  readonly stepId: StepId;
  /** How many there are. */
  readonly items: number;
  readonly at: string;
};

/**
 * A step that runs at the end of its task cannot begin: its input cannot be made, or nothing can ever run it. The others go on. Any other
 * step in its place fails the task.
 */
export type StepImpossible = {
  readonly type: 'step.impossible';
  readonly taskId: TaskId;
  readonly at: string;
} & ImpossibleStep;

export type ImpossibleStep = { readonly stepId: StepId; readonly failure: Failure };
