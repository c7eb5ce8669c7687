/** Queries that may wait at once; each costs its caller up to a second. */
const WAITERS_MAX = 10_000;

/** How far the answers reach, and whoever waits until they reach further. */
export class Progress {
  #seq = 0;
  readonly #waiters = new Set<{ readonly seq: number; readonly reached: () => void }>();

  #onWaiting: () => void = () => undefined;

  /** Resolves as soon as somebody waits for more than is included. */
  async awaited(): Promise<void> {
    if (this.#waiters.size > 0) return;
    await new Promise<void>((resolve) => {
      this.#onWaiting = resolve;
    });
  }

  get seq(): number {
    return this.#seq;
  }

  /** May go back: another log, or a database that was emptied. */
  set(seq: number): void {
    this.#seq = seq;
    for (const waiter of this.#waiters) if (waiter.seq <= seq) waiter.reached();
  }

  /** True when `seq` is included within the time given; false at once when too many wait already. */
  reached(seq: number, limitMs: number): Promise<boolean> {
    if (this.#seq >= seq) return Promise.resolve(true);
    if (this.#waiters.size >= WAITERS_MAX) return Promise.resolve(false);
    return new Promise((resolve) => {
      const end = (result: boolean): void => {
        clearTimeout(timer);
        this.#waiters.delete(waiter);
        resolve(result);
      };
      const timer = setTimeout(() => end(false), limitMs);
      const waiter = { seq, reached: () => end(true) };
      this.#waiters.add(waiter);
      this.#onWaiting();
    });
  }
}
