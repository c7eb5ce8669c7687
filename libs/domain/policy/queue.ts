import type { Ranking } from './ordering.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { rankingOf, type Snapshot } from './snapshot.js';

/** What is ready at one moment, in its order. */
export type Queue = {
  readonly groups: readonly ReadyGroup[];
  /** The next step of each group, by its key. */
  readonly heads: ReadonlyMap<string, ReadyStep>;
  readonly ranking: Ranking;
};

export const queueOf = (snapshot: Snapshot): Queue => {
  const ranking = rankingOf(snapshot);
  const groups = snapshot.ready.groups(ranking);
  return { groups, heads: new Map(groups.map(({ key, first }) => [key, first])), ranking };
};
