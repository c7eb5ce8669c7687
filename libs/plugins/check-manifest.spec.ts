import { describe, expect, it } from '@jest/globals';
import { checkManifest } from './check-manifest.js';

const warningsOf = (more: object): readonly string[] => {
  const check = checkManifest({ name: 'acme.a', version: '1.0.0', ...more });
  if (!check.ok) throw new Error(check.error);
  return check.checked.warnings;
};

describe('a manifest', () => {
  it('is right with the fields that there are', () => {
    expect(warningsOf({ description: 'a', needs: 'cpu', input: {}, output: {} })).toEqual([]);
  });

  it('that has others is taken, and what may be meant is said', () => {
    expect(warningsOf({ inputs: { type: 'object' }, author: 'us' })).toEqual([
      expect.stringMatching(/manifest\.inputs: .* no such field \(did you mean 'input'\?\); it is ignored/),
      expect.stringMatching(/manifest\.author: a manifest has no such field; it is ignored; known: name,/),
    ]);
  });
});
