import type { TaskId } from '../ids.js';
import { awaitedTasks } from './needs.js';
import type { OpenTask } from './task.js';

/**
 * A task that others wait for is as urgent as the most urgent of them, however far down they wait: it would hold them up otherwise. What it
 * has inherited it keeps until it is over, also when whoever it came from is no longer there.
 */
export class InheritedPriorities {
  readonly #inherited = new Map<TaskId, number>();

  of({ id, priority }: OpenTask): number {
    return Math.max(priority, this.#inherited.get(id) ?? 0);
  }

  /** Hands the priority of a task on to all that it waits for. Gives those that are more urgent now. */
  handOn(task: OpenTask, open: ReadonlyMap<TaskId, OpenTask>): readonly TaskId[] {
    const raised: TaskId[] = [];
    const givers = [task];
    for (let giver = givers.pop(); giver !== undefined; giver = givers.pop()) {
      const priority = this.of(giver);
      for (const id of awaitedTasks(giver)) {
        const awaited = open.get(id);
        if (awaited === undefined || this.of(awaited) >= priority) continue;
        this.#inherited.set(id, priority);
        raised.push(id);
        givers.push(awaited);
      }
    }
    return raised;
  }

  forget(taskId: TaskId): void {
    this.#inherited.delete(taskId);
  }
}
