import type { SimServer } from '../hardware.js';
import { bestThroughput } from '../batching.js';
import type { RelaxedModel, RelaxedTask } from './relaxation.js';

/**
 * What a millisecond of each GPU is worth, so that different GPUs can be added up; a GPU that is not named is worth
 * nothing.
 *
 * Price every task at the cheapest server that can run it: its work there times the weight. Wherever tasks really
 * run, the sum of the prices is at most the sum over the GPUs of weight times time worked. So prices / Σ weights is a
 * least time, with any weights; this is the dual of sharing work out over unlike machines, and with equal GPUs of
 * weight 1 it is Σ e / number of GPUs. Weights on a part of the servers say what the tasks need that can run only
 * there. The weights depend on the servers alone, so that a bound can only grow with more tasks.
 */
export type Weighting = {
  readonly on: ReadonlyMap<string, number>;
  readonly total: number;
};

/** Up to this number of servers all sets of them are looked at; beyond, those that can hold some model. */
const SERVERS_FOR_ALL_SETS = 6;

/** By how fast they generate with all slots, by how fast they read prompts, and in the middle. */
const EXPONENTS = [1, 0.5, 0];

export const weightingsOn = (servers: readonly SimServer[]): readonly Weighting[] =>
  EXPONENTS.map((exponent) => {
    const on = new Map(
      servers.map(({ serverId, gpu, slots }) => {
        const generate = gpu.generateTokensPerS * bestThroughput(slots);
        return [serverId, generate ** exponent * gpu.promptTokensPerS ** (1 - exponent)] as const;
      }),
    );
    return { on, total: [...on.values()].reduce((sum, weight) => sum + weight, 0) };
  });

/** Weightings on proper parts of the servers. */
export const weightingsOnParts = (
  servers: readonly SimServer[],
  models: readonly RelaxedModel[],
): readonly Weighting[] => {
  const parts =
    servers.length <= SERVERS_FOR_ALL_SETS
      ? subsetsOf(servers)
      : models.map(({ bytesOn }) => servers.filter(({ serverId }) => bytesOn.has(serverId)));
  return parts.filter(({ length }) => length < servers.length).flatMap(weightingsOn);
};

export const priceOf = ({ workMsOn }: RelaxedTask, { on }: Weighting): number => {
  let least = Infinity;
  for (const [serverId, workMs] of workMsOn) least = Math.min(least, workMs * (on.get(serverId) ?? 0));
  return least;
};

/** What a millisecond on any of these servers is worth at least. */
export const leastWeight = (serverIds: Iterable<string>, { on }: Weighting): number =>
  Math.min(...[...serverIds].map((serverId) => on.get(serverId) ?? 0));

/** All but the empty one. */
export const subsetsOf = <T>(items: readonly T[]): readonly (readonly T[])[] =>
  items.reduce<readonly (readonly T[])[]>(
    (subsets, item) => [...subsets, ...subsets.map((subset) => [...subset, item]), [item]],
    [],
  );
