import { capacityFor, workOf } from './capacity.js';
import type { RelaxedModel, Relaxation } from './relaxation.js';
import { setupWork } from './setup-work.js';

/** All work, and the loads that cannot hide behind it, on all GPUs at their best: (Σ e + Σ σ) / S. */
export const workBoundMs = ({ tasks }: Relaxation, exclusive: readonly RelaxedModel[]): number => {
  if (tasks.length === 0) return 0;
  const capacity = capacityFor(tasks);
  return (workOf(tasks) + setupWork(exclusive, capacity)) / capacity.total;
};
