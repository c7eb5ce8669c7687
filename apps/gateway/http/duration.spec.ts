import { describe, expect, it } from '@jest/globals';
import { durationMs, durationText } from './duration.js';

describe('a duration', () => {
  it.each([
    ['0s', 0],
    ['90s', 90_000],
    ['15m', 900_000],
    ['2h', 7_200_000],
    ['7d', 604_800_000],
  ])('%s is %d ms, and written in the largest unit that fits', (text, ms) => {
    expect(durationMs(text)).toBe(ms);
    expect(durationMs(durationText(ms))).toBe(ms);
  });

  it.each(['', '15', 'm', '1.5h', '-1s', '15 m', '1000000000s', '1w', '15m\n'])('%j is none', (text) =>
    expect(durationMs(text)).toBeNull(),
  );
});
