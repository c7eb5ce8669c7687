import type { RelaxedTask } from './relaxation.js';
import { priceOf, type Weighting } from './weighting.js';

/**
 * What can start at r or later has all its work after r: the largest r + Σ e / S over those, for every r that is some
 * task's earliest start.
 */
export const releaseBoundMs = (tasks: readonly RelaxedTask[], weightings: readonly Weighting[]): number => {
  const lastFirst = tasks.toSorted((a, b) => b.earliestStartMs - a.earliestStartMs);
  let boundMs = 0;
  for (const weighting of weightings) {
    let price = 0;
    for (const task of lastFirst) {
      price += priceOf(task, weighting);
      boundMs = Math.max(boundMs, task.earliestStartMs + price / weighting.total);
    }
  }
  return boundMs;
};
