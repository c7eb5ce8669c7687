import { describe, expect, it } from '@jest/globals';
import { EXIT, EXIT_MEANINGS } from '../exit-codes.js';
import { problemIn, ProblemError } from './api.js';

describe('a refusal by the API', () => {
  it('is its sentence, and what is accepted for each field', () => {
    const problem = {
      detail: 'priority: must be a whole number from 1 to 10',
      errors: [{ path: 'priority', accepted: 'a whole number from 1 to 10' }, { path: 'labels' }],
    };
    expect(new ProblemError(422, problem).message).toBe(
      'priority: must be a whole number from 1 to 10\n  priority: accepted: a whole number from 1 to 10',
    );
  });

  it.each([
    [400, EXIT.refused],
    [401, EXIT.refused],
    [404, EXIT.notFound],
    [409, EXIT.refused],
    [422, EXIT.refused],
    [429, EXIT.refused],
    [500, EXIT.failed],
    [502, EXIT.failed],
    [503, EXIT.unreachable],
  ])('with status %d ends with exit code %d', (status, wanted) => {
    expect(new ProblemError(status, null).exitCode).toBe(wanted);
  });

  it('by something that is not the API says its status', () => {
    expect(new ProblemError(502, problemIn('<html>')).message).toBe('The platform answered with status 502.');
  });
});

describe('exit codes', () => {
  it('differ, fit into a byte, and each has a meaning', () => {
    const codes = Object.values(EXIT);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.every((code) => code >= 0 && code < 256)).toBe(true);
    expect(Object.keys(EXIT_MEANINGS)).toEqual(Object.keys(EXIT));
  });
});
