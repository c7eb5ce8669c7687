import { describe, expect, it } from '@jest/globals';
import { didYouMean, nearest } from './suggest.js';

const STEP_KEYS = ['id', 'type', 'needs', 'when', 'retry', 'with', 'on_failure'];

describe('the name that was probably meant', () => {
  it.each([
    ['tpye', 'type'],
    ['onFailure', 'on_failure'],
    ['on-failure', 'on_failure'],
    ['depends_on', 'needs'],
    ['dependsOn', 'needs'],
    ['inputs', 'with'],
    ['if', 'when'],
    ['need', 'needs'],
  ])('of %s is %s', (word, name) => expect(nearest(word, STEP_KEYS)).toBe(name));

  it.each(['', 'x', 'completely', '__proto__', 'constructor', 'a'.repeat(100_000)])(
    'is none for what is far from everything',
    (word) => expect(nearest(word, STEP_KEYS)).toBeNull(),
  );

  it('is said in brackets, or not at all', () => {
    expect(didYouMean('neds', STEP_KEYS)).toBe(" (did you mean 'needs'?)");
    expect([didYouMean(7, STEP_KEYS), didYouMean('neds', [])]).toEqual(['', '']);
  });
});
