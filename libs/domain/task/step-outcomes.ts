import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { OpenTask } from './task.js';

/** How a step ended, as expressions of others see it; `cancelled`: it was stopped, or had not begun when its task came to its end. `output` is null unless it completed, `error` unless it failed. */
export type StepOutcome = {
  readonly status: 'completed' | 'skipped' | 'failed' | 'cancelled';
  readonly output: unknown;
  readonly error: Pick<Failure, 'code' | 'message'> | null;
};

export type StepOutcomes = Readonly<Record<StepId, StepOutcome>>;

/** Makes the result of a task from how its steps ended. */
export type ResultMaker = (steps: StepOutcomes) => MadeResult;
export type MadeResult =
  | { readonly ok: true; readonly result: unknown }
  | { readonly ok: false; readonly failure: Failure };

/** Of the steps that are over. */
export const stepOutcomes = (task: OpenTask): StepOutcomes => {
  const outcomes: Record<StepId, StepOutcome> = {};
  for (const { spec, progress } of task.steps) {
    if (progress.status === 'done')
      outcomes[spec.id] = { status: 'completed', output: progress.output, error: null };
    if (progress.status === 'skipped') outcomes[spec.id] = { status: 'skipped', output: null, error: null };
    if (progress.status === 'stopped' && task.finishing)
      outcomes[spec.id] = { status: 'cancelled', output: null, error: null };
    if (progress.status === 'failed') {
      const { code, message } = progress.failure;
      outcomes[spec.id] = { status: 'failed', output: null, error: { code, message } };
    }
  }
  return outcomes;
};

/** How all steps of a task have ended but those at its end, as expressions of these see it. `step`: the one that was to blame. */
export type MainOutcome = {
  readonly status: 'completed' | 'failed' | 'cancelled';
  readonly error: (Pick<Failure, 'code' | 'message'> & { readonly step: StepId | null }) | null;
};

/** What the expressions of a step that has its turn may read of the task. */
export const readableOutcomes = (
  task: OpenTask,
): { readonly steps: StepOutcomes; readonly task?: MainOutcome } => {
  const steps = stepOutcomes(task);
  if (!task.finishing) return { steps };
  const { end } = task.finishing;
  if (end.status !== 'failed') return { steps, task: { status: end.status, error: null } };
  const { code, message } = end.failure;
  return { steps, task: { status: 'failed', error: { code, message, step: end.stepId } } };
};
