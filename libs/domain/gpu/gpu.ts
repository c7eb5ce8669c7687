import type { Failure } from '../errors.js';
import type { LeaseId, ResidencyId, ServerId } from '../ids.js';
import { PROFILES_MAX, setLatest } from '../latest.js';
import type { AllocatorEvent, GpuEvent, GrantedLease, ServerSpec } from './events.js';
import { drainedAs, seenAs, type Condition } from './condition.js';
import { loadKey, observeBytes, type ObservedBytes } from './observed-bytes.js';
import { profileKey, sameModel, type ModelProfile } from './profile.js';

/** The ledger: the fold of the `LEASES` stream. Like the task book it is changed in place, by `applyToLedger` alone. */
export type Ledger = {
  seq: number;
  logId: string;
  readonly servers: Map<ServerId, Server>;
  /** Leases that expired last, oldest first: whoever asks for one of them again gets no second one of that name. */
  readonly expired: Set<LeaseId>;
  /** How long the last load took, by profile key; each counts for a third, so that one odd load is soon forgotten. */
  readonly loadMs: Map<string, number>;
  readonly observed: ObservedBytes;
  /** How far the allocator has followed `TASKS`. */
  readonly positions: { tasks: number };
};

export type Server = Condition & {
  readonly spec: ServerSpec;
  readonly residencies: Map<ResidencyId, Residency>;
  readonly leases: Map<LeaseId, Lease>;
  /** Last failed load per profile key, until a load of it succeeds or the server is well again. */
  readonly loadFailures: Map<string, LoadFailure>;
};

export type Residency = {
  readonly residencyId: ResidencyId;
  readonly profile: ModelProfile;
  readonly key: string;
  readonly state: 'loading' | 'loaded' | 'unloading';
  readonly bytes: number;
  readonly slots: number;
  readonly since: string;
};

export type Lease = GrantedLease & { readonly token: number };

export type LoadFailure = { readonly failure: Failure; readonly at: string; readonly count: number };

export const emptyLedger = (): Ledger => ({
  seq: 0,
  logId: '',
  servers: new Map(),
  expired: new Set(),
  loadMs: new Map(),
  observed: new Map(),
  positions: { tasks: 0 },
});

/** A grant whose answer got lost is asked for again within seconds; this many leases do not expire meanwhile. */
const EXPIRED_REMEMBERED_MAX = 10_000;

export type GpuRecord = {
  readonly seq: number;
  readonly causationId?: string;
  readonly event: GpuEvent | AllocatorEvent;
};

export const applyToLedger = (ledger: Ledger, record: GpuRecord): void => {
  const { event, seq } = record;
  ledger.seq = seq;
  if (record.causationId?.startsWith('tsk:')) {
    ledger.positions.tasks = Math.max(ledger.positions.tasks, Number(record.causationId.slice(4)));
  }
  switch (event.type) {
    case 'log.started':
      ledger.logId = event.logId;
      return;
    case 'leader.elected':
      return;
    case 'server.configured':
      return configure(ledger, event.server);
    case 'server.removed':
      ledger.servers.delete(event.serverId);
      return;
    default:
      return applyToServer(ledger, event, seq);
  }
};

const configure = (ledger: Ledger, spec: ServerSpec): void => {
  const known = ledger.servers.get(spec.serverId);
  // A CPU slot needs no server to answer for it.
  const health = spec.kind === 'cpu' ? ('up' as const) : ('unknown' as const);
  ledger.servers.set(spec.serverId, {
    ...(known ?? {
      state: health,
      health,
      drain: null,
      foreign: [],
      residencies: new Map(),
      leases: new Map(),
      loadFailures: new Map(),
    }),
    spec,
  });
};

type ServerEvent = Exclude<GpuEvent, { type: 'server.configured' | 'server.removed' }>;

