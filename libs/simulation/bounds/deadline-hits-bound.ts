import type { Hardware } from '../hardware.js';
import type { Trace } from '../trace.js';
import { Heap } from './heap.js';
import { relax, type RelaxedTask, type UsableVram } from './relaxation.js';
import { priceOf, weightingsOn, type Weighting } from './weighting.js';

/** Moments at which time is cut; the bound is valid with any, and hardly better with more. */
const CUTS_MAX = 24;
/** What ends exactly at its deadline is in time, whatever the last digits of a sum are. */
const ROUNDING_MS = 1e-3;

type Claim = { readonly earliestMs: number; readonly deadlineMs: number; readonly workMs: number };

/**
 * The most deadlines that can be kept, on one machine as fast as all servers together that may change between tasks
 * at any time. What could not be in time if it were alone is out. Of tasks that are there at once, Moore and
 * Hodgson's rule gives the fewest that are late. Where tasks come over time it is applied to slices: those that can
 * begin after one moment and are due before another, as if all were there at the first; late ones of slices that do
 * not overlap add up, and the cut with the most is found by dynamic programming. With one moment for all it is Moore
 * and Hodgson's own number.
 */
export const deadlineHitsBound = (trace: Trace, hardware: Hardware, usableVramBytes: UsableVram): number => {
  const { tasks } = relax(trace, hardware, usableVramBytes);
  const bounds = weightingsOn(hardware.servers).map((weighting) =>
    mostHits(tasks.flatMap((task) => claimOf(task, weighting))),
  );
  return Math.min(...bounds);
};

const mostHits = (claims: readonly Claim[]): number => {
  const cuts = cutsOf(claims);
  /** Late tasks that are certain among those that begin at cut n or later. */
  const lateFrom = Array.from({ length: cuts.length }, () => 0);
  for (let from = cuts.length - 2; from >= 0; from -= 1) {
    const startMs = cuts[from] ?? 0;
    const mine = claims.filter(({ earliestMs }) => earliestMs >= startMs);
    cuts.slice(from + 1).forEach((endMs, n) => {
      const slice = mine.filter(({ earliestMs, deadlineMs }) => earliestMs < endMs && deadlineMs <= endMs);
      const late = fewestLate(slice, startMs) + (lateFrom[from + 1 + n] ?? 0);
      lateFrom[from] = Math.max(lateFrom[from] ?? 0, late);
    });
  }
  return claims.length - (lateFrom[0] ?? 0);
};

const claimOf = (task: RelaxedTask, weighting: Weighting): readonly Claim[] => {
  const { earliestStartMs, earliestEndMs } = task;
  const { deadlineMs } = task.task;
  if (deadlineMs === null || earliestEndMs > deadlineMs + ROUNDING_MS) return [];
  const workMs = priceOf(task, weighting) / weighting.total;
  return [{ earliestMs: earliestStartMs, deadlineMs, workMs }];
};

/** Moments evenly among the starts, the first included, and the end of time. */
const cutsOf = (claims: readonly Claim[]): readonly number[] => {
  const starts = [...new Set(claims.map(({ earliestMs }) => earliestMs))].toSorted((a, b) => a - b);
  const step = Math.max(1, starts.length / CUTS_MAX);
  const cuts: number[] = [];
  for (let at = 0; at < starts.length; at += step) cuts.push(starts[Math.floor(at)] ?? 0);
  return [...cuts, Infinity];
};

/** Moore and Hodgson: by deadline, and whenever one would be late the longest so far is given up. */
const fewestLate = (claims: readonly Claim[], startMs: number): number => {
  const kept = new Heap<Claim>((a, b) => a.workMs > b.workMs);
  let endMs = startMs;
  for (const claim of claims.toSorted((a, b) => a.deadlineMs - b.deadlineMs)) {
    kept.push(claim);
    endMs += claim.workMs;
    if (endMs > claim.deadlineMs + ROUNDING_MS) endMs -= kept.pop()?.workMs ?? 0;
  }
  return claims.length - kept.size;
};
