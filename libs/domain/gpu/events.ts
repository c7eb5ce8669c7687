import type { Failure } from '../errors.js';
import type { LeaseId, ResidencyId, ServerId, StepId, TaskId } from '../ids.js';
import type { LeaderElected, LogStarted } from '../task/scheduler-events.js';
import type { ModelProfile } from './profile.js';

/** The facts of the `LEASES` stream: which servers there are, what is loaded on them, who holds which slot. */
export type GpuEvent =
  | ServerConfigured
  | ServerRemoved
  | ServerStateChanged
  | ServerDrainStarted
  | ServerDrained
  | ServerResumed
  | LoadStarted
  | Loaded
  | LoadFailed
  | UnloadStarted
  | Unloaded
  | LeasesGranted
  | LeasesReleased
  | LeasesExpired;

export type AllocatorEvent = LeaderElected | LogStarted;

/** Every type of the stream, for folds that must not pass over one they do not know. */
export const LEASE_STREAM_TYPES: ReadonlySet<string> = new Set<(GpuEvent | AllocatorEvent)['type']>([
  'server.configured',
  'server.removed',
  'server.state-changed',
  'server.drain-started',
  'server.drained',
  'server.resumed',
  'residency.load-started',
  'residency.loaded',
  'residency.load-failed',
  'residency.unload-started',
  'residency.unloaded',
  'lease.granted',
  'lease.released',
  'lease.expired',
  'leader.elected',
  'log.started',
]);

/** A server as its owner configured it. The pseudo-server `cpu` (kind `cpu`) offers slots for steps that need no model. */
export type ServerSpec = {
  readonly serverId: ServerId;
  readonly kind: 'cpu' | 'ollama';
  /** Absent for kind `cpu`. */
  readonly url?: string;
  /** Memory that models may fill: VRAM of a GPU server, RAM where it runs on the CPU; 0 for kind `cpu`. */
  readonly vramBytes: number;
  /** Share of what is free into which it loads a model beside others; absent for what Ollama does. */
  readonly besideShare?: number;
  /** Requests served at once per loaded model (`OLLAMA_NUM_PARALLEL`), or CPU slots. */
  readonly slots: number;
  /** `gpu`: a model that does not fit wholly in VRAM is a failed placement. `cpu`: memory is memory. */
  readonly device: 'gpu' | 'cpu';
  readonly labels: Readonly<Record<string, string>>;
  /** Missing models are downloaded on demand. */
  readonly pullMissing: boolean;
  /** Name of its GPU, where its memory was read from the driver. */
  readonly gpuName?: string;
  /** Who manages it; absent: the servers file. */
  readonly source?: 'api';
};

export type ServerConfigured = {
  readonly type: 'server.configured';
  readonly server: ServerSpec;
  readonly at: string;
};

export type ServerRemoved = {
  readonly type: 'server.removed';
  readonly serverId: ServerId;
  readonly at: string;
};

export type ServerStateChanged = {
  readonly type: 'server.state-changed';
  readonly serverId: ServerId;
  /** `down`: not reachable. `suspect`: reachable but does not do what it is asked; nothing is placed there. */
  readonly state: 'up' | 'down' | 'suspect';
  readonly version?: string;
  readonly reason?: string;
  /** Models that are loaded there and are not ours; their bytes are not available. */
  readonly foreign: readonly ForeignModel[];
  readonly at: string;
};

/** Asked for: nothing new is placed there, whatever its state. */
export type ServerDrainStarted = {
  readonly type: 'server.drain-started';
  readonly serverId: ServerId;
  readonly reason: string;
  readonly at: string;
};

/** Nothing is leased and nothing loaded there any more: it may be switched off. */
export type ServerDrained = {
  readonly type: 'server.drained';
  readonly serverId: ServerId;
  readonly at: string;
};

export type ServerResumed = {
  readonly type: 'server.resumed';
  readonly serverId: ServerId;
  readonly at: string;
};

export type ForeignModel = { readonly model: string; readonly bytes: number };

export type LoadStarted = {
  readonly type: 'residency.load-started';
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId;
  readonly profile: ModelProfile;
  /** Reserved from now on: the estimate, until the server says what it really is. */
  readonly bytes: number;
  readonly slots: number;
  readonly at: string;
};

export type Loaded = {
  readonly type: 'residency.loaded';
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId;
  /** As the server reports it. */
  readonly bytes: number;
  readonly vramBytes: number;
  readonly loadMs: number;
  readonly at: string;
};

export type LoadFailed = {
  readonly type: 'residency.load-failed';
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId;
  readonly failure: Failure;
  readonly at: string;
};

export type UnloadStarted = {
  readonly type: 'residency.unload-started';
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId;
  readonly reason: string;
  /** The unload is what ends the work of this lease, whose attempt is over and was not seen to stop. */
  readonly endsLease?: LeaseId;
  readonly at: string;
};

/** The bytes are free again: the server no longer lists the model, or is gone itself. */
export type Unloaded = {
  readonly type: 'residency.unloaded';
  readonly serverId: ServerId;
  readonly residencyId: ResidencyId;
  readonly reason: string;
  readonly at: string;
};

/** Leases granted together on one server. The event's sequence is the fencing token of each of them. */
export type LeasesGranted = {
  readonly type: 'lease.granted';
  readonly serverId: ServerId;
  readonly leases: readonly GrantedLease[];
  readonly at: string;
};

export type GrantedLease = {
  readonly leaseId: LeaseId;
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly attempt: number;
  /** Absent for a CPU slot. */
  readonly residencyId?: ResidencyId;
};

export type LeasesReleased = {
  readonly type: 'lease.released';
  readonly serverId: ServerId;
  readonly leaseIds: readonly LeaseId[];
  readonly at: string;
};

/** Not renewed in time, or lost with their server. Whoever held these must stop; their attempts no longer count. */
export type LeasesExpired = {
  readonly type: 'lease.expired';
  readonly serverId: ServerId;
  readonly leaseIds: readonly LeaseId[];
  /** 0 where it was not time that ended them. */
  readonly ttlMs: number;
  /** Absent: nobody renewed them. */
  readonly reason?: string;
  readonly at: string;
};
