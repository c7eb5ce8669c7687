import type { SimServer } from '../hardware.js';
import { UNLOAD_MIN_MS, type RelaxedModel, type Relaxation } from './relaxation.js';
import { leastWeight, subsetsOf, type Weighting } from './weighting.js';

/**
 * Some of the models, looked at as if there were no others: what they need at least, all need at least. That helps
 * because loads can hide behind less when small models are left aside.
 */
export type Family = {
  readonly models: readonly RelaxedModel[];
  /** Those that, on every server that can hold them, can be only without another one of the family. */
  readonly exclusive: readonly RelaxedModel[];
};

/** Up to this number of models all families are looked at; beyond, single ones and the largest k. */
const MODELS_FOR_ALL_FAMILIES = 10;

export const familiesOf = ({ models, servers, usableOn }: Relaxation): readonly Family[] => {
  const bySize = models.toSorted((a, b) => b.model.weightBytes - a.model.weightBytes);
  const choices =
    models.length <= MODELS_FOR_ALL_FAMILIES
      ? subsetsOf(models)
      : [...models.map((model) => [model]), ...bySize.map((_, n) => bySize.slice(0, n + 1))];
  return choices.map((family) => ({
    models: family,
    exclusive: family.filter((one) =>
      family.every((other) => other === one || !canShare(one, other, servers, usableOn)),
    ),
  }));
};

const canShare = (
  one: RelaxedModel,
  other: RelaxedModel,
  servers: readonly SimServer[],
  usableOn: ReadonlyMap<string, number>,
): boolean =>
  servers.some(({ serverId }) => {
    const bytes = (one.bytesOn.get(serverId) ?? Infinity) + (other.bytesOn.get(serverId) ?? Infinity);
    return bytes <= (usableOn.get(serverId) ?? 0);
  });

/**
 * What the first loads of exclusive models cost of the GPUs' time, weighted. While such a model loads or unloads,
 * no other of its family is on its GPU and nothing of it computes there. On each server all of them but the last one
 * are unloaded again. Any other load can hide behind the computing of a neighbour and counts nothing. Loads are not
 * faster on faster GPUs, so the cheapest counts.
 */
export const setupPrice = ({ exclusive }: Family, weighting: Weighting): number => {
  const servers = new Set(exclusive.flatMap(({ bytesOn }) => [...bytesOn.keys()]));
  const unloads = Math.max(0, exclusive.length - servers.size);
  return exclusive.reduce(
    (sum, { loadMs, bytesOn }) => sum + loadMs * leastWeight(bytesOn.keys(), weighting),
    unloads > 0 ? unloads * UNLOAD_MIN_MS * leastWeight(servers, weighting) : 0,
  );
};
