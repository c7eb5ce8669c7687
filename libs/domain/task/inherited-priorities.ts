import type { TaskId } from '../ids.js';
import { openChildren } from './child-state.js';
import { awaitedTasks } from './needs.js';
import type { OpenTask } from './task.js';

type OpenTasks = ReadonlyMap<TaskId, OpenTask>;

/** What a task hands on, and to whom. */
type Given = { readonly priority: number; readonly to: readonly TaskId[] };
const NOTHING: Given = { priority: 0, to: [] };

/**
 * A task that others wait for is as urgent as the most urgent of them, however far down they wait: it would hold them up otherwise.
 * It follows from the open tasks alone: whatever raised a priority and is over, or wants less, raises it no longer.
 */
export class InheritedPriorities {
  readonly #given = new Map<TaskId, Given>();
  /** How many hand each priority on to a task: what falls away is known without looking at all of those that wait. */
  readonly #received = new Map<TaskId, Map<number, number>>();

  of({ id, priority }: OpenTask): number {
    const received = this.#received.get(id);
    return received === undefined ? priority : Math.max(priority, ...received.keys());
  }

  /** Hands the priority of a task on to all that it waits for. Gives those that are more or less urgent now. */
  handOn(task: OpenTask, open: OpenTasks): readonly TaskId[] {
    const changed: TaskId[] = [];
    const givers = [task];
    for (let giver = givers.pop(); giver !== undefined; giver = givers.pop()) {
      const given = this.#given.get(giver.id) ?? NOTHING;
      const now = { priority: this.of(giver), to: awaitedNow(giver) };
      if (given.priority === now.priority && isSame(given.to, now.to)) continue;
      this.#given.set(giver.id, now);
      for (const awaited of this.#replace(given, now, open)) {
        changed.push(awaited.id);
        givers.push(awaited);
      }
    }
    return changed;
  }

  /** Takes back what a task that is over has handed on. Gives those that are less urgent now. */
  forget(taskId: TaskId, open: OpenTasks): readonly TaskId[] {
    const given = this.#given.get(taskId);
    if (given === undefined) return [];
    this.#given.delete(taskId);
    const changed = this.#replace(given, NOTHING, open);
    return changed.flatMap((awaited) => [awaited.id, ...this.handOn(awaited, open)]);
  }

  #replace(before: Given, after: Given, open: OpenTasks): readonly OpenTask[] {
    const changed: OpenTask[] = [];
    for (const id of new Set([...after.to, ...before.to])) {
      const awaited = open.get(id);
      const was = awaited && this.of(awaited);
      for (const one of after.to) if (one === id) this.#count(id, after.priority, 1);
      for (const one of before.to) if (one === id) this.#count(id, before.priority, -1);
      if (awaited && this.of(awaited) !== was) changed.push(awaited);
    }
    return changed;
  }

  #count(id: TaskId, priority: number, by: 1 | -1): void {
    const received = this.#received.get(id) ?? new Map<number, number>();
    const count = (received.get(priority) ?? 0) + by;
    if (count > 0) received.set(priority, count);
    else received.delete(priority);
    if (received.size > 0) this.#received.set(id, received);
    else this.#received.delete(id);
  }
}

/** What it was submitted behind, and the children that its steps wait for now. */
const awaitedNow = (task: OpenTask): readonly TaskId[] => {
  const children = openChildren(task);
  const awaited = awaitedTasks(task);
  return children.length === 0 ? awaited : [...awaited, ...children];
};

const isSame = (before: readonly TaskId[], now: readonly TaskId[]): boolean =>
  before.length === now.length && before.every((id, place) => id === now[place]);
