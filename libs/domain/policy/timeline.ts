/** How many of the steps that wait for one thing will have started by when: they start evenly between two points. */
export class Timeline {
  readonly #counts: number[] = [];
  readonly #timesMs: number[] = [];

  /** Points come in the order of time; `count` is of all starts so far. */
  add(count: number, atMs: number): void {
    this.#counts.push(count);
    this.#timesMs.push(atMs);
  }

  /** When the step starts that so many go before; null for one that is behind the last point. */
  startMs(place: number): number | null {
    const wanted = place + 1;
    const counts = this.#counts;
    let [low, high] = [0, counts.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((counts[middle] ?? Infinity) < wanted) low = middle + 1;
      else high = middle;
    }
    const [to, toMs] = [counts[low], this.#timesMs[low]];
    if (to === undefined || toMs === undefined) return null;
    const [from, fromMs] = [counts[low - 1] ?? 0, this.#timesMs[low - 1] ?? toMs];
    return fromMs + ((toMs - fromMs) * (wanted - from)) / (to - from);
  }
}
