import { canonicalJson } from '../canonical.js';
import type { ErrorCode, Failure } from '../errors.js';
import type { ServerId } from '../ids.js';
import { unknownServer, type ServerDecision } from './drain.js';
import type { GpuEvent, ServerSpec } from './events.js';
import type { Ledger, Server } from './gpu.js';

/** More servers than a site that one allocator serves will have; a list beyond it is a mistake. */
export const SERVERS_MAX = 256;

/**
 * Makes the ledger's servers those of the file. Those that were added by the API are none of its business: whoever named an id
 * first keeps it.
 */
export const configureServers = (
  ledger: Ledger,
  wanted: readonly ServerSpec[],
  at: string,
): readonly GpuEvent[] => {
  const events: GpuEvent[] = [];
  for (const server of wanted) {
    const known = ledger.servers.get(server.serverId);
    if (isFromApi(known)) continue;
    if (known === undefined || !isSame(known.spec, server))
      events.push({ type: 'server.configured', server, at });
  }
  const names = new Set(wanted.map(({ serverId }) => serverId));
  for (const [serverId, server] of ledger.servers)
    if (!names.has(serverId) && !isFromApi(server)) events.push(...removal(server, at));
  return events;
};

/** Servers of the file whose ids are taken by servers of the API. */
export const takenIds = (ledger: Ledger, wanted: readonly ServerSpec[]): readonly ServerId[] =>
  wanted.flatMap(({ serverId }) => (isFromApi(ledger.servers.get(serverId)) ? [serverId] : []));

/** A server of the API is added or changed. */
export const putServer = (ledger: Ledger, spec: ServerSpec, at: string): ServerDecision => {
  const server: ServerSpec = { ...spec, source: 'api' };
  const known = ledger.servers.get(spec.serverId);
  if (known !== undefined && !isFromApi(known)) return refused(inFile(spec.serverId));
  if (known === undefined && ledger.servers.size >= SERVERS_MAX) {
    const message = `There are ${ledger.servers.size} servers; at most ${SERVERS_MAX} are accepted. Remove one first.`;
    return refused(failure('SERVERS_FULL', message));
  }
  return {
    ok: true,
    events: known && isSame(known.spec, server) ? [] : [{ type: 'server.configured', server, at }],
  };
};

/**
 * A server of the API is removed. One that works is drained first: its models are loaded to stay, and nobody would unload
 * them any more. One that is down or suspect goes as it is, and its attempts are made again elsewhere.
 */
export const removeServer = (ledger: Ledger, serverId: ServerId, at: string): ServerDecision => {
  const server = ledger.servers.get(serverId);
  if (server === undefined) return refused(unknownServer(serverId));
  if (!isFromApi(server)) return refused(inFile(serverId));
  const [leases, models] = [server.leases.size, server.residencies.size];
  if (server.health === 'up' && leases + models > 0) {
    const message = `Server '${serverId}' holds ${models} models and ${leases} leases; drain it first, and remove it when it is drained.`;
    return refused(failure('SERVER_IN_USE', message));
  }
  return { ok: true, events: removal(server, at) };
};

/** A server that goes takes its residencies with it, and its leases as expired ones: their attempts need another one elsewhere. */
const removal = ({ spec: { serverId }, leases }: Server, at: string): readonly GpuEvent[] => {
  const removed: GpuEvent = { type: 'server.removed', serverId, at };
  if (leases.size === 0) return [removed];
  const leaseIds = [...leases.keys()];
  const reason = 'the server was removed';
  return [{ type: 'lease.expired', serverId, leaseIds, ttlMs: 0, reason, at }, removed];
};

const isFromApi = (server: Server | undefined): boolean => server?.spec.source === 'api';

const isSame = (a: ServerSpec, b: ServerSpec): boolean => canonicalJson(a) === canonicalJson(b);

const failure = (code: ErrorCode, message: string): Failure => ({ code, message });

const refused = (why: Failure): ServerDecision => ({ ok: false, failure: why });

const inFile = (serverId: ServerId): Failure =>
  failure('SERVER_IN_FILE', `Server '${serverId}' is one of the servers file; change it there.`);
