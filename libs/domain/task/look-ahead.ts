import type { TaskId } from '../ids.js';
import type { Costs } from '../policy/costs.js';
import { msOf } from '../time.js';
import { unmetNeeds } from './needs.js';
import { needOf } from './requirement.js';
import type { TaskBook } from './task-book.js';
import { activeSteps, type OpenTask, type Step } from './task.js';
import { isOver } from './progress.js';
import { isUndecided, isUnexpanded } from './steps-over.js';
import { RELATED_MAX, type TaskLinks } from './task-links.js';

/** A step that waits for nothing but running attempts, and when those will have ended if they take what is usual. */
export type Coming = { readonly task: OpenTask; readonly step: Step; readonly readyAtMs: number };

/** What becomes ready soon: behind the attempts that run, of which there are as many as slots. */
export class LookAhead {
  /** Tasks with a running attempt. */
  readonly #active = new Set<TaskId>();

  private readonly book: TaskBook;
  private readonly links: TaskLinks;
  private readonly costs: Costs;

  constructor(book: TaskBook, links: TaskLinks, costs: Costs) {
    this.book = book;
    this.links = links;
    this.costs = costs;
  }

  get isAnythingRunning(): boolean {
    return this.#active.size > 0;
  }

  track(task: OpenTask): void {
    if (activeSteps(task).length > 0) this.#active.add(task.id);
    else this.#active.delete(task.id);
  }

  forget(taskId: TaskId): void {
    this.#active.delete(taskId);
  }

  /** For each model for which work is ready within the time that its load takes, by `profileKey`, the step that is ready first. */
  coming(nowMs: number): ReadonlyMap<string, Coming> {
    const first = new Map<string, Coming>();
    for (const id of this.#active) {
      const task = this.book.open.get(id);
      if (task === undefined || task.ending !== null) continue;
      // Most of what runs is all there is of its task, and nobody waits for it.
      if (!task.steps.some(isPending) && !this.links.hasDependents(id)) continue;
      for (const coming of this.#behind(task, nowMs)) {
        const need = needOf(coming.step.spec.requirement);
        if (need.kind !== 'model' || coming.readyAtMs - nowMs > this.costs.swapMs(need)) continue;
        if (coming.readyAtMs < (first.get(need.key)?.readyAtMs ?? Infinity)) first.set(need.key, coming);
      }
    }
    return first;
  }

  /** Steps of the task itself; or when it is over with those that run, the first ones of tasks that wait for it alone. */
  *#behind(task: OpenTask, nowMs: number): Generator<Coming> {
    const pending = task.steps.filter(isPending);
    const endsAtMs = this.#endsOf(task, nowMs);
    for (const step of pending) {
      // It may never run, and a load for nothing would take somebody's place.
      if (isUndecided(step) || isUnexpanded(step)) continue;
      const readyAtMs = readyAt(task, step.spec.needs, endsAtMs);
      if (readyAtMs !== null) yield { task, step, readyAtMs };
    }
    if (pending.length > 0) return;
    const readyAtMs = Math.max(nowMs, ...endsAtMs.values());
    let looked = 0;
    for (const id of this.links.dependentsOf(task.id)) {
      looked += 1;
      if (looked > RELATED_MAX) return;
      const waiting = this.book.open.get(id);
      if (waiting === undefined || !this.#waitsOnlyFor(waiting, task.id)) continue;
      for (const step of waiting.steps)
        if (isPending(step) && isFirst(step) && !isUndecided(step) && !isUnexpanded(step))
          yield { task: waiting, step, readyAtMs };
    }
  }

  /** An attempt that has taken longer than is usual may end at any moment. */
  #endsOf(task: OpenTask, nowMs: number): ReadonlyMap<string, number> {
    return new Map(
      activeSteps(task).map(({ spec, at }) => [
        spec.id,
        Math.max(nowMs, msOf(at) + this.costs.meanMs(needOf(spec.requirement))),
      ]),
    );
  }

  #waitsOnlyFor(task: OpenTask, taskId: TaskId): boolean {
    const unmet = unmetNeeds(task, this.book.closed);
    // The parent of a task waits for it with a step, and not with all that it is.
    return task.ending === null && unmet.length > 0 && unmet.every((one) => one.taskId === taskId);
  }
}

const isFirst = ({ spec }: Step): boolean => spec.needs.length === 0 && !spec.atEnd;

const isPending = ({ progress }: Step): boolean => progress.status === 'pending';

/** When the last of these steps has ended; null where they are over, or one of them does not run yet. */
const readyAt = (
  task: OpenTask,
  needs: readonly string[],
  endsAtMs: ReadonlyMap<string, number>,
): number | null => {
  let lastMs: number | null = null;
  for (const { spec, progress } of task.steps) {
    if (!needs.includes(spec.id) || isOver(progress)) continue;
    const endsMs = endsAtMs.get(spec.id);
    if (endsMs === undefined) return null;
    lastMs = Math.max(lastMs ?? 0, endsMs);
  }
  return lastMs;
};
