import type { Costs } from '../policy/costs.js';
import type { PolicySettings } from '../policy/settings.js';
import { workLeft } from './due-times.js';
import type { OpenTask } from './task.js';

export type Urgency = {
  /** By when the task has to be done, while it has to go first for that; null before that, and when it can no more be kept. */
  readonly urgentByMs: number | null;
  /** When this changes; Infinity: never. */
  readonly againAtMs: number;
};

const NEVER: Urgency = { urgentByMs: null, againAtMs: Infinity };

/**
 * A deadline makes urgent from the moment at which the task has to start to keep it, less a lead. One that cannot be kept any more
 * counts no longer: what is late already must not make others late as well. `dueMs` are those that `dueTimesOf` gives.
 */
export const urgencyOf = (
  task: OpenTask,
  dueMs: readonly number[],
  at: { readonly nowMs: number; readonly costs: Costs; readonly policy: PolicySettings },
): Urgency => {
  if (dueMs.length === 0) return NEVER;
  const { leftMs, swapMs } = workLeft(task, at.costs);
  let urgentByMs = Infinity;
  for (const ms of dueMs) if (at.nowMs <= ms - leftMs) urgentByMs = Math.min(urgentByMs, ms);
  if (urgentByMs === Infinity) return NEVER;
  const latestMs = urgentByMs - leftMs;
  const fromMs = latestMs - leftMs - swapMs - at.policy.deadlineLeadMs;
  return at.nowMs < fromMs
    ? { urgentByMs: null, againAtMs: fromMs }
    : { urgentByMs, againAtMs: latestMs + 1 };
};
