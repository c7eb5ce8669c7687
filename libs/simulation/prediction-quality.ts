import { waitMs } from './metrics.js';
import type { TaskRun } from './run-record.js';
import { percentile } from './statistics.js';

/** How far first predictions of starts were off. Seconds, and shares of the wait as it was. */
export type PredictionQuality = {
  /** Tasks that had to wait and were predicted. */
  readonly predicted: number;
  readonly waitSP50: number;
  readonly errorSP50: number;
  readonly errorSP90: number;
  readonly errorShareP50: number;
  readonly errorShareP90: number;
  /** Median of the error with its sign, as a share: below 0 where tasks start sooner than predicted. */
  readonly bias: number;
};

/** A share of next to nothing says nothing: shorter waits count as a second. */
const WAIT_MIN_MS = 1_000;

export const predictionQuality = (runs: readonly TaskRun[]): PredictionQuality | null => {
  const predicted = runs.flatMap((run) => {
    if (run.predictedMs === null) return [];
    const [errorMs, waitedMs] = [run.startedAtMs - run.predictedMs, waitMs(run)];
    return [{ waitedMs, errorMs, share: errorMs / Math.max(WAIT_MIN_MS, waitedMs) }];
  });
  if (predicted.length === 0) return null;
  const errorsS = predicted.map(({ errorMs }) => Math.abs(errorMs) / 1_000);
  const shares = predicted.map(({ share }) => Math.abs(share));
  return {
    predicted: predicted.length,
    waitSP50:
      percentile(
        predicted.map(({ waitedMs }) => waitedMs),
        0.5,
      ) / 1_000,
    errorSP50: percentile(errorsS, 0.5),
    errorSP90: percentile(errorsS, 0.9),
    errorShareP50: percentile(shares, 0.5),
    errorShareP90: percentile(shares, 0.9),
    bias: percentile(
      predicted.map(({ share }) => share),
      0.5,
    ),
  };
};
