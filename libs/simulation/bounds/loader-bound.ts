import { capacityFor, workOf } from './capacity.js';
import type { Relaxation } from './relaxation.js';

/**
 * A server loads one model after another. Of each model take the load that ends first: on some server these end no sooner than the mean over the
 * servers that can hold anything, and all tasks of the last of them are still to run.
 */
export const loaderBoundMs = ({ models, tasks }: Relaxation): number => {
  if (models.length === 0) return 0;
  const servers = new Set(models.flatMap(({ bytesOn }) => [...bytesOn.keys()]));
  const loadMs = models.reduce((sum, model) => sum + model.loadMs, 0);
  const restMs = models.map((model) => {
    const mine = tasks.filter((task) => task.model === model);
    const longestMs = mine.reduce((longest, { soloMs }) => Math.max(longest, soloMs), 0);
    return Math.max(longestMs, workOf(mine) / capacityFor(mine).total);
  });
  return loadMs / servers.size + Math.min(...restMs);
};
