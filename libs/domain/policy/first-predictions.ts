import type { StepId, TaskId } from '../ids.js';
import { requirementKey } from '../task/requirement.js';
import type { Forecast } from './forecast.js';
import { rankingOf, type Snapshot } from './snapshot.js';
import type { WaitBounds } from './wait-bounds.js';

/** Steps that are predicted from one forecast at most; the others are from the next ones, so that each takes some milliseconds. */
const PREDICTED_MAX = 250;

/** Steps that wait to be predicted at most; beyond it they are left out, as a sample is enough to know the error. */
const WAITING_MAX = 5_000;

type Waiting = { readonly taskId: TaskId; readonly stepId: StepId };

/**
 * The first prediction of the start of each step that has to wait, until it has started. Nothing of it is decided from: it is made to be
 * compared with what came, so that whoever is told a prediction can be told how good they are.
 */
export class FirstPredictions {
  readonly #waiting = new Map<string, Waiting>();
  readonly #startMs = new Map<string, number>();

  /** Whether there are steps that became ready since the last forecast. */
  get isDue(): boolean {
    return this.#waiting.size > 0;
  }

  /** Milliseconds; undefined where nothing was predicted. */
  of(taskId: TaskId, stepId: StepId): number | undefined {
    return this.#startMs.get(`${taskId}/${stepId}`);
  }

  /** A step became ready. */
  expect(taskId: TaskId, stepId: StepId): void {
    const key = `${taskId}/${stepId}`;
    if (this.#waiting.size < WAITING_MAX && !this.#startMs.has(key))
      this.#waiting.set(key, { taskId, stepId });
  }

  /** It has started, or something that nobody can foresee keeps it from that: a pause, a retry, a cancel. */
  forget(taskId: TaskId, stepId: StepId): void {
    const key = `${taskId}/${stepId}`;
    this.#waiting.delete(key);
    this.#startMs.delete(key);
  }

  /** What became ready earlier than anybody looked says nothing of predictions. */
  skip(): void {
    this.#waiting.clear();
  }

  /** Predicts what has become ready since the last time and still waits. */
  make(snapshot: Snapshot, forecast: Forecast, bounds: WaitBounds): void {
    const { ready, nowMs } = snapshot;
    const ranking = rankingOf(snapshot);
    let left = PREDICTED_MAX;
    for (const [key, { taskId, stepId }] of this.#waiting) {
      if (left === 0) return;
      left -= 1;
      this.#waiting.delete(key);
      const step = ready.find(taskId, stepId);
      if (step === undefined) continue;
      const { requirement } = step;
      const startMs = forecast.startMs(requirementKey(requirement), ready.aheadOfSame(step, ranking));
      if (startMs === null) continue;
      const latestMs = bounds.boundOf(taskId, stepId)?.startByMs ?? Infinity;
      this.#startMs.set(key, clamped(startMs, nowMs, latestMs));
    }
  }
}

/** Never before now, and never later than what is promised, unless that is over. */
export const clamped = (startMs: number, nowMs: number, latestMs: number): number =>
  Math.max(nowMs, Math.min(startMs, latestMs));
