import type { TaskId } from '../ids.js';
import { awaitedTasks } from './needs.js';
import type { OpenTask } from './task.js';

/** Tasks that are looked at behind one, and before one: few workflows have so many in one line. */
export const RELATED_MAX = 256;

type Links = {
  readonly awaits: readonly TaskId[];
  readonly parent: TaskId | null;
  readonly hasDeadline: boolean;
};

/** Which of the open tasks wait for which. */
export class TaskLinks {
  readonly #links = new Map<TaskId, Links>();
  readonly #dependents = new Map<TaskId, Set<TaskId>>();
  /** Open children by their parents. */
  readonly #children = new Map<TaskId, Set<TaskId>>();
  #withDeadline = 0;

  /** Whether any open task has a deadline: as long as none has, nobody has to look for those of others. */
  get haveDeadlines(): boolean {
    return this.#withDeadline > 0;
  }

  learn(task: OpenTask, closed: ReadonlyMap<TaskId, unknown>): void {
    const awaits = awaitedTasks(task).filter((id) => !closed.has(id));
    const hasDeadline = task.deadlineAt !== null;
    const parent = task.parent?.taskId ?? null;
    // Its parent waits for it from its submission on.
    if (parent !== null) this.#wait(task.id, parent);
    if (parent !== null) this.#children.set(parent, (this.#children.get(parent) ?? new Set()).add(task.id));
    this.#links.set(task.id, { awaits, parent, hasDeadline });
    if (hasDeadline) this.#withDeadline += 1;
    for (const dependency of awaits) this.#wait(dependency, task.id);
  }

  #wait(dependency: TaskId, taskId: TaskId): void {
    const waiting = this.#dependents.get(dependency);
    if (waiting) waiting.add(taskId);
    else this.#dependents.set(dependency, new Set([taskId]));
  }

  forget(taskId: TaskId): void {
    const { parent = null, hasDeadline = false } = this.#links.get(taskId) ?? {};
    if (hasDeadline) this.#withDeadline -= 1;
    this.#links.delete(taskId);
    const siblings = parent === null ? undefined : this.#children.get(parent);
    siblings?.delete(taskId);
    if (parent !== null && siblings?.size === 0) this.#children.delete(parent);
  }

  hasDependents(taskId: TaskId): boolean {
    return this.#dependents.has(taskId);
  }

  dependentsOf(taskId: TaskId): Iterable<TaskId> {
    return this.#dependents.get(taskId) ?? [];
  }

  /** Children, where it matters by when they have to be done. */
  urgentWith(taskId: TaskId): Iterable<TaskId> {
    return this.haveDeadlines ? (this.#children.get(taskId) ?? []) : [];
  }

  /** Gives them once. */
  takeDependents(taskId: TaskId): readonly TaskId[] {
    const waiting = [...(this.#dependents.get(taskId) ?? [])];
    this.#dependents.delete(taskId);
    return waiting;
  }

  /** What a task waits for, however far up; those nearest to it where there are more than are looked at. */
  awaitedBy(taskId: TaskId): Iterable<TaskId> {
    const found = new Set<TaskId>([taskId]);
    for (const id of found) {
      for (const further of [...(this.#links.get(id)?.awaits ?? []), ...this.urgentWith(id)])
        if (found.size <= RELATED_MAX) found.add(further);
    }
    found.delete(taskId);
    return found;
  }
}