const applyToServer = (ledger: Ledger, event: ServerEvent, seq: number): void => {
  const server = ledger.servers.get(event.serverId);
  if (server === undefined)
    throw new Error(`event ${event.type} at ${seq} for server ${event.serverId}, which is not configured`);
  switch (event.type) {
    case 'server.state-changed':
      // What a server could not load while it was not well says nothing of it now.
      if (event.state === 'up' && server.health !== 'up') server.loadFailures.clear();
      ledger.servers.set(event.serverId, seenAs(server, event));
      return;
    case 'server.drain-started':
      ledger.servers.set(
        event.serverId,
        drainedAs(server, { reason: event.reason, since: event.at, done: false }),
      );
      return;
    case 'server.drained':
      ledger.servers.set(event.serverId, drainedAs(server, server.drain && { ...server.drain, done: true }));
      return;
    case 'server.resumed':
      ledger.servers.set(event.serverId, drainedAs(server, null));
      return;
    case 'residency.load-started':
      server.residencies.set(event.residencyId, {
        residencyId: event.residencyId,
        profile: event.profile,
        key: profileKey(event.profile),
        state: 'loading',
        bytes: event.bytes,
        slots: event.slots,
        since: event.at,
      });
      return;
    case 'residency.loaded':
      return finishLoad(ledger, server, event);
    case 'residency.load-failed':
      return failLoad(ledger, server, event);
    case 'residency.unload-started':
      return changeResidency(server, event.residencyId, (was) => ({
        ...was,
        state: 'unloading',
        since: event.at,
      }));
    case 'residency.unloaded':
      server.residencies.delete(event.residencyId);
      return;
    case 'lease.granted':
      for (const lease of event.leases) server.leases.set(lease.leaseId, { ...lease, token: seq });
      return;
    case 'lease.expired':
      for (const leaseId of event.leaseIds) server.leases.delete(leaseId);
      return remember(ledger.expired, event.leaseIds);
    case 'lease.released':
      for (const leaseId of event.leaseIds) server.leases.delete(leaseId);
      return;
  }
};

const remember = (expired: Set<LeaseId>, leaseIds: readonly LeaseId[]): void => {
  for (const leaseId of leaseIds) expired.add(leaseId);
  for (const oldest of expired) {
    if (expired.size <= EXPIRED_REMEMBERED_MAX) break;
    expired.delete(oldest);
  }
};

const changeResidency = (server: Server, id: ResidencyId, change: (was: Residency) => Residency): void => {
  const residency = server.residencies.get(id);
  if (residency) server.residencies.set(id, change(residency));
};

const finishLoad = (
  ledger: Ledger,
  server: Server,
  { residencyId, bytes, at, serverId, loadMs }: Extract<GpuEvent, { type: 'residency.loaded' }>,
): void => {
  const residency = server.residencies.get(residencyId);
  if (residency === undefined) return;
  server.residencies.set(residencyId, { ...residency, state: 'loaded', bytes, since: at });
  server.loadFailures.delete(residency.key);
  observe(ledger, server, residency, bytes);
  learnLoad(ledger, residency.key, loadMs);
  // What somebody else had loaded of it was taken over, and is not there twice.
  const foreign = server.foreign.filter(({ model }) => !sameModel(model, residency.profile.model));
  ledger.servers.set(serverId, { ...server, foreign });
};

const failLoad = (
  ledger: Ledger,
  server: Server,
  { residencyId, failure, at }: Extract<GpuEvent, { type: 'residency.load-failed' }>,
): void => {
  const residency = server.residencies.get(residencyId);
  if (residency === undefined) return;
  server.residencies.delete(residencyId);
  const count = (server.loadFailures.get(residency.key)?.count ?? 0) + 1;
  server.loadFailures.set(residency.key, { failure, at, count });
  const took = failure.code === 'MODEL_SPILLED' ? failure.details?.['sizeBytes'] : undefined;
  if (typeof took === 'number') observe(ledger, server, residency, took);
};

const observe = (ledger: Ledger, { spec }: Server, { profile, slots }: Residency, bytes: number): void =>
  observeBytes(ledger.observed, loadKey(spec.device, profile, slots), bytes);

const learnLoad = ({ loadMs }: Ledger, key: string, tookMs: number): void => {
  const known = loadMs.get(key) ?? tookMs;
  setLatest(loadMs, key, known + (tookMs - known) / 3, PROFILES_MAX);
};
