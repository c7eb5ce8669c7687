import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import { requirementKey, type Requirement } from '../task/requirement.js';
import { Lanes } from './lanes.js';
import { compareSteps, type Compare, type Ranking } from './ordering.js';
import type { ReadyStep } from './ready-step.js';

/** Steps that compete for the same slots, best first. */
export type ReadyGroup = {
  readonly key: string;
  readonly requirement: Requirement;
  readonly size: number;
  /** The mean moment since which they wait. */
  readonly sinceMs: number;
  readonly first: ReadyStep;
  readonly steps: Iterable<ReadyStep>;
};

/** The ready steps, grouped by what they need and kept in order within a group. */
export class ReadyQueue {
  readonly #groups = new Map<string, Group>();
  readonly #byStep = new Map<string, { readonly step: ReadyStep; readonly key: string }>();
  readonly #perWorkspace = new Map<WorkspaceId, number>();

  get size(): number {
    return this.#byStep.size;
  }

  find(taskId: TaskId, stepId: StepId): ReadyStep | undefined {
    return this.#byStep.get(id(taskId, stepId))?.step;
  }

  /** Adds a step, or replaces it where its place or its attempt changed. */
  put(step: ReadyStep): void {
    const known = this.#byStep.get(id(step.taskId, step.stepId));
    if (
      known?.step.priority === step.priority &&
      known.step.attempt === step.attempt &&
      known.step.urgentByMs === step.urgentByMs &&
      known.step.place === step.place &&
      known.step.line === step.line
    )
      return;
    if (known) this.remove(step.taskId, step.stepId);
    const key = requirementKey(step.requirement);
    let group = this.#groups.get(key);
    if (group === undefined) {
      group = new Group(key, step.requirement);
      this.#groups.set(key, group);
    }
    group.insert(step);
    this.#byStep.set(id(step.taskId, step.stepId), { step, key });
    this.#perWorkspace.set(step.workspace, (this.#perWorkspace.get(step.workspace) ?? 0) + 1);
  }

  remove(taskId: TaskId, stepId: StepId): void {
    const known = this.#byStep.get(id(taskId, stepId));
    if (known === undefined) return;
    this.#byStep.delete(id(taskId, stepId));
    const group = this.#groups.get(known.key);
    group?.remove(known.step);
    if (group?.size === 0) this.#groups.delete(known.key);
    const { workspace } = known.step;
    const left = (this.#perWorkspace.get(workspace) ?? 0) - 1;
    if (left > 0) this.#perWorkspace.set(workspace, left);
    else this.#perWorkspace.delete(workspace);
  }

  /** Those that have something ready. */
  workspaces(): Iterable<WorkspaceId> {
    return this.#perWorkspace.keys();
  }

  /** About how many steps of the same group go before one: O(log n) for each workspace and priority. */
  aheadOfSame(step: ReadyStep, ranking: Ranking): number {
    return this.#groups.get(requirementKey(step.requirement))?.ahead(step, compareSteps(ranking)) ?? 0;
  }

  groups(ranking: Ranking): readonly ReadyGroup[] {
    const compare = compareSteps(ranking);
    const groups: ReadyGroup[] = [];
    for (const group of this.#groups.values()) {
      const first = group.first(ranking, compare);
      if (first === null) continue;
      const steps = { [Symbol.iterator]: () => group.inOrder(ranking, compare) };
      const { key, requirement, size, sinceMs } = group;
      groups.push({ key, requirement, size, sinceMs, first, steps });
    }
    return groups;
  }
}

const id = (taskId: TaskId, stepId: StepId): string => `${taskId}/${stepId}`;

class Group {
  readonly key: string;
  readonly requirement: Requirement;
  readonly #ofWorkspace = new Map<WorkspaceId, Lanes>();
  #size = 0;
  /** Moments are counted from that of the first one, because the sum of a hundred thousand of them would not be exact. */
  #baseMs: number | null = null;
  #sinceSumMs = 0;

  constructor(key: string, requirement: Requirement) {
    this.key = key;
    this.requirement = requirement;
  }

  get size(): number {
    return this.#size;
  }

  get sinceMs(): number {
    return (this.#baseMs ?? 0) + this.#sinceSumMs / Math.max(1, this.#size);
  }

  insert(step: ReadyStep): void {
    this.#size += 1;
    this.#baseMs ??= step.submittedAtMs;
    this.#sinceSumMs += step.submittedAtMs - this.#baseMs;
    let lanes = this.#ofWorkspace.get(step.workspace);
    if (lanes === undefined) {
      lanes = new Lanes();
      this.#ofWorkspace.set(step.workspace, lanes);
    }
    lanes.insert(step);
  }

  remove(step: ReadyStep): void {
    const lanes = this.#ofWorkspace.get(step.workspace);
    if (lanes === undefined) return;
    this.#size -= 1;
    this.#sinceSumMs -= step.submittedAtMs - (this.#baseMs ?? 0);
    lanes.remove(step);
    if (lanes.isEmpty) this.#ofWorkspace.delete(step.workspace);
  }

  /** Asked of every group at every decision, so without merging the lanes. */
  first(ranking: Ranking, compare: Compare): ReadyStep | null {
    let best: ReadyStep | null = null;
    for (const lanes of this.#ofWorkspace.values()) {
      const head = lanes.first(ranking, compare);
      if (head !== null && (best === null || compare(head, best) < 0)) best = head;
    }
    return best;
  }

  ahead(step: ReadyStep, compare: Compare): number {
    let ahead = 0;
    for (const lanes of this.#ofWorkspace.values()) ahead += lanes.ahead(step, compare);
    return ahead;
  }

  *inOrder(ranking: Ranking, compare: Compare): Generator<ReadyStep> {
    const open: { head: ReadyStep; readonly rest: Iterator<ReadyStep> }[] = [];
    for (const lanes of this.#ofWorkspace.values()) {
      for (const lane of lanes.all()) {
        const rest = lane.inOrder(ranking, compare);
        const first = rest.next();
        if (!first.done) open.push({ head: first.value, rest });
      }
    }
    while (open.length > 0) {
      const best = open.reduce((a, b) => (compare(b.head, a.head) < 0 ? b : a));
      yield best.head;
      const next = best.rest.next();
      if (next.done) open.splice(open.indexOf(best), 1);
      else best.head = next.value;
    }
  }
}
