import type { Costs } from '#libs/domain/policy/costs.js';
import { costsOf } from '#libs/domain/policy/costs.js';
import type { Ranking } from '#libs/domain/policy/ordering.js';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import type { Snapshot } from '#libs/domain/policy/snapshot.js';
import { emptyLedger } from '#libs/domain/gpu/gpu.js';
import { NOW_MS } from './builders.js';

/** Nobody has been overtaken long enough, and all workspaces are equals. */
export const PLAIN: Ranking = {
  mustRun: () => false,
  someMustRun: false,
  levelOf: () => 0,
  agingMs: 60_000,
};

/** What nothing is known of yet. */
export const UNKNOWN_COSTS: Costs = costsOf(new Map(), emptyLedger());

/** A moment at which nothing was asked for, nothing is known and nobody has had any service. */
export const snapshotWith = (
  given: Pick<Snapshot, 'ready' | 'ledger'> &
    Partial<Omit<Snapshot, 'settings'>> & { readonly settings?: Partial<PolicySettings> },
): Snapshot => ({
  asked: new Map(),
  loadsAsked: new Set(),
  knownBytes: new Map(),
  paces: new Map(),
  servedMs: new Map(),
  overtaken: { cpu: null, model: null },
  soon: new Map(),
  nowMs: NOW_MS,
  placementsMax: 100,
  ...given,
  settings: { ...DEFAULT_POLICY, ...given.settings },
});
