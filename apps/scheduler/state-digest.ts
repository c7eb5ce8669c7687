import { createHash } from 'node:crypto';
import { canonicalJson } from '#libs/domain/canonical.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';

/** Where a folded state stands and what it is: two folds of the same log give the same digest. */
export type StateDigest = {
  readonly seq: number;
  readonly sha256: string;
  readonly open: number;
  readonly closed: number;
};

export const stateDigest = (book: TaskBook): StateDigest => ({
  seq: book.seq,
  sha256: createHash('sha256').update(canonicalJson(book)).digest('hex'),
  open: book.open.size,
  closed: book.closed.size,
});
