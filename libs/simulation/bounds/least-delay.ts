import type { Hardware } from '../hardware.js';
import type { Trace } from '../trace.js';
import { capacityFor } from './capacity.js';
import { Heap } from './heap.js';
import { relax, type RelaxedTask, type UsableVram } from './relaxation.js';

export type LeastDelay = {
  /** Least sum of the times at which tasks end. */
  readonly completionsMs: number;
  /** That, less what is left when every task runs at once and alone: Σ (submitted + solo time). Waits for a start and slow running together. */
  readonly delayMs: number;
};

/**
 * All servers as one machine that may change between tasks at any time, without loads: there shortest remaining processing
 * time first gives the least sum of completion times, and whatever real servers do, that machine can do too. No task ends before
 * its path allows, so the sum of those ends is another bound; the larger one counts.
 */
export const leastDelay = (trace: Trace, hardware: Hardware, usableVramBytes: UsableVram): LeastDelay => {
  const { tasks } = relax(trace, hardware, usableVramBytes);
  const pathsMs = tasks.reduce((sum, { earliestEndMs }) => sum + earliestEndMs, 0);
  const aloneMs = tasks.reduce((sum, { task, soloMs }) => sum + task.atMs + soloMs, 0);
  const completionsMs = Math.max(pathsMs, shortestRemainingFirst(tasks));
  return { completionsMs, delayMs: completionsMs - aloneMs };
};

/** Sum of the completion times on one preemptive machine as fast as all servers together. */
const shortestRemainingFirst = (tasks: readonly RelaxedTask[]): number => {
  const { total } = capacityFor(tasks);
  const arrivals = tasks.toSorted((a, b) => a.earliestStartMs - b.earliestStartMs);
  const remaining = new Heap<{ leftMs: number }>((a, b) => a.leftMs < b.leftMs);
  let nowMs = 0;
  let sumMs = 0;
  const workUntil = (untilMs: number): void => {
    for (let current = remaining.peek(); current !== undefined; current = remaining.peek()) {
      if (nowMs + current.leftMs > untilMs) {
        // Its rank does not change: it was the least, and is less now.
        current.leftMs -= untilMs - nowMs;
        break;
      }
      nowMs += current.leftMs;
      sumMs += nowMs;
      remaining.pop();
    }
    nowMs = untilMs;
  };
  for (const { earliestStartMs, workMs } of arrivals) {
    workUntil(earliestStartMs);
    remaining.push({ leftMs: workMs / total });
  }
  workUntil(Infinity);
  return sumMs;
};
