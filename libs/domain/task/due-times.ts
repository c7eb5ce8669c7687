import type { TaskId } from '../ids.js';
import type { Costs } from '../policy/costs.js';
import { msOf } from '../time.js';
import { needOf } from './requirement.js';
import type { OpenTask } from './task.js';
import { RELATED_MAX, type TaskLinks } from './task-links.js';

/** What is left of a task: its work one step after the other, and the longest swap that it may wait for. */
export const workLeft = (
  { steps }: OpenTask,
  costs: Costs,
): { readonly leftMs: number; readonly swapMs: number } => {
  let [leftMs, swapMs] = [0, 0];
  // Steps side by side are done sooner than this says.
  for (const { spec, progress } of steps) {
    if ((progress.status !== 'pending' && progress.status !== 'each') || spec.waits !== undefined) continue;
    const need = needOf(spec.requirement);
    leftMs += costs.meanMs(need) * (progress.status === 'each' ? progress.total - progress.opened : 1);
    swapMs = Math.max(swapMs, costs.swapMs(need));
  }
  return { leftMs, swapMs };
};

/**
 * By when a task has to be done, milliseconds since 1970: its own deadline, and for each task that waits for it, however far down, the
 * deadline of that one less the work between.
 */
export const dueTimesOf = (
  task: OpenTask,
  { open, links }: { readonly open: ReadonlyMap<TaskId, OpenTask>; readonly links: TaskLinks },
  costs: Costs,
): readonly number[] => {
  if (!links.haveDeadlines) return [];
  const dueMs: number[] = [];
  const found = [{ task, afterMs: 0 }];
  for (let place = 0; place < found.length; place += 1) {
    const one = found[place];
    if (one === undefined) break;
    if (one.task.deadlineAt !== null) dueMs.push(msOf(one.task.deadlineAt) - one.afterMs);
    for (const id of links.dependentsOf(one.task.id)) {
      if (found.length >= RELATED_MAX) break;
      const waiting = open.get(id);
      if (waiting === undefined) continue;
      const { leftMs, swapMs } = workLeft(waiting, costs);
      found.push({ task: waiting, afterMs: one.afterMs + leftMs + swapMs });
    }
  }
  return dueMs;
};
