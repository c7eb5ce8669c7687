import { capacityFor } from './capacity.js';
import type { RelaxedTask } from './relaxation.js';

/** What can start at r or later has all its work after r: the largest r + Σ e / S over those, for every r that is some task's earliest start. */
export const releaseBoundMs = (tasks: readonly RelaxedTask[]): number => {
  const { total } = capacityFor(tasks);
  let workMs = 0;
  let boundMs = 0;
  for (const task of tasks.toSorted((a, b) => b.earliestStartMs - a.earliestStartMs)) {
    workMs += task.workMs;
    boundMs = Math.max(boundMs, task.earliestStartMs + workMs / total);
  }
  return boundMs;
};
