import type { StepId, TaskId } from '../ids.js';
import { isPluginType } from '../plugin-type.js';
import type { StepSpec } from './step-spec.js';

/**
 * The executor, which hears of workers by itself, looks for one for so long before it says that there is none. It is the last part of
 * what a template allows.
 */
export const WORKER_LOOK_MS = 5_000;

/**
 * Which step types of others have a worker now, and which tasks ask for them. Workers come and go without a fact in the log: what has
 * none is held back like what is paused, and is neither late nor failed by it unless its template says so.
 */
export class StepWorkers {
  /** Null where nobody watches: then nothing is held back. */
  #alive: ReadonlySet<string> | null = null;
  readonly #tasks = new Map<string, Set<TaskId>>();
  readonly #types = new Map<TaskId, Set<string>>();
  readonly #missingSince = new Map<string, number>();

  /** An item of a step is gone when it is over. */
  forgetStep(taskId: TaskId, stepId: StepId): void {
    this.#missingSince.delete(`${taskId}/${stepId}`);
  }

  forget(taskId: TaskId, stepIds: readonly StepId[]): void {
    const types = this.#types.get(taskId);
    if (types === undefined) return;
    this.#types.delete(taskId);
    for (const stepId of stepIds) this.#missingSince.delete(`${taskId}/${stepId}`);
    for (const type of types) {
      const tasks = this.#tasks.get(type);
      tasks?.delete(taskId);
      if (tasks?.size === 0) this.#tasks.delete(type);
    }
  }

  /** These have a worker from now on, and no others. Answers with the open tasks for which that makes a difference, as far as they have asked. */
  change(alive: ReadonlySet<string>): readonly TaskId[] {
    const before = this.#alive;
    this.#alive = alive;
    const changed = [...this.#tasks].filter(
      ([type]) => before === null || before.has(type) !== alive.has(type),
    );
    return [...new Set(changed.flatMap(([, tasks]) => [...tasks]))];
  }

  has(stepType: string): boolean {
    return this.#alive === null || !isPluginType(stepType) || this.#alive.has(stepType);
  }

  /** Until when a step that could run now is held back for want of a worker; 0 where it is not. Its task is known here from now on. */
  heldUntilMs(taskId: TaskId, { id, stepType, workerWaitMs }: StepSpec, nowMs: number): number {
    if (!isPluginType(stepType)) return 0;
    this.#learn(taskId, stepType);
    const key = `${taskId}/${id}`;
    if (this.has(stepType)) {
      this.#missingSince.delete(key);
      return 0;
    }
    const sinceMs = this.#missingSince.get(key) ?? nowMs;
    this.#missingSince.set(key, sinceMs);
    return workerWaitMs === undefined ? Infinity : sinceMs + Math.max(0, workerWaitMs - WORKER_LOOK_MS);
  }

  #learn(taskId: TaskId, stepType: string): void {
    const types = this.#types.get(taskId) ?? new Set();
    const tasks = this.#tasks.get(stepType) ?? new Set();
    this.#types.set(taskId, types.add(stepType));
    this.#tasks.set(stepType, tasks.add(taskId));
  }
}
