import type { Progress } from './progress.js';
import type { OpenTask } from './task.js';

/** Whether any attempt of any step was made. */
export const hasBegun = (task: OpenTask): boolean =>
  task.steps.some(({ progress }) => attemptsOf(progress) > 0);

const attemptsOf = (progress: Progress): number => {
  if (progress.status === 'skipped') return 0;
  if (progress.status === 'each') return progress.completed + progress.failed;
  if (progress.status === 'waiting') return 1;
  return progress.status === 'pending' ? progress.attempts : progress.attempt;
};
