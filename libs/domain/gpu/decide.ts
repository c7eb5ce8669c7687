import type { ErrorCode, Failure } from '../errors.js';
import type { LeaseId, ResidencyId, ServerId } from '../ids.js';
import type { GpuEvent, GrantedLease } from './events.js';
import type { Lease, Ledger, Server } from './gpu.js';
import { profileKey, sameModel, type ModelProfile } from './profile.js';
import { BESIDE_SHARE, busySlots, fits, freeBytes, residencyOf } from './room.js';

const failure = (code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>): Failure => ({
  code,
  message,
  ...(details ? { details } : {}),
});

export type LeaseRequest = GrantedLease & { readonly serverId: ServerId };

export type GrantDecision = {
  /** One event per server. */
  readonly events: readonly GpuEvent[];
  /** Leases that were granted before and are live: the request was repeated. */
  readonly repeated: readonly { readonly leaseId: LeaseId; readonly token: number }[];
  readonly refused: readonly { readonly leaseId: LeaseId; readonly failure: Failure }[];
};

/**
 * Grants what fits, in the order asked. A slot is free when it is neither leased nor granted earlier in this very
 * decision; a model's slot also needs its residency to be wholly loaded and open.
 */
export const grantLeases = (ledger: Ledger, requests: readonly LeaseRequest[], at: string): GrantDecision => {
  const grants = new Map<ServerId, GrantedLease[]>();
  const repeated: { leaseId: LeaseId; token: number }[] = [];
  const refused: { leaseId: LeaseId; failure: Failure }[] = [];
  const taken = new Map<string, number>();
  const granted = new Set<LeaseId>();
  for (const request of requests) {
    const { serverId, ...lease } = request;
    const known = liveLease(ledger, lease.leaseId);
    if (known) {
      repeated.push({ leaseId: known.leaseId, token: known.token });
      continue;
    }
    if (granted.has(lease.leaseId)) continue;
    const place = `${serverId}/${lease.residencyId ?? 'cpu'}`;
    const problem = slotProblem(ledger, request, taken.get(place) ?? 0);
    if (problem) {
      refused.push({ leaseId: lease.leaseId, failure: problem });
      continue;
    }
    taken.set(place, (taken.get(place) ?? 0) + 1);
    granted.add(lease.leaseId);
    const group = grants.get(serverId);
    if (group) group.push(lease);
    else grants.set(serverId, [lease]);
  }
  const events = [...grants].map(([serverId, leases]): GpuEvent => ({
    type: 'lease.granted',
    serverId,
    leases,
    at,
  }));
  return { events, repeated, refused };
};

/** Wherever it is: a lease id names one right, so it is never live twice, and never again once it has expired. */
const liveLease = (ledger: Ledger, leaseId: LeaseId): Lease | undefined => {
  for (const { leases } of ledger.servers.values()) {
    const lease = leases.get(leaseId);
    if (lease) return lease;
  }
  return undefined;
};

const slotProblem = (ledger: Ledger, request: LeaseRequest, alreadyTaken: number): Failure | null => {
  if (ledger.expired.has(request.leaseId)) {
    const message = `Lease ${request.leaseId} was granted before and has expired; ask for another one.`;
    return failure('LEASE_LOST', message);
  }
  const server = ledger.servers.get(request.serverId);
  if (server === undefined) return failure('SERVER_UNKNOWN', `There is no server '${request.serverId}'.`);
  if (server.state !== 'up')
    return failure('CAPACITY_TAKEN', `Server ${request.serverId} is ${server.state}.`);
  const place =
    request.residencyId === undefined ? cpuPlace(server) : modelPlace(server, request.residencyId);
  if (place === null) {
    return failure(
      'CAPACITY_TAKEN',
      `Residency '${request.residencyId ?? 'cpu'}' on ${request.serverId} is not open.`,
    );
  }
  const busy = place.busy + alreadyTaken;
  if (busy < place.slots) return null;
  return failure(
    'CAPACITY_TAKEN',
    `All ${place.slots} slots of ${request.residencyId ?? request.serverId} are taken.`,
  );
};

const cpuPlace = (server: Server) =>
  server.spec.kind === 'cpu' ? { slots: server.spec.slots, busy: busySlots(server) } : null;

