/**
 * A place on the scale of priority and age: that of the task with this `seq`, priority and beginning, or right beside it where `nth` says
 * so. A place beside another task's moves with the worth of a level of priority exactly as that one does, so a changed `aging` does not
 * tear apart what a person has put together.
 */
export type Place = {
  readonly priority: number;
  readonly fromMs: number;
  /** Sequence of the submission whose place it is, or is beside. */
  readonly seq: number;
  /** Before that task where it begins with less than 0, behind it with more; empty for the task itself. Compared number by number. */
  readonly nth: readonly number[];
};

/** From when on a task stands in the line of promises: the moment, and its place in the log. */
export type Line = { readonly sinceMs: number; readonly seq: number };

/** Below 0 where `a` goes first. Places that are beside different tasks are in the order of those. */
export const comparePlaces = (a: Place, b: Place, agingMs: number): number =>
  a.fromMs - a.priority * agingMs - (b.fromMs - b.priority * agingMs) ||
  a.fromMs - b.fromMs ||
  a.seq - b.seq ||
  b.priority - a.priority ||
  compareNth(a.nth, b.nth);

/** Whether both are beside the same task, which had the same place then. */
export const areBeside = (a: Place, b: Place): boolean =>
  a.seq === b.seq && a.fromMs === b.fromMs && a.priority === b.priority;

/** What is missing counts as 0, so there is room on both sides of everything. */
export const compareNth = (a: readonly number[], b: readonly number[]): number => {
  for (let place = 0; place < a.length || place < b.length; place += 1) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
};

/** Wide enough that 32 halvings fit in, narrow enough that two million steps to one side stay exact. */
const STRIDE = 2 ** 32;
/** Numbers of one place: room for more than 16,000 moves of which each goes between the two before it, and all of which are still open. */
const NTH_MAX = 512;

type Bound = readonly number[] | null;

/**
 * Between the two, null being beyond everything on that side. Moves to an end, and next to one and the same task, take two numbers at
 * most; moves between the latest two take another number only once every 32. Null where nothing is left between them.
 */
export const nthBetween = (low: Bound, high: Bound): readonly number[] | null => {
  const nth: number[] = [];
  let [below, above] = [low, high];
  while (nth.length < NTH_MAX) {
    const from = below === null ? -Infinity : (below[nth.length] ?? 0);
    const to = above === null ? Infinity : (above[nth.length] ?? 0);
    const middle = numberBetween(from, to);
    if (middle !== null) return [...nth, middle];
    // No whole number is left: the next one decides. The longer bound is the latest move, and the next one mostly goes beside that.
    const isBehindLow = above === null || (below !== null && below.length >= above.length);
    const shared = isBehindLow ? from : to;
    if (shared !== from) below = null;
    if (shared !== to) above = null;
    nth.push(shared);
  }
  return null;
};

/** A whole number between the two that is not 0, which would say nothing; null where there is none. */
const numberBetween = (from: number, to: number): number | null => {
  if (from === -Infinity && to === Infinity) return STRIDE;
  if (to === Infinity) return exact(from + STRIDE || 1);
  if (from === -Infinity) return exact(to - STRIDE || -1);
  const middle = Math.floor(from + (to - from) / 2);
  return [middle, middle + 1, middle - 1].find((n) => n !== 0 && n > from && n < to) ?? null;
};

const exact = (n: number): number | null => (Number.isSafeInteger(n) ? n : null);
