import { releaseBoundMs } from './release-bound.js';
import type { Relaxation } from './relaxation.js';

/** Each model by itself: its first load, then its tasks on all servers that can hold it. */
export const modelBoundMs = ({ models, tasks }: Relaxation): number =>
  models.reduce(
    (boundMs, model) => Math.max(boundMs, releaseBoundMs(tasks.filter((task) => task.model === model))),
    0,
  );
