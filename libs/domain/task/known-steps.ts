import type { StepId, TaskId } from '../ids.js';
import type { OpenTask } from './task.js';

/** The steps that open tasks had when they were looked at last: items come, and are gone when they are over. */
export class KnownSteps {
  readonly #stepIds = new Map<TaskId, readonly StepId[]>();

  has(taskId: TaskId): boolean {
    return this.#stepIds.has(taskId);
  }

  of(taskId: TaskId): readonly StepId[] {
    return this.#stepIds.get(taskId) ?? NONE;
  }

  /** Takes over those that there are; gives those that are gone. */
  renew({ id, steps }: OpenTask): readonly StepId[] {
    const before = this.of(id);
    if (before.length === steps.length && before.every((stepId, place) => steps[place]?.spec.id === stepId))
      return NONE;
    const stepIds = steps.map(({ spec }) => spec.id);
    this.#stepIds.set(id, stepIds);
    const now = new Set(stepIds);
    return before.filter((stepId) => !now.has(stepId));
  }

  forget(taskId: TaskId): void {
    this.#stepIds.delete(taskId);
  }
}

const NONE: readonly StepId[] = [];
