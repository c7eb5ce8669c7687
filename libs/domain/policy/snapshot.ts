import type { Failure } from '../errors.js';
import type { Ledger } from '../gpu/gpu.js';
import type { ModelProfile } from '../gpu/profile.js';
import type { ResidencyId, ServerId } from '../ids.js';
import type { ReadyQueue } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';

/** Everything a cycle decides from. Nothing in it changes while the plan is made. */
export type Snapshot = {
  readonly ready: ReadyQueue;
  readonly ledger: Ledger;
  /** Slots asked for and not yet seen in the ledger, by `slotPlace`. */
  readonly asked: ReadonlyMap<string, number>;
  /** Servers that have been asked to load something and have not shown it in the ledger yet. */
  readonly loadsAsked: ReadonlySet<ServerId>;
  /** Bytes per profile key, as far as they are known from earlier answers. */
  readonly knownBytes: ReadonlyMap<string, number>;
  readonly nowMs: number;
  readonly settings: PolicySettings;
};

export type PolicySettings = {
  /**
   * A waiting model is not swapped in over one with work of its own before its first task has waited this long, and the
   * other has had this long since it was loaded.
   */
  readonly swapPatienceMs: number;
  /** Most placements of one cycle, so that a cycle stays short. */
  readonly placementsMax: number;
  /** A load that failed and may succeed later is not tried again before this. */
  readonly loadRetryMs: number;
  /** Failed loads of one profile on one server after which its oldest tasks fail with the reason. */
  readonly loadFailuresMax: number;
};

export type Plan = {
  readonly placements: readonly Placement[];
  readonly loads: readonly LoadWish[];
  readonly impossible: readonly { readonly step: ReadyStep; readonly failure: Failure }[];
};

export type Placement = {
  readonly step: ReadyStep;
  readonly serverId: ServerId;
  readonly residencyId?: ResidencyId;
};

export type LoadWish = {
  readonly serverId: ServerId;
  readonly profile: ModelProfile;
  readonly evict: readonly ResidencyId[];
  readonly because: string;
};

export const slotPlace = (serverId: ServerId, residencyId?: ResidencyId): string =>
  `${serverId}/${residencyId ?? 'cpu'}`;

/** The best of ordered steps, and an iterator over those behind it; null where there is none. */
export const nextOf = (steps: Iterable<ReadyStep>): { head: ReadyStep; rest: Iterator<ReadyStep> } | null => {
  const rest = steps[Symbol.iterator]();
  const first = rest.next();
  return first.done ? null : { head: first.value, rest };
};
