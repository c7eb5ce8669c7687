import { describe, expect, it } from '@jest/globals';
import { setLatest } from './latest.js';

describe('what is remembered of names that others choose', () => {
  it('is of those that were set last: setting again makes a name the newest', () => {
    const known = new Map<string, number>();
    for (const [value, name] of ['a', 'b', 'a', 'c'].entries()) setLatest(known, name, value, 2);
    expect([...known]).toEqual([
      ['a', 2],
      ['c', 3],
    ]);
  });
});
