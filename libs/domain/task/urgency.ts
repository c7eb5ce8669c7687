import type { Costs } from '../policy/costs.js';
import type { PolicySettings } from '../policy/settings.js';
import { msOf } from '../time.js';
import { needOf } from './requirement.js';
import type { OpenTask } from './task.js';

export type Urgency = {
  /** The deadline while the task has to go first for it; null before that, and when it can no more be kept. */
  readonly urgentByMs: number | null;
  /** When this changes; Infinity: never. */
  readonly againAtMs: number;
};

/**
 * A deadline makes urgent from the moment at which the task has to start to keep it, less a lead. A task that cannot keep it any more
 * goes back into line: what is late already must not make others late as well.
 */
export const urgencyOf = (task: OpenTask, nowMs: number, costs: Costs, policy: PolicySettings): Urgency => {
  if (task.deadlineAt === null) return { urgentByMs: null, againAtMs: Infinity };
  const deadlineMs = msOf(task.deadlineAt);
  let [leftMs, swapMs] = [0, 0];
  // One after the other: steps side by side are done sooner than this says.
  for (const { spec, progress } of task.steps) {
    if (progress.status !== 'pending') continue;
    leftMs += costs.meanMs(needOf(spec.requirement));
    swapMs = Math.max(swapMs, costs.swapMs(needOf(spec.requirement)));
  }
  const latestMs = deadlineMs - leftMs;
  if (nowMs > latestMs) return { urgentByMs: null, againAtMs: Infinity };
  const fromMs = latestMs - leftMs - swapMs - policy.deadlineLeadMs;
  return nowMs < fromMs
    ? { urgentByMs: null, againAtMs: fromMs }
    : { urgentByMs: deadlineMs, againAtMs: latestMs + 1 };
};
