import type { Hardware } from '../hardware.js';
import type { SimTask, Trace } from '../trace.js';
import { relax, type Relaxation, type UsableVram } from './relaxation.js';

/**
 * Least number of model loads. Servers start empty, so every model that is used is loaded once.
 *
 * Where no task waits longer than `waitBoundMs` for its start, more can be certain. Cut time into windows that do not
 * overlap. The model of a task that is submitted in a window, at the latest `waitBoundMs` before its end, is on a
 * server at some moment of it; no more than `coResidentMax` were there when it began, none at the start of the trace,
 * and the others are loaded within. The best cut is found by dynamic programming from the end. Tasks with
 * predecessors are ready at a time that depends on the schedule, so they count for the models that are used only.
 */
export const loadsBound = (
  trace: Trace,
  hardware: Hardware,
  usableVramBytes: UsableVram,
  waitBoundMs: number | null,
): number => {
  const relaxation = relax(trace, hardware, usableVramBytes);
  const distinct = relaxation.models.length;
  const roots = trace.tasks.filter(({ after }) => after.length === 0).toSorted((a, b) => a.atMs - b.atMs);
  if (waitBoundMs === null || roots.length === 0) return distinct;
  return Math.max(
    distinct,
    windowsBound(roots, waitBoundMs, coResidentMax(relaxation, hardware, usableVramBytes)),
  );
};

/** The most models that can be on the servers at once, each server filled with its smallest. */
export const coResidentMax = ({ models }: Relaxation, { servers }: Hardware, usable: UsableVram): number => {
  let count = 0;
  for (const { serverId, gpu } of servers) {
    let freeBytes = usable(gpu);
    const sizes = models.flatMap(({ bytesOn }) => bytesOn.get(serverId) ?? []).toSorted((a, b) => a - b);
    for (const bytes of sizes) {
      freeBytes -= bytes;
      if (freeBytes < 0) break;
      count += 1;
    }
  }
  return Math.min(count, models.length);
};

const windowsBound = (roots: readonly SimTask[], waitBoundMs: number, coResident: number): number => {
  const modelCount = new Set(roots.map(({ model }) => model)).size;
  /** Most loads that are certain in windows that begin with root n or later, whatever is loaded then. */
  const bestFrom = Array.from({ length: roots.length + 1 }, () => 0);
  for (let first = roots.length - 1; first >= 0; first -= 1) {
    const ifResident = bestWindow(
      roots,
      first,
      waitBoundMs,
      modelCount,
      (seen, next) => Math.max(0, seen - coResident) + (bestFrom[next] ?? 0),
    );
    bestFrom[first] = Math.max(bestFrom[first + 1] ?? 0, ifResident);
  }
  return bestWindow(roots, 0, waitBoundMs, modelCount, (seen, next) => seen + (bestFrom[next] ?? 0));
};

/** The best window that begins with root `first`; only the ends at which another model comes in need a look. */
const bestWindow = (
  roots: readonly SimTask[],
  first: number,
  waitBoundMs: number,
  modelCount: number,
  valueOf: (seen: number, next: number) => number,
): number => {
  const seen = new Set<string>();
  let best = 0;
  for (let last = first; last < roots.length && seen.size < modelCount; last += 1) {
    const root = roots[last];
    if (root === undefined || seen.has(root.model)) continue;
    seen.add(root.model);
    best = Math.max(best, valueOf(seen.size, firstAtOrAfter(roots, root.atMs + waitBoundMs)));
  }
  return best;
};

const firstAtOrAfter = (roots: readonly SimTask[], atMs: number): number => {
  let low = 0;
  let high = roots.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((roots[middle]?.atMs ?? Infinity) < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
};
