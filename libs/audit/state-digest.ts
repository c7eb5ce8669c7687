import { createHash } from 'node:crypto';
import { canonicalJson } from '#libs/domain/canonical.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';

/**
 * Where a folded state stands and what it is. Two folds of the same log give the same digest; the position is left out
 * of it, because a change of leaders is an event and no change of state.
 */
export type StateDigest = {
  readonly seq: number;
  readonly sha256: string;
  readonly open: number;
  readonly closed: number;
};

export const stateDigest = (book: TaskBook): StateDigest => ({
  seq: book.seq,
  sha256: createHash('sha256')
    .update(canonicalJson({ ...book, seq: 0 }))
    .digest('hex'),
  open: book.open.size,
  closed: book.closed.size,
});
