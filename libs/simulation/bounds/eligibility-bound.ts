import { capacityFor, workOf } from './capacity.js';
import { releaseBoundMs } from './release-bound.js';
import type { RelaxedModel, Relaxation } from './relaxation.js';
import { setupWork } from './setup-work.js';

/**
 * What only some of the servers can hold has only these. For the servers of each model: the work and the release bound of all tasks that
 * can run nowhere else. (With sizes alone this would be a bound per size; slots differ between servers, so sets are compared.)
 */
export const eligibilityBoundMs = (
  { models, tasks }: Relaxation,
  exclusive: readonly RelaxedModel[],
): number => {
  let boundMs = 0;
  for (const { bytesOn } of models) {
    const onlyHere = ({ bytesOn: other }: RelaxedModel): boolean =>
      [...other.keys()].every((id) => bytesOn.has(id));
    const bound = tasks.filter(({ model }) => onlyHere(model));
    const capacity = capacityFor(bound);
    const work = workOf(bound) + setupWork(exclusive.filter(onlyHere), capacity);
    boundMs = Math.max(boundMs, work / capacity.total, releaseBoundMs(bound));
  }
  return boundMs;
};
