import type { Failure } from '../errors.js';
import type { ServerId } from '../ids.js';
import type { GpuEvent } from './events.js';
import type { Ledger, Residency, Server } from './gpu.js';
import { busySlots } from './room.js';

/** What a change of a server takes, or why it cannot be. No facts where it is so already. */
export type ServerDecision =
  | { readonly ok: true; readonly events: readonly GpuEvent[] }
  | { readonly ok: false; readonly failure: Failure };

/** From now on nothing new is placed on the server; what runs there ends, and then its models are unloaded. */
export const drainServer = (
  ledger: Ledger,
  serverId: ServerId,
  reason: string,
  at: string,
): ServerDecision => {
  const server = ledger.servers.get(serverId);
  if (server === undefined) return unknown(serverId);
  const events: readonly GpuEvent[] = server.drain
    ? []
    : [{ type: 'server.drain-started', serverId, reason, at }];
  return { ok: true, events };
};

/** The server takes work again, whether or not it was empty meanwhile. */
export const resumeServer = (ledger: Ledger, serverId: ServerId, at: string): ServerDecision => {
  const server = ledger.servers.get(serverId);
  if (server === undefined) return unknown(serverId);
  return { ok: true, events: server.drain ? [{ type: 'server.resumed', serverId, at }] : [] };
};

const unknown = (serverId: ServerId): ServerDecision => ({ ok: false, failure: unknownServer(serverId) });

export const unknownServer = (serverId: ServerId): Failure => ({
  code: 'SERVER_UNKNOWN',
  message: `There is no server '${serverId}'.`,
});

/** Servers being drained on which nothing is leased and nothing loaded any more. */
export const drainsDone = ({ servers }: Ledger, at: string): readonly GpuEvent[] =>
  [...servers.values()]
    .filter(({ drain, leases, residencies }) => drain?.done === false && leases.size + residencies.size === 0)
    .map(({ spec }) => ({ type: 'server.drained', serverId: spec.serverId, at }));

/** What is to be unloaded on a server that is being drained: loaded, and used by nobody. */
export const toUnload = (server: Server): readonly Residency[] =>
  server.drain === null || server.health !== 'up'
    ? []
    : [...server.residencies.values()].filter(
        ({ residencyId, state }) => state === 'loaded' && busySlots(server, residencyId) === 0,
      );
