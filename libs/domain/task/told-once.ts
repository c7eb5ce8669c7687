import type { TaskId } from '../ids.js';

/** Tasks to decide about. They are told once, and again when they are added again. */
export class ToldOnce {
  readonly #tasks = new Set<TaskId>();

  add(taskId: TaskId): void {
    this.#tasks.add(taskId);
  }

  delete(taskId: TaskId): void {
    this.#tasks.delete(taskId);
  }

  take(): readonly TaskId[] {
    if (this.#tasks.size === 0) return NOBODY;
    const taskIds = [...this.#tasks];
    this.#tasks.clear();
    return taskIds;
  }
}

const NOBODY: readonly TaskId[] = [];
