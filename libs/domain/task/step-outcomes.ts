import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { OpenTask } from './task.js';

/** How a step ended, as expressions of others see it. `output` is null unless it completed, `error` unless it failed. */
export type StepOutcome = {
  readonly status: 'completed' | 'skipped' | 'failed';
  readonly output: unknown;
  readonly error: Pick<Failure, 'code' | 'message'> | null;
};

export type StepOutcomes = Readonly<Record<StepId, StepOutcome>>;

/** Of the steps that are over. */
export const stepOutcomes = (task: OpenTask): StepOutcomes => {
  const outcomes: Record<StepId, StepOutcome> = {};
  for (const { spec, progress } of task.steps) {
    if (progress.status === 'done')
      outcomes[spec.id] = { status: 'completed', output: progress.output, error: null };
    if (progress.status === 'skipped') outcomes[spec.id] = { status: 'skipped', output: null, error: null };
    if (progress.status === 'failed') {
      const { code, message } = progress.failure;
      outcomes[spec.id] = { status: 'failed', output: null, error: { code, message } };
    }
  }
  return outcomes;
};
