import { expect } from '@jest/globals';
import type { ErrorCode } from '#libs/domain/errors.js';
import { isRefused } from '#libs/domain/task/decide.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';

/** What a decider may answer: facts to append, a refusal, or the first task that a submission repeats. */
type Answer = readonly object[] | object;

type Then<Event> = {
  /** Exactly these facts, in this order. */
  readonly then: (...facts: readonly Event[]) => void;
  readonly thenNothing: () => void;
  /** Refused with this code, and a sentence that matches each of the hints. */
  readonly thenRefused: (code: ErrorCode, ...hints: readonly RegExp[]) => void;
  readonly thenRepeats: (taskId: string) => void;
};

const expectAnswer = <Event extends object>(answer: Answer): Then<Event> => ({
  // oxlint-disable-next-line unicorn/no-thenable -- the sentence is given, when, then; nothing here is awaited
  then: (...facts) => expect(answer).toEqual(facts),
  thenNothing: () => expect(answer).toEqual([]),
  thenRefused: (code, ...hints) => {
    expect(answer).toMatchObject({ refused: { code } });
    if (isRefused(answer)) for (const hint of hints) expect(answer.refused.message).toMatch(hint);
  },
  thenRepeats: (taskId) => expect(answer).toEqual({ repeatedOf: taskId }),
});

type TaskFact = TaskRecord['event'];

/** A book with these facts in it, numbered from 1. */
export const bookOf = (facts: readonly TaskFact[]): TaskBook => {
  const book = emptyBook();
  for (const [place, event] of facts.entries()) applyToBook(book, { seq: place + 1, event });
  return book;
};

/** `given(submitted, dispatched).when(cancel).then(cancelRequested)`. */
export const given = (...facts: readonly TaskFact[]) => ({
  when: (decide: (book: TaskBook) => Answer) => expectAnswer<TaskFact>(decide(bookOf(facts))),
  /** The same for deciders of a single task. */
  whenTask: (taskId: string, decide: (task: OpenTask | undefined) => Answer) =>
    expectAnswer<TaskFact>(decide(bookOf(facts).open.get(taskId))),
});

type GpuFact = GpuRecord['event'];

/** A ledger with these facts in it, numbered from 1: a grant's token is its place. */
export const ledgerOf = (...facts: readonly GpuFact[]): Ledger => {
  const ledger = emptyLedger();
  for (const [place, event] of facts.entries()) applyToLedger(ledger, { seq: place + 1, event });
  return ledger;
};

/** The same for the allocator's deciders that answer with facts. */
export const givenServers = (...facts: readonly GpuFact[]) => ({
  when: (decide: (ledger: Ledger) => Answer) => expectAnswer<GpuFact>(decide(ledgerOf(...facts))),
});