const modelPlace = (server: Server, residencyId: ResidencyId) => {
  const residency = server.residencies.get(residencyId);
  if (residency?.state !== 'loaded') return null;
  return { slots: residency.slots, busy: busySlots(server, residencyId) };
};

/** Closes leases that are live, grouped by server; others are ignored, so that saying it twice changes nothing. */
export const closeLeases = (
  ledger: Ledger,
  leaseIds: readonly LeaseId[],
  how: { readonly type: 'lease.released' } | { readonly type: 'lease.expired'; readonly ttlMs: number },
  at: string,
): readonly GpuEvent[] => {
  const byServer = new Map<ServerId, LeaseId[]>();
  const wanted = new Set(leaseIds);
  for (const server of ledger.servers.values()) {
    const live = [...wanted].filter((leaseId) => server.leases.has(leaseId));
    if (live.length > 0) byServer.set(server.spec.serverId, live);
  }
  return [...byServer].map(([serverId, ids]): GpuEvent => ({ ...how, serverId, leaseIds: ids, at }));
};

export type LoadPlan =
  | { readonly kind: 'resident' }
  | { readonly kind: 'in-progress' }
  | { readonly kind: 'refused'; readonly failure: Failure }
  /** Unload these first (they hold no lease), then load. */
  | { readonly kind: 'swap'; readonly unload: readonly ResidencyId[] };

/**
 * How to make a profile resident on a server. Capacity counts what is loading and unloading, so a load is only planned
 * into bytes that will be free when the named victims are gone. One load or unload per server at a time: Ollama
 * itself loads serially, and a second one would only wait where nobody sees it.
 */
export const planLoad = (
  server: Server,
  profile: ModelProfile,
  needBytes: number,
  evict: readonly ResidencyId[],
): LoadPlan => {
  const where = server.spec.serverId;
  const resident = residencyOf(server, profileKey(profile));
  if (resident) return { kind: resident.state === 'loaded' ? 'resident' : 'in-progress' };
  if (server.spec.kind === 'cpu') return refusedPlan('NO_SERVER_FITS', `Server ${where} holds no models.`);
  if (needBytes > server.spec.vramBytes) {
    return refusedPlan(
      'NO_SERVER_FITS',
      `${profile.model} needs about ${needBytes} bytes with num_ctx ${profile.options.numCtx}; server ${where} has ` +
        `${server.spec.vramBytes}. Use a smaller model, a smaller num_ctx, or a larger server.`,
      { needBytes, vramBytes: server.spec.vramBytes },
    );
  }
  if (server.state !== 'up') return refusedPlan('CAPACITY_TAKEN', `Server ${where} is ${server.state}.`);
  for (const { state } of server.residencies.values()) if (state !== 'loaded') return { kind: 'in-progress' };
  const victims = [...new Set(evict)].flatMap((id) => server.residencies.get(id) ?? []);
  const busy = victims.find(({ residencyId }) => busySlots(server, residencyId) > 0);
  if (busy) return refusedPlan('CAPACITY_TAKEN', `${busy.profile.model} on ${where} is still in use.`);
  const sameName = [...server.residencies.values()].find(
    (other) => sameModel(other.profile.model, profile.model) && !evict.includes(other.residencyId),
  );
  if (sameName) {
    // Ollama keeps one runner per model; a second profile of it replaces the first, wherever memory is.
    return refusedPlan('CAPACITY_TAKEN', `${where} holds ${profile.model} with other options.`, {
      needBytes,
    });
  }
  if (!fits(server, profile.model, needBytes, new Set(victims.map(({ residencyId }) => residencyId)))) {
    const freed = victims.reduce((sum, { bytes }) => sum + bytes, 0);
    const free = freeBytes(server, profile.model) + freed;
    return refusedPlan(
      'CAPACITY_TAKEN',
      `${profile.model} needs about ${needBytes} bytes; ${free} would be free on ${where}, of which ${(server.spec.besideShare ?? BESIDE_SHARE) * 100} % may be used beside other models.`,
      { needBytes },
    );
  }
  return { kind: 'swap', unload: victims.map(({ residencyId }) => residencyId) };
};

const refusedPlan = (
  code: ErrorCode,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): LoadPlan => ({
  kind: 'refused',
  failure: failure(code, message, details),
});
