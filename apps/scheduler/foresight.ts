import { forecastOf, type Forecast } from '#libs/domain/policy/forecast.js';
import type { Snapshot } from '#libs/domain/policy/snapshot.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import type { Clock } from '#libs/runtime/clock.js';

/** Forecasts for what became ready: no more often, and where they take long, a hundredth of the time at most. */
const EVERY_MS = 1_000;
const REST = 100;

/** For whoever asks: a tenth of the time at most. In between, the last one answers. */
const ASKED_REST = 10;

/** Makes forecasts for whoever asks, and for what has become ready; never so often that decisions would be slower. */
export class Foresight {
  #nextAtMs = 0;
  #last: Forecast | null = null;
  #keptUntilMs = 0;

  constructor(private readonly clock: Clock) {}

  /** Of this moment, or of one just before where forecasts take long. */
  of(snapshot: Snapshot): Forecast {
    const { nowMs } = snapshot;
    if (this.#last && nowMs >= this.#last.madeAtMs && nowMs < this.#keptUntilMs) return this.#last;
    const beginMs = this.clock.nowMs();
    this.#last = forecastOf(snapshot);
    this.#keptUntilMs = nowMs + (this.clock.nowMs() - beginMs) * ASKED_REST;
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
    predictions.make(snapshot, forecastOf(snapshot), bounds);
    this.#nextAtMs = nowMs + Math.max(EVERY_MS, (this.clock.nowMs() - nowMs) * REST);
  }
}
