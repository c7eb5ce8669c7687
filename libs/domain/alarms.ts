/** Things to be done at a time, the earliest first; one per name. A binary heap in which what was replaced is skipped. */
export class Alarms {
  readonly #heap: { readonly name: string; readonly atMs: number }[] = [];
  readonly #atMs = new Map<string, number>();

  set(name: string, atMs: number): void {
    if (this.#atMs.get(name) === atMs) return;
    this.#atMs.set(name, atMs);
    this.#heap.push({ name, atMs });
    this.#rise(this.#heap.length - 1);
  }

  clear(name: string): void {
    this.#atMs.delete(name);
  }

  /** Takes the earliest that is due; null when none is. */
  takeDue(nowMs: number): string | null {
    const first = this.#first();
    if (first === undefined || first.atMs > nowMs) return null;
    this.#dropFirst();
    this.#atMs.delete(first.name);
    return first.name;
  }

  /** When the next one is due; null when there is none. */
  nextAtMs(): number | null {
    return this.#first()?.atMs ?? null;
  }

  #first() {
    for (;;) {
      const first = this.#heap[0];
      if (first === undefined || this.#atMs.get(first.name) === first.atMs) return first;
      this.#dropFirst();
    }
  }

  #dropFirst(): void {
    const last = this.#heap.pop();
    if (last === undefined || this.#heap.length === 0) return;
    this.#heap[0] = last;
    this.#sink();
  }

  #rise(from: number): void {
    for (let place = from; place > 0;) {
      const parent = (place - 1) >> 1;
      if (this.#at(parent) <= this.#at(place)) return;
      this.#swap(parent, place);
      place = parent;
    }
  }

  #sink(): void {
    for (let place = 0; ;) {
      const left = 2 * place + 1;
      const least = this.#at(left + 1) < this.#at(left) ? left + 1 : left;
      if (this.#at(place) <= this.#at(least)) return;
      this.#swap(place, least);
      place = least;
    }
  }

  #at(place: number): number {
    return this.#heap[place]?.atMs ?? Infinity;
  }

  #swap(a: number, b: number): void {
    const [one, other] = [this.#heap[a], this.#heap[b]];
    if (one === undefined || other === undefined) return;
    this.#heap[a] = other;
    this.#heap[b] = one;
  }
}
