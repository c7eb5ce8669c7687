import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { msOf, rfc3339Of } from '#libs/domain/time.js';

const YEAR_0 = Date.UTC(2000, 0, 1) - 730_485 * 86_400_000;
const YEAR_9999 = Date.UTC(9999, 11, 31, 23, 59, 59, 999);
const anyTime = fc.integer({ min: YEAR_0, max: YEAR_9999 });

describe('time without a clock', () => {
  it('begins the tested range with the year 0', () => {
    expect(new Date(YEAR_0).toISOString()).toBe('0000-01-01T00:00:00.000Z');
  });

  it('writes what Date writes, from the year 0 to 9999', () => {
    fc.assert(
      fc.property(anyTime, (ms) => {
        expect(rfc3339Of(ms)).toBe(new Date(ms).toISOString());
      }),
      { numRuns: 2000 },
    );
  });

  it('reads what Date writes, from the year 0 to 9999', () => {
    fc.assert(
      fc.property(anyTime, (ms) => {
        expect(msOf(new Date(ms).toISOString())).toBe(ms);
      }),
      { numRuns: 2000 },
    );
  });

  it('agrees with Date around each end of February and of the year for 800 years', () => {
    const wrong: string[] = [];
    for (let year = 1600; year < 2400; year += 1) {
      for (const midnight of [Date.UTC(year, 0, 1), Date.UTC(year, 1, 29), Date.UTC(year, 2, 1)]) {
        for (const ms of [midnight - 1, midnight]) {
          const text = new Date(ms).toISOString();
          if (rfc3339Of(ms) !== text || msOf(text) !== ms) wrong.push(text);
        }
      }
    }
    expect(wrong).toEqual([]);
  });

  it('reads nothing out of what is no time', () => {
    for (const text of ['', 'now', '2026-02-28', '2026-02-28T2x:59:59.000Z']) expect(msOf(text)).toBeNaN();
  });

  it('reads times without milliseconds', () => {
    expect(msOf('2026-02-28T23:59:59Z')).toBe(Date.UTC(2026, 1, 28, 23, 59, 59));
  });
});
