import { describe, expect, it } from '@jest/globals';
import { decodeCursor, encodeCursor } from './cursor.js';
import { QueryFailure } from './query-failure.js';

const failureOf = (cursor: string) => {
  try {
    decodeCursor(cursor, 'after', 'log-1');
  } catch (error) {
    if (error instanceof QueryFailure) return error.failure;
  }
  throw new Error('the cursor was accepted');
};

describe('a cursor', () => {
  it.each([0, 1, 255, 2 ** 32, 2 ** 48 - 1])('gives back the sequence %d', (seq) =>
    expect(decodeCursor(encodeCursor(seq, 'log-1'), 'after', 'log-1')).toBe(seq),
  );

  it.each([
    ['that is empty', '', /page\.after '' is not a cursor/],
    ['of words', 'newest-please', /'newest-please' is not a cursor of this service/],
    ['with something behind it', `${encodeCursor(5, 'log-1')}AA`, /is not a cursor/],
    ['in another alphabet', '+/+/+/+/+/+/+/=', /is not a cursor/],
    ['that is endless', 'A'.repeat(10_000), /^page\.after 'A{64}…' is not/],
    ['of another version', Buffer.alloc(11, 7).toString('base64url'), /has version 7, and 1 is known/],
    ['of another log', encodeCursor(5, 'log-2'), /belongs to another event log/],
  ])('%s is refused by name', (_name, cursor, says) => {
    const failure = failureOf(cursor);
    expect(failure.code).toBe('CURSOR_INVALID');
    expect(failure.message).toMatch(says);
  });
});
