import { releaseBoundMs } from './release-bound.js';
import type { RelaxedTask } from './relaxation.js';
import type { Weighting } from './weighting.js';

/**
 * One model by itself: its first load, then its tasks on the servers that can hold it. The release bound of all
 * tasks includes it, so it is never the largest alone; it says which part one model has in that.
 */
export const modelBoundMs = (tasks: readonly RelaxedTask[], weightings: readonly Weighting[]): number => {
  const byModel = Map.groupBy(tasks, ({ model }) => model);
  return Math.max(0, ...[...byModel.values()].map((mine) => releaseBoundMs(mine, weightings)));
};
