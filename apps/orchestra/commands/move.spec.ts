import { describe, expect, it } from '@jest/globals';
import { EXIT } from '../exit-codes.js';
import { targetOf } from './move.js';

describe('orchestra move', () => {
  it.each([
    [{ front: true }, { to: 'front' }],
    [{ back: true }, { to: 'back' }],
    [{ before: 't9' }, { before: 't9' }],
    [{ after: 't9', reason: 'x', by: 'ada' }, { after: 't9' }],
  ] as const)('%j asks for %j', (options, target) => {
    expect(targetOf(options)).toEqual(target);
  });

  it.each([
    [{}, /nowhere; give exactly one of --front, --back, --before <id>, --after <id>/],
    [{ front: true, after: 't9' }, /2 times; give exactly one/],
  ] as const)('%j is refused before anything is asked', (options, says) => {
    expect(() => targetOf(options)).toThrow(says);
    expect(() => targetOf(options)).toThrow(expect.objectContaining({ exitCode: EXIT.usage }));
  });
});
