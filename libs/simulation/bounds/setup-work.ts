import type { Capacity } from './capacity.js';
import { UNLOAD_MIN_MS, type RelaxedModel, type Relaxation } from './relaxation.js';

/** Models that can be on a GPU only alone, on every server that can hold them at all. */
export const exclusiveModels = (
  { models, servers }: Relaxation,
  usableOn: ReadonlyMap<string, number>,
): readonly RelaxedModel[] =>
  models.filter((model) =>
    servers.every(({ serverId }) => {
      const bytes = model.bytesOn.get(serverId);
      if (bytes === undefined) return true;
      return models.every((other) => {
        const otherBytes = other.bytesOn.get(serverId);
        return (
          other === model ||
          otherBytes === undefined ||
          bytes + otherBytes > (usableOn.get(serverId) ?? Infinity)
        );
      });
    }),
  );

/**
 * Work that the loads of exclusive models keep GPUs from, in milliseconds of the best GPU. While such a model loads or unloads nothing
 * else is on its GPU. Each is loaded once at least, and on each server all but the last one are unloaded.
 * Any other load can hide behind the computing of a neighbour and counts nothing. Loads are not faster on faster GPUs, so time is taken at
 * the slowest of those that can hold the model.
 */
export const setupWork = (exclusive: readonly RelaxedModel[], { on }: Capacity): number => {
  const slowest = (servers: Iterable<string>): number =>
    Math.min(...[...servers].map((serverId) => on.get(serverId) ?? 0));
  let loads = 0;
  const servers = new Set<string>();
  for (const { loadMs, bytesOn } of exclusive) {
    loads += loadMs * slowest(bytesOn.keys());
    for (const serverId of bytesOn.keys()) servers.add(serverId);
  }
  const unloads = Math.max(0, exclusive.length - servers.size);
  return loads + (unloads > 0 ? unloads * UNLOAD_MIN_MS * slowest(servers) : 0);
};
