import { setupPrice, type Family } from './families.js';
import type { Relaxation } from './relaxation.js';
import { priceOf, type Weighting } from './weighting.js';

/**
 * All work of a family of models, and the loads that cannot hide behind it, on the GPUs at their best: (Σ e + Σ σ)
 * / S, for the family and the weights for which it is largest. With weights on all servers this is the bound of the
 * work; with weights on a part of them, the bound of what can run only there.
 */
export const workBoundMs = (
  { tasks }: Relaxation,
  families: readonly Family[],
  weightings: readonly Weighting[],
): number => {
  let boundMs = 0;
  for (const weighting of weightings) {
    const prices = new Map<string, number>();
    for (const task of tasks) {
      const name = task.model.model.model;
      prices.set(name, (prices.get(name) ?? 0) + priceOf(task, weighting));
    }
    for (const family of families) {
      const price = family.models.reduce(
        (sum, { model }) => sum + (prices.get(model.model) ?? 0),
        setupPrice(family, weighting),
      );
      boundMs = Math.max(boundMs, price / weighting.total);
    }
  }
  return boundMs;
};
