import type { StepId, TaskId } from '../ids.js';
import { requirementKey, type Requirement } from '../task/requirement.js';
import { before } from './ordering.js';
import type { ReadyStep } from './ready-step.js';

/** Steps that compete for the same slots, best first. */
export type ReadyGroup = {
  readonly key: string;
  readonly requirement: Requirement;
  readonly size: number;
  readonly steps: Iterable<ReadyStep>;
};

/**
 * The ready steps, grouped by what they need and kept in order within a group.
 *
 * Steps arrive nearly in order (newer tasks have higher sequences), so a group is a sorted array to which almost every
 * insertion is an append, and removals at the front advance a head index; both are O(1). Elsewhere (a changed priority,
 * a retry, a cancel) an insertion is a binary search and a removal leaves a mark that is skipped.
 */
export class ReadyQueue {
  readonly #groups = new Map<string, Group>();
  readonly #byStep = new Map<string, { readonly step: ReadyStep; readonly key: string }>();

  get size(): number {
    return this.#byStep.size;
  }

  find(taskId: TaskId, stepId: StepId): ReadyStep | undefined {
    return this.#byStep.get(id(taskId, stepId))?.step;
  }

  /** Adds a step, or replaces it where its place or its attempt changed. */
  put(step: ReadyStep): void {
    const known = this.#byStep.get(id(step.taskId, step.stepId));
    if (known && known.step.priority === step.priority && known.step.attempt === step.attempt) return;
    if (known) this.remove(step.taskId, step.stepId);
    const key = requirementKey(step.requirement);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(key, step.requirement);
      this.#groups.set(key, group);
    }
    group.insert(step);
    this.#byStep.set(id(step.taskId, step.stepId), { step, key });
  }

  remove(taskId: TaskId, stepId: StepId): void {
    const known = this.#byStep.get(id(taskId, stepId));
    if (known === undefined) return;
    this.#byStep.delete(id(taskId, stepId));
    const group = this.#groups.get(known.key);
    group?.remove(known.step);
    if (group?.size === 0) this.#groups.delete(known.key);
  }

  groups(): readonly ReadyGroup[] {
    return [...this.#groups.values()];
  }
}

const id = (taskId: TaskId, stepId: StepId): string => `${taskId}/${stepId}`;

/** Priorities 1 to 10, as the API has them. */
const PRIORITY_MAX = 10;

class Group implements ReadyGroup {
  readonly key: string;
  readonly requirement: Requirement;
  readonly #lanes: (Lane | undefined)[] = [];
  #size = 0;

  constructor(key: string, requirement: Requirement) {
    this.key = key;
    this.requirement = requirement;
  }

  get size(): number {
    return this.#size;
  }

  insert(step: ReadyStep): void {
    this.#size += 1;
    (this.#lanes[step.priority] ??= new Lane()).insert(step);
  }

  remove(step: ReadyStep): void {
    this.#size -= 1;
    this.#lanes[step.priority]?.remove(step);
  }

  get steps(): Iterable<ReadyStep> {
    return this.#inOrder();
  }

  *#inOrder(): Generator<ReadyStep> {
    for (let priority = PRIORITY_MAX; priority >= 0; priority -= 1) {
      const lane = this.#lanes[priority];
      if (lane) yield* lane;
    }
  }
}

/** Dead entries beyond this share of a lane are swept; amortised O(1) per removal. */
const SWEEP_SHARE = 0.5;
const SWEEP_MIN = 64;

class Lane {
  #steps: (ReadyStep | null)[] = [];
  #head = 0;
  #dead = 0;

  insert(step: ReadyStep): void {
    const last = this.#steps.at(-1);
    if (this.#steps.length === this.#head || (last && before(last, step))) {
      this.#steps.push(step);
      return;
    }
    this.#sweep();
    this.#steps.splice(this.#indexOf(step), 0, step);
  }

  remove(step: ReadyStep): void {
    if (this.#steps[this.#head] === step) {
      this.#head += 1;
      while (this.#head < this.#steps.length && this.#steps[this.#head] === null) {
        this.#head += 1;
        this.#dead -= 1;
      }
      if (this.#head > SWEEP_MIN && this.#head > this.#steps.length * SWEEP_SHARE) this.#sweep();
      return;
    }
    const index = this.#steps.indexOf(step, this.#head);
    if (index < 0) return;
    this.#steps[index] = null;
    this.#dead += 1;
    if (this.#dead > SWEEP_MIN && this.#dead > this.#steps.length * SWEEP_SHARE) this.#sweep();
  }

  *[Symbol.iterator](): Generator<ReadyStep> {
    for (let index = this.#head; index < this.#steps.length; index += 1) {
      const step = this.#steps[index];
      if (step) yield step;
    }
  }

  #sweep(): void {
    this.#steps = this.#steps.slice(this.#head).filter((step) => step !== null);
    this.#head = 0;
    this.#dead = 0;
  }

  /** First place whose step does not come before this one; the lane has just been swept. */
  #indexOf(step: ReadyStep): number {
    let low = 0;
    let high = this.#steps.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const other = this.#steps[middle];
      if (other && before(other, step)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
