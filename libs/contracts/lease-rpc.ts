import type { Failure } from '#libs/domain/errors.js';
import type { GrantedLease, ServerSpec } from '#libs/domain/gpu/events.js';
import type { Server } from '#libs/domain/gpu/gpu.js';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import type { LeaseId, ResidencyId, ServerId } from '#libs/domain/ids.js';

/** The scheduler asks for slots. Asking again with the same lease ids is answered the same way. */
export type GrantRequest = { readonly requests: readonly LeaseRequest[] };
export type LeaseRequest = GrantedLease & { readonly serverId: ServerId };
export type GrantReply = {
  readonly granted: readonly { readonly leaseId: LeaseId; readonly token: number }[];
  readonly refused: readonly { readonly leaseId: LeaseId; readonly failure: Failure }[];
};

/** The scheduler does not need these after all. Only leases that no executor has presented are closed. */
export type GiveBackRequest = { readonly leaseIds: readonly LeaseId[] };
export type GiveBackReply = { readonly closed: readonly LeaseId[] };

/** The scheduler wants a profile resident. The allocator answers at once and goes on by itself; progress is in `LEASES`. */
export type EnsureResidentRequest = {
  readonly serverId: ServerId;
  readonly profile: ModelProfile;
  /** Residencies to unload first; each must hold no lease. */
  readonly evict: readonly ResidencyId[];
};
export type EnsureResidentReply = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

/** An executor presents tokens: the first time to take the attempt, then to renew. */
export type PresentRequest = {
  readonly executorId: string;
  /** `taking` the first time, until accepted; afterwards it is a renewal. */
  readonly leases: readonly { readonly leaseId: LeaseId; readonly token: number; readonly taking: boolean }[];
};
export type PresentReply = {
  /** Time until each accepted lease expires unless presented again. */
  readonly ttlMs: number;
  readonly accepted: readonly LeaseId[];
  /** Present again a little later: the allocator has just started and another executor may hold it still. */
  readonly later: readonly LeaseId[];
  /** Not current: expired, released, unknown, or held by another executor. The attempt must stop. */
  readonly stale: readonly LeaseId[];
};

/** A server is drained for maintenance, or takes work again. Answered when that is in the log. */
export type DrainRequest = { readonly serverId: ServerId; readonly drain: boolean };
/** A server is added or changed by the API, or removed again. */
export type PutServerRequest = { readonly server: ServerSpec };
export type RemoveServerRequest = { readonly serverId: ServerId };
export type RemoveServerReply = { readonly ok: true } | { readonly ok: false; readonly failure: Failure };

export type ServerReply =
  | { readonly ok: true; readonly server: ServerView; readonly created?: boolean }
  | { readonly ok: false; readonly failure: Failure };

/** A server as `GET /servers` shows it. */
export type ServerView = ServerSpec & {
  readonly state: Server['state'];
  readonly drain: Server['drain'];
  readonly version?: string;
  readonly reason?: string;
  readonly vramFreeBytes: number;
  readonly foreign: readonly { readonly model: string; readonly bytes: number }[];
  readonly residencies: readonly {
    readonly residencyId: ResidencyId;
    readonly profile: ModelProfile;
    readonly state: 'loading' | 'loaded' | 'unloading';
    readonly bytes: number;
    readonly slots: number;
    readonly slotsBusy: number;
    readonly since: string;
  }[];
  readonly leases: readonly (GrantedLease & { readonly token: number; readonly expiresInMs: number })[];
};
