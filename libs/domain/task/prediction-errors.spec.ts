import { describe, expect, it } from '@jest/globals';
import { countStart, predictionRecord, type PredictionError } from '#libs/domain/task/prediction-errors.js';
import { dispatched, later, NOW_MS } from '#libs/testing/builders.js';

const errorsOf = (...ms: readonly number[]): PredictionError[] =>
  ms.map((errorMs, n) => ({ atMs: NOW_MS + n, errorMs }));

describe('how far off predictions were', () => {
  it('is counted where there was one', () => {
    const errors: PredictionError[] = [];
    countStart(errors, dispatched('a', 1, { at: later(5_000) }));
    countStart(errors, dispatched('a', 1, { at: later(5_000), predictedStartAt: later(3_000) }));
    countStart(errors, dispatched('a', 1, { at: later(6_000), predictedStartAt: later(9_000) }));
    expect(errors).toEqual([
      { atMs: NOW_MS + 5_000, errorMs: 2_000 },
      { atMs: NOW_MS + 6_000, errorMs: -3_000 },
    ]);
  });

  it('is kept of the last 500 starts', () => {
    const errors: PredictionError[] = [];
    for (let n = 0; n < 502; n += 1)
      countStart(errors, dispatched('a', 1, { at: later(n), predictedStartAt: later(0) }));
    expect([errors.length, errors[0]?.errorMs]).toEqual([500, 2]);
  });

  it('is told as the median and what nine of ten were within, early or late', () =>
    expect(predictionRecord(errorsOf(1, -2, 3, -4, 5, 6, 7, 8, 9, 100), NOW_MS + 60_000)).toEqual({
      count: 10,
      sinceMs: NOW_MS + 60_000 - 3_600_000,
      medianMs: 5,
      nineOfTenMs: 9,
    }));

  it('is told of the last hour, and since the first that is kept where that is less', () => {
    expect(predictionRecord(errorsOf(1, 2), NOW_MS + 3_600_001)).toMatchObject({ count: 1, medianMs: 2 });
    const many = errorsOf(...Array.from({ length: 500 }, () => 1));
    expect(predictionRecord(many, NOW_MS + 60_000)).toMatchObject({ count: 500, sinceMs: NOW_MS });
  });

  it('is not told before there is any', () => {
    expect(predictionRecord([], NOW_MS)).toBeNull();
    expect(predictionRecord(errorsOf(1), NOW_MS + 3_600_001)).toBeNull();
  });
});
