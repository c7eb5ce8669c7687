import { describe, expect, it } from '@jest/globals';
import { longestMsOf, meanMsOf, paceAfter, type Pace } from './pace.js';

const paceOf = (...took: readonly number[]): Pace | undefined =>
  took.reduce<Pace | undefined>(
    (pace, ms) => paceAfter(pace, { tookMs: ms, together: 1, endedAtMs: 0 }),
    undefined,
  );
const times = (count: number, ms: number): readonly number[] => Array.from({ length: count }, () => ms);

describe('how long attempts take', () => {
  it('is a mean that follows what changes: a tenth of the way with each', () => {
    expect(meanMsOf(paceOf(1_000))).toBe(1_000);
    expect(meanMsOf(paceOf(1_000, 2_000))).toBe(1_100);
    expect(meanMsOf(paceOf(1_000, ...times(60, 2_000)))).toBeGreaterThan(1_990);
  });

  it('is presumed to be long at most, until twenty were seen', () => {
    expect(longestMsOf(undefined)).toBe(600_000);
    expect(longestMsOf(paceOf(...times(19, 1_000)))).toBe(600_000);
    expect(longestMsOf(paceOf(500_000))).toBe(750_000);
    expect(longestMsOf(paceOf(...times(20, 1_000)))).toBe(1_500);
  });

  it('is the longest seen and half as much again, which is forgotten slowly', () => {
    expect(longestMsOf(paceOf(...times(20, 1_000), 8_000))).toBe(12_000);
    const later = longestMsOf(paceOf(8_000, ...times(350, 1_000)));
    expect(later).toBeGreaterThan(5_500);
    expect(later).toBeLessThan(6_500);
    expect(longestMsOf(paceOf(8_000, ...times(3_000, 1_000)))).toBe(1_500);
  });
});
