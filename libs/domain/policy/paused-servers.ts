import type { Ledger } from '../gpu/gpu.js';
import { pauseOfServer, type Pause, type Pauses } from '../task/pauses.js';
import type { Requirement } from '../task/requirement.js';

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

/** One of the pauses where all servers are paused that could run it; none while there is one that could. */
export const pauseOfServers = (
  requirement: Requirement,
  ledger: Ledger,
  pauses: Pauses,
): Pause | undefined => {
  const servers = [...ledger.servers.values()].filter(
    ({ spec }) => (spec.kind === 'cpu') === (requirement.kind === 'cpu'),
  );
  const [first] = servers;
  if (first === undefined || servers.some(({ state }) => state !== 'paused')) return undefined;
  return pauseOfServer(first.spec.serverId, pauses);
};
