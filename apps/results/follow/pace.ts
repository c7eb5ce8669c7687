/** Seconds over which the speed is averaged: short enough to show a standstill, long enough to be readable. */
const WINDOW_TICKS = 5;
export const TICK_MS = 1_000;

/** Ticks without progress, while there is something to do, after which following counts as stalled. */
const STALLED_TICKS = 10;

/** Position, lag and speed of one stream, from a look at the log once a second. */
export class Pace {
  #tailSeq = 0;
  #tailSeen = false;
  #missedTails = 0;
  #stillTicks = 0;
  #caughtUp = false;
  readonly #history: { readonly atMs: number; readonly seq: number }[] = [];

  /** `tailSeq` is null when the log did not say. */
  tick(atMs: number, seq: number, tailSeq: number | null): void {
    this.#missedTails = tailSeq === null ? this.#missedTails + 1 : 0;
    if (tailSeq !== null) {
      this.#tailSeq = tailSeq;
      this.#tailSeen = true;
    }
    const moved = this.#history.at(-1)?.seq !== seq;
    this.#stillTicks = moved || this.lag(seq) === 0 ? 0 : this.#stillTicks + 1;
    this.moved(seq);
    this.#history.push({ atMs, seq });
    if (this.#history.length > WINDOW_TICKS) this.#history.shift();
  }

  /** The position is `seq` now. Behind the last tail that was seen, it has caught up with what was there at the start. */
  moved(seq: number): void {
    if (this.#tailSeen && seq >= this.#tailSeq) this.#caughtUp = true;
  }

  lag(seq: number): number {
    return Math.max(0, this.#tailSeq - seq);
  }

  get tailSeq(): number {
    return this.#tailSeq;
  }

  eventsPerSecond(): number {
    const first = this.#history[0];
    const last = this.#history.at(-1);
    if (!first || !last || last.atMs <= first.atMs) return 0;
    return Math.max(0, Math.round(((last.seq - first.seq) * 1000) / (last.atMs - first.atMs)));
  }

  /** Why answers from here are not those that the log gives; empty when they are, or soon will be. */
  reasons(stream: string, seq: number, lagMax: number): string[] {
    const lag = this.lag(seq);
    const at = `${stream}: at ${seq} of ${this.#tailSeq}`;
    if (this.#missedTails >= 3) return [`${stream}: the log has not answered for ${this.#missedTails} s`];
    if (!this.#caughtUp) return [`${at}: reading what happened before the start`];
    if (this.#stillTicks >= STALLED_TICKS) return [`${at}: no progress for ${this.#stillTicks} s`];
    if (lag > lagMax && this.#stillTicks > 0) return [`${at}: ${lag} events behind and not catching up`];
    return [];
  }
}
