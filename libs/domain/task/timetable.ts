type Entry<Key> = { readonly key: Key; readonly atMs: number };

/** Entries that no longer count are swept once they are most of the heap: amortised O(1) each. */
const SWEEP_MIN = 64;

/**
 * What is due when: one time per key. Everything that is asked at each decision costs O(1) while nothing is due, however
 * much is planned; a change costs O(log n). A binary heap in which an outdated entry stays until it comes up.
 */
export class Timetable<Key> {
  readonly #times = new Map<Key, number>();
  #heap: Entry<Key>[] = [];

  get size(): number {
    return this.#times.size;
  }

  set(key: Key, atMs: number): void {
    if (this.#times.get(key) === atMs) return;
    this.#times.set(key, atMs);
    this.#heap.push({ key, atMs });
    this.#up(this.#heap.length - 1);
    if (this.#heap.length > SWEEP_MIN && this.#heap.length > 2 * this.#times.size) this.#sweep();
  }

  /** Null: at no time. */
  put(key: Key, atMs: number | null): void {
    if (atMs === null) this.delete(key);
    else this.set(key, atMs);
  }

  delete(key: Key): void {
    this.#times.delete(key);
  }

  /** Takes out what is due by now, the earliest first. */
  takeDue(nowMs: number): readonly Key[] {
    const due: Key[] = [];
    for (let first = this.#heap[0]; first !== undefined && first.atMs <= nowMs; first = this.#heap[0]) {
      this.#removeFirst();
      if (this.#times.get(first.key) !== first.atMs) continue;
      this.#times.delete(first.key);
      due.push(first.key);
    }
    return due;
  }

  /** When the next one is due; null when nothing is planned. */
  nextAtMs(): number | null {
    for (let first = this.#heap[0]; first !== undefined; first = this.#heap[0]) {
      if (this.#times.get(first.key) === first.atMs) return first.atMs;
      this.#removeFirst();
    }
    return null;
  }

  #sweep(): void {
    this.#heap = [...this.#times].map(([key, atMs]) => ({ key, atMs })).toSorted((a, b) => a.atMs - b.atMs);
  }

  #removeFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#down(0);
  }

  #up(from: number): void {
    for (let place = from; place > 0;) {
      const parent = (place - 1) >> 1;
      if (this.#at(parent) <= this.#at(place)) return;
      this.#swap(place, parent);
      place = parent;
    }
  }

  #down(from: number): void {
    for (let place = from; ;) {
      const left = 2 * place + 1;
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(place) <= this.#at(least)) return;
      this.#swap(place, least);
      place = least;
    }
  }

  /** Beyond the end lies what is never due. */
  #at(place: number): number {
    return this.#heap[place]?.atMs ?? Number.POSITIVE_INFINITY;
  }

  #swap(a: number, b: number): void {
    const [first, second] = [this.#heap[a], this.#heap[b]];
    if (!first || !second) return;
    this.#heap[a] = second;
    this.#heap[b] = first;
  }
}
