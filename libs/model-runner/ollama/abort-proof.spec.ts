import { describe, expect, it } from '@jest/globals';
import { markOf, type Mark, proveAbort } from './abort-proof.js';

/** Shows the marks one after the other, the last one again and again. */
const showing = (marks: readonly (Mark | Error)[]) => {
  let at = 0;
  return (): Promise<Mark> => {
    const mark = marks[Math.min(at, marks.length - 1)];
    at += 1;
    return mark instanceof Error ? Promise.reject(mark) : Promise.resolve(mark);
  };
};

describe('the proof of an abort', () => {
  it.each([
    { of: 'a new moment that stands still', before: 'a', marks: ['a', 'b', 'b'], wantBy: 'idle' },
    { of: 'a first moment after ever new ones', before: 'a', marks: ['b', 'c', 'd', 'd'], wantBy: 'idle' },
    { of: 'a model that is gone', before: 'a', marks: ['a', 'gone'], wantBy: 'not-resident' },
    { of: 'the same moment as before', before: 'a', marks: ['a'], wantBy: 'nothing' },
    { of: 'no look before', before: undefined, marks: ['b'], wantBy: 'nothing' },
    {
      of: 'looks that fail, then a new moment',
      before: 'a',
      marks: [new Error('500'), 'b', 'b'],
      wantBy: 'idle',
    },
    { of: 'looks that fail', before: 'a', marks: [new Error('500')], wantBy: 'nothing' },
  ])('$of: $wantBy', async ({ before, marks, wantBy }) => {
    const proof = await proveAbort(before, showing(marks), 40, 1);
    expect(proof).toEqual({ confirmed: wantBy !== 'nothing', confirmedBy: wantBy });
  });

  it('finds a model under its full name', () => {
    const listed = { model: 'm:latest', digest: '', sizeBytes: 1, vramBytes: 1, expiresAt: 'x' };
    expect(markOf([listed], 'm')).toBe('x');
    expect(markOf([listed], 'n')).toBe('gone');
  });
});
