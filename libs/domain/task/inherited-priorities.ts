import type { TaskId } from '../ids.js';
import { awaitedTasks } from './needs.js';
import type { OpenTask } from './task.js';

type OpenTasks = ReadonlyMap<TaskId, OpenTask>;

/** What a task hands on, and to whom. */
type Given = { readonly priority: number; readonly to: readonly TaskId[] };

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
      const given = this.#given.get(giver.id);
      const priority = this.of(giver);
      if (given?.priority === priority) continue;
      const to = given?.to ?? awaitedTasks(giver);
      this.#given.set(giver.id, { priority, to });
      for (const awaited of this.#replace(to, given?.priority, priority, open)) {
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
    const changed = this.#replace(given.to, given.priority, undefined, open);
    return changed.flatMap((awaited) => [awaited.id, ...this.handOn(awaited, open)]);
  }

  #replace(
    to: readonly TaskId[],
    before: number | undefined,
    after: number | undefined,
    open: OpenTasks,
  ): readonly OpenTask[] {
    const changed: OpenTask[] = [];
    for (const id of to) {
      const awaited = open.get(id);
      const was = awaited && this.of(awaited);
      if (after !== undefined) this.#count(id, after, 1);
      if (before !== undefined) this.#count(id, before, -1);
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
