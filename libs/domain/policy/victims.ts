import type { Residency } from '../gpu/gpu.js';

/** What it costs to lose a residency: its load again, as likely as it will be wanted soon. */
export type Priced = { readonly residency: Residency; readonly costMs: number };

/** Sets of so many are tried out; beyond, the cheapest go one by one. */
const TRIED_MAX = 10;

/**
 * The cheapest residencies that together free so many bytes; those loaded first where the cost is the same. Null when all together
 * do not free enough.
 */
export const cheapestVictims = (
  priced: readonly Priced[],
  needBytes: number,
): readonly Residency[] | null => {
  if (needBytes <= 0) return [];
  const inTurn = priced.toSorted(
    (a, b) => a.costMs - b.costMs || (a.residency.since < b.residency.since ? -1 : 1),
  );
  if (bytesOf(inTurn) < needBytes) return null;
  return inTurn.length > TRIED_MAX ? oneByOne(inTurn, needBytes) : bestSet(inTurn, needBytes);
};

const bestSet = (inTurn: readonly Priced[], needBytes: number): readonly Residency[] => {
  let best: readonly Priced[] = inTurn;
  // Counted up, the sets of those that go first come first, and stay where another one costs the same.
  for (let chosen = 1; chosen < 2 ** inTurn.length; chosen += 1) {
    const set = inTurn.filter((_, place) => (chosen & (1 << place)) !== 0);
    if (bytesOf(set) >= needBytes && costOf(set) < costOf(best)) best = set;
  }
  return best.map(({ residency }) => residency);
};

const oneByOne = (inTurn: readonly Priced[], needBytes: number): readonly Residency[] => {
  const victims: Priced[] = [];
  for (const next of inTurn) {
    if (bytesOf(victims) >= needBytes) break;
    victims.push(next);
  }
  return victims.map(({ residency }) => residency);
};

const bytesOf = (set: readonly Priced[]): number =>
  set.reduce((sum, { residency }) => sum + residency.bytes, 0);
const costOf = (set: readonly Priced[]): number => set.reduce((sum, { costMs }) => sum + costMs, 0);
