import { describe, expect, it } from '@jest/globals';
import { ERRORS, isInterruption, isRetryable, type ErrorCode } from '#libs/domain/errors.js';
import { RETRY_CLASSES, retryCodesOf, whyNotRetried } from '#libs/domain/retry-classes.js';

const CODES = Object.keys(ERRORS) as ErrorCode[];
const classed = Object.values(RETRY_CLASSES).flat() as ErrorCode[];

describe('the classes of errors', () => {
  it('have each code once, and only such as another attempt may mend', () => {
    expect(new Set(classed).size).toBe(classed.length);
    expect(classed.filter((code) => !isRetryable(code) || isInterruption(code))).toEqual([]);
  });

  it('have every code with which a run can fail and be mended', () => {
    const running = CODES.slice(CODES.indexOf('MODEL_NOT_FOUND'), CODES.indexOf('LOG_CORRUPT'));
    const mendable = running.filter((code) => isRetryable(code) && !isInterruption(code));
    expect(mendable.toSorted()).toEqual(classed.toSorted());
  });

  it('and codes stand for codes', () => {
    expect(retryCodesOf('timeout')).toEqual(['NO_PROGRESS', 'STEP_TIMED_OUT', 'HTTP_TIMED_OUT']);
    expect(retryCodesOf('MODEL_ERROR')).toEqual(['MODEL_ERROR']);
    expect(retryCodesOf('all')).toEqual(classed);
  });

  it.each([
    ['sometimes', /no class and no code/],
    ['toString', /no class and no code/],
    ['MODEL_NOT_FOUND', /is final/],
    ['LEASE_LOST', /retried in any case/],
    ['QUEUE_FULL', /does not end an attempt/],
  ])('do not have %s, and it is said why', (name, why) => {
    expect(retryCodesOf(name)).toBeNull();
    expect(whyNotRetried(name)).toMatch(why);
  });
});
