import type { Family } from './families.js';
import type { RelaxedModel, Relaxation } from './relaxation.js';
import { priceOf, type Weighting } from './weighting.js';

/**
 * A server loads one model after another. Of each model of a family take the load that ends first: on some server
 * the last of these ends no sooner than their sum divided by the number of servers that can hold any of them, and all
 * tasks of that model are still to run.
 */
export const loaderBoundMs = (
  { tasks }: Relaxation,
  families: readonly Family[],
  weightings: readonly Weighting[],
): number => {
  const restMs = new Map<RelaxedModel, number>();
  for (const [model, mine] of Map.groupBy(tasks, (task) => task.model)) {
    const longestMs = Math.max(...mine.map(({ soloMs }) => soloMs));
    const workMs = weightings.map(
      (weighting) => mine.reduce((sum, task) => sum + priceOf(task, weighting), 0) / weighting.total,
    );
    restMs.set(model, Math.max(longestMs, ...workMs));
  }
  return families.reduce((boundMs, { models }) => {
    const servers = new Set(models.flatMap(({ bytesOn }) => [...bytesOn.keys()]));
    const loadMs = models.reduce((sum, model) => sum + model.loadMs, 0);
    return Math.max(
      boundMs,
      loadMs / servers.size + Math.min(...models.map((model) => restMs.get(model) ?? 0)),
    );
  }, 0);
};
