import type { ItemsOutput } from './items.js';
import type { OpenTask, Step } from './task.js';

/** Whether any attempt of any step was made. */
export const hasBegun = (task: OpenTask): boolean => task.steps.some((step) => attemptsOf(step) > 0);

const attemptsOf = ({ spec, progress }: Step): number => {
  if (progress.status === 'skipped') return 0;
  if (progress.status === 'each') return progress.completed + progress.failed;
  if (progress.status === 'waiting') return 1;
  if (progress.status === 'pending') return progress.attempts;
  // A list without items is done, and nothing of it has run.
  if (progress.status === 'done' && spec.forEach && (progress.output as ItemsOutput).total === 0) return 0;
  return progress.attempt;
};
