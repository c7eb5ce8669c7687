import type { ResidencyId } from '../ids.js';
import { msOf } from '../time.js';
import { copiesIn, type Copies } from './copies.js';
import type { Ranking } from './ordering.js';
import { loadMsOf, UNLOAD_MS } from './pace.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { rankingOf, type Snapshot } from './snapshot.js';

/** What is ready at one moment, in its order, and where its models are. */
export type Queue = {
  readonly groups: readonly ReadyGroup[];
  /** The next step of each group, by its key. */
  readonly heads: ReadonlyMap<string, ReadyStep>;
  /** The same, and where nothing is ready, what is about to be: for what a model keeps its place. */
  readonly rivals: ReadonlyMap<string, ReadyStep>;
  readonly ranking: Ranking;
  /** Until when each residency's turn lasts. */
  readonly turns: ReadonlyMap<ResidencyId, number>;
  readonly copies: Copies;
};

export const queueOf = (snapshot: Snapshot): Queue => {
  const ranking = rankingOf(snapshot);
  const groups = snapshot.ready.groups(ranking);
  const heads = new Map(groups.map(({ key, first }) => [key, first]));
  return {
    groups,
    heads,
    rivals: new Map([...snapshot.soon, ...heads]),
    ranking,
    turns: turnsOf(snapshot),
    copies: copiesIn(snapshot.ledger),
  };
};

/** However quick its load was, a model that was loaded serves before it goes again: two could otherwise swap for ever and do nothing. */
const TURN_MIN_MS = 1_000;

/** A turn is so long that loading and unloading are no more than their share of it. */
export const turnsOf = ({
  ledger,
  settings,
}: Pick<Snapshot, 'ledger' | 'settings'>): ReadonlyMap<ResidencyId, number> => {
  const turns = new Map<ResidencyId, number>();
  const { swapShareMax } = settings;
  for (const { residencies } of ledger.servers.values()) {
    for (const { residencyId, key, since } of residencies.values()) {
      const swapMs = loadMsOf(ledger.loadMs.get(key)) + UNLOAD_MS;
      const turnMs = Math.max(TURN_MIN_MS, (swapMs * (1 - swapShareMax)) / swapShareMax);
      turns.set(residencyId, msOf(since) + turnMs);
    }
  }
  return turns;
};
