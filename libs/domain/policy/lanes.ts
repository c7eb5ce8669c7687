import { byAge, byDeadline, byPlace, type Compare, type Ranking } from './ordering.js';
import type { ReadyStep } from './ready-step.js';

/**
 * The steps of one workspace that need the same: a lane per priority, by age, one per priority of those that a person has moved, and one
 * of those with a deadline near. Steps of one lane are in the same order at every moment at which none of them must run.
 */
export class Lanes {
  readonly #lanes = new Map<string, Lane>();
  /** The first of all while nothing must run, until something changes: only time and other workspaces would change that order. */
  #first: { readonly agingMs: number; readonly step: ReadyStep | null } | null = null;

  get isEmpty(): boolean {
    return this.#lanes.size === 0;
  }

  insert(step: ReadyStep): void {
    this.#first = null;
    const name = nameOf(step);
    let lane = this.#lanes.get(name);
    if (lane === undefined) {
      lane = new Lane(compareIn(step));
      this.#lanes.set(name, lane);
    }
    lane.insert(step);
  }

  remove(step: ReadyStep): void {
    this.#first = null;
    const name = nameOf(step);
    const lane = this.#lanes.get(name);
    lane?.remove(step);
    if (lane?.size === 0) this.#lanes.delete(name);
  }

  all(): Iterable<Lane> {
    return this.#lanes.values();
  }

  /** About how many of them go before a step: removed ones count by their share. */
  ahead(step: ReadyStep, compare: Compare): number {
    let ahead = 0;
    for (const lane of this.#lanes.values()) ahead += lane.ahead(step, compare);
    return ahead;
  }

  first(ranking: Ranking, compare: Compare): ReadyStep | null {
    const { someMustRun, agingMs } = ranking;
    if (!someMustRun && this.#first?.agingMs === agingMs) return this.#first.step;
    let best: ReadyStep | null = null;
    for (const lane of this.#lanes.values()) {
      const head = lane.first(ranking, compare);
      if (head !== null && (best === null || compare(head, best) < 0)) best = head;
    }
    this.#first = someMustRun ? null : { agingMs, step: best };
    return best;
  }
}

const isMoved = ({ place, line }: ReadyStep): boolean => place !== null || line !== null;

const nameOf = (step: ReadyStep): string => {
  if (step.urgentByMs !== null) return 'urgent';
  return isMoved(step) ? `moved ${step.place?.priority ?? step.priority}` : String(step.priority);
};

const inUrgentLane: Compare = (a, b) => byDeadline(a, b) || byAge(a, b);
/** Of places of one priority, so whatever a level of it is worth. */
const inMovedLane: Compare = (a, b) => byPlace(a, b, 0);

const compareIn = (step: ReadyStep): Compare => {
  if (step.urgentByMs !== null) return inUrgentLane;
  return isMoved(step) ? inMovedLane : byAge;
};

/** Dead entries beyond this share of a lane are swept; amortised O(1) per removal. */
const SWEEP_SHARE = 0.5;
const SWEEP_MIN = 64;

/**
 * Steps arrive nearly in order, so a lane is a sorted array to which almost every insertion is an append, and removals at the front
 * advance a head index; both are O(1). Elsewhere an insertion is a binary search and a removal leaves a mark that is skipped.
 */
class Lane {
  #steps: (ReadyStep | null)[] = [];
  #head = 0;
  #dead = 0;

  readonly #compare: Compare;

  constructor(compare: Compare) {
    this.#compare = compare;
  }

  get size(): number {
    return this.#steps.length - this.#head - this.#dead;
  }

  insert(step: ReadyStep): void {
    const last = this.#steps.at(-1);
    if (this.#steps.length === this.#head || (last && this.#compare(last, step) < 0)) {
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

  /** A binary search in which a removed step stands for the next one that is there. */
  ahead(step: ReadyStep, compare: Compare): number {
    const steps = this.#steps;
    let [low, high] = [this.#head, steps.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      let at = middle;
      while (at < high && steps[at] === null) at += 1;
      const other = steps[at];
      if (at < high && other && compare(other, step) < 0) low = at + 1;
      else high = middle;
    }
    const all = steps.length - this.#head;
    return all === 0 ? 0 : Math.round(((low - this.#head) * this.size) / all);
  }

  /** In no time but where something must run and this lane is not by age. */
  first(ranking: Ranking, compare: Compare): ReadyStep | null {
    const head = this.#steps[this.#head] ?? null;
    if (head === null || this.#isInOrder(ranking)) return head;
    let best = head;
    for (const step of this.#inLane()) if (compare(step, best) < 0) best = step;
    return best;
  }

  /** What must run goes by age; so a lane that is not by age is not in order where one of its steps must. */
  inOrder(ranking: Ranking, compare: Compare): Iterator<ReadyStep> {
    if (this.#isInOrder(ranking) || !some(this.#inLane(), ranking.mustRun)) return this.#inLane();
    return [...this.#inLane()].toSorted(compare).values();
  }

  #isInOrder({ someMustRun }: Ranking): boolean {
    return !someMustRun || this.#compare === byAge;
  }

  *#inLane(): Generator<ReadyStep> {
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
      if (other && this.#compare(other, step) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const some = (steps: Iterable<ReadyStep>, is: (step: ReadyStep) => boolean): boolean => {
  for (const step of steps) if (is(step)) return true;
  return false;
};
