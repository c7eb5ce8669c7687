import { msOf } from '../time.js';
import type { StepDispatched } from './events.js';

/** What the predictions so far were worth: of the steps that started last, the oldest first. */
export type PredictionError = {
  readonly atMs: number;
  /** Above 0: it started later than predicted. */
  readonly errorMs: number;
};

/** Enough for the ninth of ten to say something, and some ten kilobytes. */
const ERRORS_MAX = 500;

/** Compares a start with what was predicted of it. */
export const countStart = (errors: PredictionError[], { predictedStartAt, at }: StepDispatched): void => {
  if (predictedStartAt === undefined) return;
  const atMs = msOf(at);
  errors.push({ atMs, errorMs: atMs - msOf(predictedStartAt) });
  if (errors.length > ERRORS_MAX) errors.shift();
};

/** How good predictions have been: the median of how far off they were, and what nine of ten were within. */
export type PredictionRecord = {
  readonly count: number;
  /** The starts since then count. */
  readonly sinceMs: number;
  readonly medianMs: number;
  readonly nineOfTenMs: number;
};

const COUNTED_MS = 60 * 60 * 1000;

/** Of the last hour, or of the last starts where there were more; null without any. */
export const predictionRecord = (
  errors: readonly PredictionError[],
  nowMs: number,
): PredictionRecord | null => {
  const counted = errors.filter(({ atMs }) => atMs >= nowMs - COUNTED_MS);
  const [first] = counted;
  if (first === undefined) return null;
  const sorted = counted.map(({ errorMs }) => Math.abs(errorMs)).toSorted((a, b) => a - b);
  const rank = (share: number): number => sorted[Math.ceil(share * sorted.length) - 1] ?? 0;
  const sinceMs =
    errors.length < ERRORS_MAX || counted.length < errors.length ? nowMs - COUNTED_MS : first.atMs;
  return { count: counted.length, sinceMs, medianMs: rank(0.5), nineOfTenMs: rank(0.9) };
};
