import type { Residency } from '../gpu/gpu.js';

/** What it costs to lose a residency: its load again, as likely as it will be wanted soon. */
export type Priced = { readonly residency: Residency; readonly costMs: number };

/** Sets of so many are tried out; beyond, the cheapest go one by one. */
const TRIED_MAX = 10;

/** The cheapest residencies that are enough; those loaded first where the cost is the same. Null when not even all of them are. */
export const cheapestVictims = (
  priced: readonly Priced[],
  isEnough: IsEnough,
): readonly Residency[] | null => {
  if (isEnough([])) return [];
  const inTurn = priced.toSorted(
    (a, b) => a.costMs - b.costMs || (a.residency.since < b.residency.since ? -1 : 1),
  );
  if (!isEnough(residenciesOf(inTurn))) return null;
  return inTurn.length > TRIED_MAX ? oneByOne(inTurn, isEnough) : bestSet(inTurn, isEnough);
};

type IsEnough = (victims: readonly Residency[]) => boolean;

const bestSet = (inTurn: readonly Priced[], isEnough: IsEnough): readonly Residency[] => {
  let best: readonly Priced[] = inTurn;
  // Counted up, the sets of those that go first come first, and stay where another one costs the same.
  for (let chosen = 1; chosen < 2 ** inTurn.length; chosen += 1) {
    const set = inTurn.filter((_, place) => (chosen & (1 << place)) !== 0);
    if (costOf(set) < costOf(best) && isEnough(residenciesOf(set))) best = set;
  }
  return residenciesOf(best);
};

const oneByOne = (inTurn: readonly Priced[], isEnough: IsEnough): readonly Residency[] => {
  const victims: Residency[] = [];
  for (const { residency } of inTurn) {
    if (isEnough(victims)) break;
    victims.push(residency);
  }
  return victims;
};

const residenciesOf = (set: readonly Priced[]): readonly Residency[] => set.map(({ residency }) => residency);
const costOf = (set: readonly Priced[]): number => set.reduce((sum, { costMs }) => sum + costMs, 0);
