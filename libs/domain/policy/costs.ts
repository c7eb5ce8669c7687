import type { Ledger } from '../gpu/gpu.js';
import type { Need } from '../task/requirement.js';
import { loadMsOf, longestMsOf, meanMsOf, UNLOAD_MS, type Pace } from './pace.js';

/** What the work of a step costs, as far as it is known: from what attempts and loads took. Milliseconds. */
export type Costs = {
  readonly meanMs: (need: Need) => number;
  /** An attempt takes no longer, as far as can be told. */
  readonly longestMs: (need: Need) => number;
  /** Share of a server's time at most, where all of its slots are used. */
  readonly workMs: (need: Need) => number;
  /** To unload what is in the way, and to load; 0 where nothing has to be loaded. */
  readonly swapMs: (need: Need) => number;
};

export const costsOf = (paces: ReadonlyMap<string, Pace>, ledger: Ledger): Costs => {
  const longestMs: Costs['longestMs'] = ({ key }) => longestMsOf(paces.get(key));
  return {
    meanMs: ({ key }) => meanMsOf(paces.get(key)),
    longestMs,
    workMs: (need) => longestMs(need) / fewestSlots(ledger, need.kind),
    swapMs: ({ key, kind }) => (kind === 'cpu' ? 0 : loadMsOf(ledger.loadMs.get(key)) + UNLOAD_MS),
  };
};

/** Of any server of the kind: a promise has to hold wherever the work is done. */
const fewestSlots = (ledger: Ledger, kind: Need['kind']): number => {
  let fewest = Infinity;
  for (const { spec } of ledger.servers.values())
    if ((spec.kind === 'cpu') === (kind === 'cpu')) fewest = Math.min(fewest, spec.slots);
  return fewest === Infinity ? 1 : Math.max(1, fewest);
};
