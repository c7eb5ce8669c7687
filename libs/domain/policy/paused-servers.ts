import type { Ledger } from '../gpu/gpu.js';
import { pauseOfServer, type Pauses } from '../task/pauses.js';

/**
 * The ledger as a plan may use it: servers that are paused are there, because what only they can hold is not impossible, but they
 * are not up. The ledger itself where none is.
 */
export const ledgerForPlan = (ledger: Ledger, pauses: Pauses): Ledger => {
  const servers = new Map(ledger.servers);
  let isAnyPaused = false;
  for (const [serverId, server] of pauses.size === 0 ? [] : ledger.servers) {
    if (pauseOfServer(serverId, pauses) === undefined) continue;
    servers.set(serverId, { ...server, state: 'paused' });
    isAnyPaused = true;
  }
  return isAnyPaused ? { ...ledger, servers } : ledger;
};
