import type { Failure } from '../errors.js';
import type { Ledger } from '../gpu/gpu.js';
import type { ModelProfile } from '../gpu/profile.js';
import type { ResidencyId, ServerId, WorkspaceId } from '../ids.js';
import type { Requirement } from '../task/requirement.js';
import { byLine, type Ranking } from './ordering.js';
import type { Pace } from './pace.js';
import type { ReadyQueue } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import type { PolicySettings } from './settings.js';
import { levelsOf } from './shares.js';

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
  /** What attempts take, by `requirementKey`. */
  readonly paces: ReadonlyMap<string, Pace>;
  /** Service so far, by weight; see `levelsOf`. */
  readonly servedMs: ReadonlyMap<WorkspaceId, number>;
  /** The steps that have been overtaken for as long as they may, of those that need a CPU slot and of those that need a model. */
  readonly overtaken: Readonly<Record<Requirement['kind'], ReadyStep | null>>;
  /** For each model for which work is about to be ready, by `profileKey`, the first step of that. */
  readonly soon: ReadonlyMap<string, ReadyStep>;
  readonly nowMs: number;
  readonly settings: PolicySettings;
  /** Most placements of one cycle, so that a cycle stays short. */
  readonly placementsMax: number;
};

/** The order at this moment. */
export const rankingOf = ({ ready, servedMs, overtaken, settings }: Snapshot): Ranking => {
  const levels = levelsOf(servedMs, ready.workspaces(), settings.fairQuantumMs);
  return {
    mustRun: (step) => {
      const last = overtaken[step.requirement.kind];
      return last !== null && byLine(step, last) <= 0;
    },
    someMustRun: overtaken.cpu !== null || overtaken.model !== null,
    levelOf: (workspace) => levels.get(workspace) ?? 0,
    agingMs: settings.agingMs,
  };
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
