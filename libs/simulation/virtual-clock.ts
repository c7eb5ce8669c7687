/**
 * Simulated time as a queue of events: `run` takes the earliest one, moves the time to it and runs it, until none is
 * left. Events of one moment run in the order in which they were set, so a simulation can be repeated.
 */
export class VirtualClock {
  /** Milliseconds from the start. */
  nowMs = 0;
  readonly #heap: Entry[] = [];
  #set = 0;
  #ran = 0;

  /** `eventsMax`: what turns a simulation that never ends into an error. */
  constructor(private readonly eventsMax = EVENTS_MAX) {}

  /** How many events ran so far. */
  get events(): number {
    return this.#ran;
  }

  /** Runs `run` at `atMs`; a moment that has passed counts as now. The returned function takes it back. Throws for what is no moment. */
  at(atMs: number, run: () => void): () => void {
    if (!Number.isFinite(atMs)) {
      throw new RangeError(
        `at ${atMs} ms, set at ${this.nowMs} ms — expected a finite number of milliseconds`,
      );
    }
    const entry: Entry = { atMs: Math.max(atMs, this.nowMs), order: this.#set, run };
    this.#set += 1;
    this.#heap.push(entry);
    this.#rise(this.#heap.length - 1);
    return () => {
      entry.run = null;
    };
  }

  after(delayMs: number, run: () => void): () => void {
    return this.at(this.nowMs + delayMs, run);
  }

  /** Until nothing is left to happen up to this moment. Throws after `eventsMax` events. */
  run(untilMs = Infinity): void {
    while ((this.#heap[0]?.atMs ?? Infinity) <= untilMs) {
      const entry = this.#take();
      if (entry === undefined) return;
      const { run } = entry;
      if (run === null) continue;
      if (this.#ran >= this.eventsMax) {
        throw new RangeError(
          `${this.#ran} events at ${this.nowMs} simulated ms and still more — expected an end within ${this.eventsMax} events`,
        );
      }
      this.#ran += 1;
      this.nowMs = entry.atMs;
      run();
    }
  }

  #take(): Entry | undefined {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (first !== undefined && last !== undefined && first !== last) {
      this.#heap[0] = last;
      this.#sink();
    }
    return first;
  }

  #rise(from: number): void {
    const heap = this.#heap;
    const entry = heap[from];
    let index = from;
    while (entry !== undefined && index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = heap[parentIndex];
      if (parent === undefined || !earlier(entry, parent)) break;
      heap[index] = parent;
      heap[parentIndex] = entry;
      index = parentIndex;
    }
  }

  #sink(): void {
    const heap = this.#heap;
    const entry = heap[0];
    let index = 0;
    while (entry !== undefined) {
      const left = heap[2 * index + 1];
      const right = heap[2 * index + 2];
      if (left === undefined) break;
      const onRight = right !== undefined && earlier(right, left);
      const child = onRight ? right : left;
      if (!earlier(child, entry)) break;
      const childIndex = 2 * index + (onRight ? 2 : 1);
      heap[index] = child;
      heap[childIndex] = entry;
      index = childIndex;
    }
  }
}

/** A trace of 10,000 tasks takes about 100,000 events; a hundred times as many is a loop. */
const EVENTS_MAX = 10_000_000;

/** An event that was taken back stays in the heap without a `run`. */
type Entry = { readonly atMs: number; readonly order: number; run: (() => void) | null };

const earlier = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order);
