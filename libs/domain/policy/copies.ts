import type { Ledger, Residency, Server } from '../gpu/gpu.js';

export const isHeld = (key: string, ledger: Ledger): boolean => copiesOf(key, ledger).length > 0;

export type Copy = { readonly server: Server; readonly residency: Residency };

/** Where a model is loaded or being loaded, on servers that answer. */
export const copiesOf = (key: string, ledger: Ledger): readonly Copy[] => {
  const copies: Copy[] = [];
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    for (const residency of server.residencies.values())
      if (residency.key === key && residency.state !== 'unloading') copies.push({ server, residency });
  }
  return copies;
};
