import { forecastOf, type Forecast } from '#libs/domain/policy/forecast.js';
import type { Snapshot } from '#libs/domain/policy/snapshot.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import type { Clock } from '#libs/runtime/clock.js';

/** Forecasts for what became ready: no more often, and where they take long, a hundredth of the time at most. */
const EVERY_MS = 1_000;
const REST = 100;

/** Whoever asks again so soon is answered from the same forecast. */
const KEPT_MS = 250;

/** Makes forecasts for whoever asks, and for what has become ready; never so often that decisions would be slower. */
export class Foresight {
  #nextAtMs = 0;
  #last: Forecast | null = null;

  constructor(private readonly clock: Clock) {}

  /** Of this moment, or of one just before. */
  of(snapshot: Snapshot): Forecast {
    const ageMs = this.#last ? snapshot.nowMs - this.#last.madeAtMs : Infinity;
    if (this.#last && ageMs >= 0 && ageMs < KEPT_MS) return this.#last;
    this.#last = forecastOf(snapshot);
    return this.#last;
  }

  /** Something is known that the last forecast did not count on. */
  forget(): void {
    this.#last = null;
  }

  /** Predicts the start of what has become ready and has to wait, unless that was done a moment ago: then it is asked for again. */
  predict({ predictions, bounds }: TaskIndex, snapshotAt: (nowMs: number) => Snapshot): void {
    const nowMs = this.clock.nowMs();
    if (nowMs < this.#nextAtMs || !predictions.isDue) return;
    const snapshot = snapshotAt(nowMs);
    // The last one may be of before they were ready.
    this.forget();
    predictions.make(snapshot, this.of(snapshot), bounds);
    this.#nextAtMs = nowMs + Math.max(EVERY_MS, (this.clock.nowMs() - nowMs) * REST);
  }
}
