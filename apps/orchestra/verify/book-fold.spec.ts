import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { stateDigest, type StateDigest } from '#libs/audit/state-digest.js';
import { applyToBook, emptyBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { BookFold } from './book-fold.js';
import { recordOfLine } from './record-of.js';

const records = readFileSync('test/fixtures/log/tasks.ndjson', 'utf8').trim().split('\n').map(recordOfLine);

/** What a scheduler answers that has decided up to here. */
const digestAt = (seq: number): StateDigest => {
  const book = emptyBook();
  for (const { type, data, ...record } of records.slice(0, seq))
    applyToBook(book, { ...record, event: { ...data, type } } as unknown as TaskRecord);
  return stateDigest(book);
};

/** What the log says to a scheduler that answered like this. */
const differenceTo = (wanted: StateDigest | null, log = records): BookFold['differs'] => {
  const fold = new BookFold(wanted);
  for (const record of log) fold.take(record);
  fold.end();
  return fold.differs;
};

describe('the state of a scheduler', () => {
  it('is what the log gives at the place where it was asked', () => {
    for (let seq = 1; seq <= records.length; seq += 1)
      expect([seq, differenceTo(digestAt(seq))]).toEqual([seq, null]);
  });

  it('differs when anything in it does', () => {
    const earlier = { ...digestAt(32), seq: 33 };
    expect(differenceTo(earlier)).toMatchObject({
      seq: 33,
      message: expect.stringMatching(/1 open and 7 closed tasks; the log gives \w+ with 0 open and 8 closed/),
    });
  });

  it('differs where the log cannot be folded, or lacks the place', () => {
    expect(differenceTo(digestAt(33), records.slice(5))).toMatchObject({
      seq: 6,
      message: expect.stringContaining('cannot be folded'),
    });
    const hole = records.filter(({ seq }) => seq !== 21);
    expect(differenceTo(digestAt(21), hole)).toMatchObject({ seq: 22 });
    const cut = records.slice(0, 30);
    expect(differenceTo(digestAt(33), cut)).toMatchObject({
      seq: 33,
      message: expect.stringContaining('ends at 30'),
    });
  });

  it('is not compared where nobody answered', () => expect(differenceTo(null)).toBeNull());
});
