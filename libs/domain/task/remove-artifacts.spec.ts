import { describe, expect, it } from '@jest/globals';
import { NOW } from '#libs/testing/builders.js';
import { removeArtifacts, type Removals } from './remove-artifacts.js';
import { applyToBook, emptyBook } from './task-book.js';

const artifact = (name: string) => ({
  name,
  object: `t1/${name}`,
  sizeBytes: 3,
  digest: `sha256:${'0'.repeat(64)}`,
  contentType: 'text/plain',
});
const removals: Removals['removals'] = [
  { taskId: 't1', artifact: artifact('a'), reason: 'age' },
  { taskId: 't2', artifact: artifact('b'), reason: 'space' },
];

describe('artifacts are removed', () => {
  it('from tasks that are over, and from no other', () => {
    const book = emptyBook();
    book.closed.set('t1', 'failed');
    expect(removeArtifacts({ knownSeq: 0, removals }, book, NOW)).toEqual([
      { type: 'artifact.removed', ...removals[0], at: NOW },
    ]);
  });

  it('once, by whoever knows of the last removal', () => {
    const book = emptyBook();
    book.closed.set('t1', 'completed');
    const [event] = removeArtifacts({ knownSeq: 40, removals }, book, NOW);
    if (event === undefined) throw new Error('one was expected');
    applyToBook(book, { seq: 41, event });
    expect(removeArtifacts({ knownSeq: 40, removals }, book, NOW)).toEqual([]);
    expect(removeArtifacts({ knownSeq: 41, removals }, book, NOW)).toHaveLength(1);
  });
});
