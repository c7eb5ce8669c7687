import type { StepId } from '#libs/domain/ids.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { WaitLengthOf } from './waiting-steps.js';

export type SkippedSteps = (task: OpenTask) => readonly StepId[];
export type ItemCount = (task: OpenTask, stepId: StepId) => number;

/** A simulated list has as many items as the parameter `items` says. */
export const itemsByParameter: ItemCount = ({ parameters }) =>
  (parameters as { readonly items?: number }).items ?? 0;

/** What templates, clocks and people decide in production. */
export type Elsewhere = {
  /** Conditions that are false. */
  readonly skips?: SkippedSteps;
  /** How long lists are. */
  readonly items?: ItemCount;
  readonly waits?: WaitLengthOf;
};

/** A simulated template leaves out the steps that the parameter `skip` names. */
export const skippedByParameter: SkippedSteps = ({ parameters }) =>
  (parameters as { readonly skip?: readonly StepId[] }).skip ?? [];

/** Steps that wait do so for the milliseconds that the parameter `wait` says; those of an odd number fail then. */
export const waitByParameter: WaitLengthOf = ({ parameters }) => {
  const { wait: forMs = 0 } = parameters as { readonly wait?: number };
  return { forMs, fails: forMs % 2 === 1 };
};
