import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { restartDelayMs, restartsBefore, STABLE_AFTER_MS } from './restart-delay.js';

describe('the wait before a restart', () => {
  it('doubles up to 15 s', () => {
    expect([0, 1, 2, 3, 7, 8, 1000].map((restarts) => restartDelayMs(restarts, 1))).toEqual([
      100, 200, 400, 800, 12_800, 15_000, 15_000,
    ]);
  });

  it('has up to half of jitter, and never less than half of the full wait', () => {
    fc.assert(
      fc.property(fc.nat(10_000), fc.double({ min: 0, max: 1, noNaN: true }), (restarts, random) => {
        const [wait, full] = [restartDelayMs(restarts, random), restartDelayMs(restarts, 1)];
        return wait >= full / 2 && wait <= full && full <= 15_000;
      }),
    );
  });

  it('begins anew for a service that ran for long', () => {
    expect(restartsBefore(5, STABLE_AFTER_MS - 1)).toBe(5);
    expect(restartsBefore(5, STABLE_AFTER_MS)).toBe(0);
  });
});
