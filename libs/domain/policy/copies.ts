import type { Ledger, Residency, Server } from '../gpu/gpu.js';

export type Copy = { readonly server: Server; readonly residency: Residency };

/** By `profileKey`. */
export type Copies = ReadonlyMap<string, readonly Copy[]>;

/** Where models are loaded or being loaded, on servers that answer. */
export const copiesIn = (ledger: Ledger): Copies => {
  const copies = new Map<string, Copy[]>();
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    for (const residency of server.residencies.values()) {
      if (residency.state === 'unloading') continue;
      const others = copies.get(residency.key);
      if (others === undefined) copies.set(residency.key, [{ server, residency }]);
      else others.push({ server, residency });
    }
  }
  return copies;
};
