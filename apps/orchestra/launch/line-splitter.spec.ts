import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { LineSplitter } from './line-splitter.js';

const split = (parts: readonly Uint8Array[]): readonly string[] => {
  const lines = new LineSplitter();
  return [...parts.flatMap((part) => lines.push(part)), ...lines.end()];
};

describe('lines of output that comes in parts', () => {
  it('are the same however it is cut, characters of several bytes included', () => {
    const whole = new TextEncoder().encode('one\ntwo ä€😀\n\nlast');
    fc.assert(
      fc.property(fc.nat(whole.length), fc.nat(whole.length), (a, b) => {
        const [first, second] = [Math.min(a, b), Math.max(a, b)];
        const parts = [whole.slice(0, first), whole.slice(first, second), whole.slice(second)];
        expect(split(parts)).toEqual(['one', 'two ä€😀', '', 'last']);
      }),
    );
  });

  it('have a bound: a longer one is cut', () => {
    const parts = Array.from({ length: 3 }, () => new TextEncoder().encode('x'.repeat(40_000)));
    expect(split(parts).map(({ length }) => length)).toEqual([80_000, 40_000]);
  });
});
