import { createHash } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { BOOK_FOLD_VERSION, bookLines, bookOf as bookOfLines } from '#libs/domain/task/book-state.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import type { SchedulerEvent, WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { submissionsOf } from '#libs/domain/task/decide-workflow.js';
import {
  later,
  scheduleSpec,
  submission,
  submitted,
  success,
  templateRegistered,
  workflowOf,
} from '#libs/testing/builders.js';
import { taskStories } from '#libs/testing/task-stories.js';

const paused = (scope: PauseScope): SchedulerEvent => ({
  type: 'scheduling.paused',
  scope,
  reason: 'repair',
  by: 'ada',
  at: later(0),
});
const READS = { onFailure: 'continue', isRead: true } as const;

/** Three workflows: one that is not whole yet, one of which a result is read, and one that is over. */
const workflowFacts = (): readonly TaskRecord['event'][] => {
  const accepted = (workflowId: string, size: number): WorkflowSubmitted => ({
    type: 'workflow.submitted',
    ...workflowOf(workflowId, size, [READS, READS, READS]),
  });
  const ends = (taskId: string): TaskRecord['event'] => ({
    type: 'task.completed',
    taskId,
    step: success(),
    result: { text: `made by ${taskId}` },
    at: later(0),
  });
  const [half, open, over] = [accepted('w-half', 3), accepted('w-open', 3), accepted('w-over', 1)];
  return [
    over,
    ...submissionsOf(over),
    ends('w-over-0'),
    open,
    ...submissionsOf(open),
    ends('w-open-0'),
    half,
    ...submissionsOf(half).slice(0, 2),
  ];
};

/** Schedules of each kind: with a due time that waits, with a task that is still to be submitted, and paused after an error. */
const scheduleFacts = (): readonly TaskRecord['event'][] => {
  const created = (scheduleId: string): TaskRecord['event'] => ({
    type: 'schedule.created',
    scheduleId,
    schedule: scheduleSpec(),
    at: later(0),
  });
  const fired = (scheduleId: string, taskId: string): TaskRecord['event'] => ({
    type: 'schedule.fired',
    scheduleId,
    dueAt: later(1),
    byHand: false,
    task: submission({ taskId, schedule: { scheduleId, dueAt: later(1) } }),
    at: later(2),
  });
  const task = submitted({ taskId: 's-1', schedule: { scheduleId: 's-waits', dueAt: later(1) } });
  const failure = { code: 'QUEUE_FULL', message: 'full' } as const;
  return [
    created('s-waits'),
    fired('s-waits', 's-1'),
    task,
    { type: 'schedule.queued', scheduleId: 's-waits', dueAt: later(3), at: later(3) },
    created('s-paused'),
    { type: 'schedule.failed', scheduleId: 's-paused', dueAt: later(1), failure, at: later(2) },
    { type: 'schedule.paused', scheduleId: 's-paused', reason: 'x', by: 'ada', at: later(3) },
    created('s-fired'),
    fired('s-fired', 's-2'),
    created('s-gone'),
    { type: 'schedule.removed', scheduleId: 's-gone', at: later(4) },
  ];
};

/** Tasks of every kind, with templates, keys and causes, as a scheduler folds them. */
const records = (tasks: number, seed: number): readonly TaskRecord[] => [
  { seq: 1, event: { type: 'log.started', logId: 'log-1', at: later(0) } },
  { seq: 2, event: templateRegistered },
  { seq: 3, event: paused('queue') },
  { seq: 4, event: paused('server:gpu1') },
  { seq: 5, event: { type: 'scheduling.resumed', scope: 'queue', by: 'ada', at: later(0) } },
  ...[...workflowFacts(), ...scheduleFacts(), ...taskStories(tasks, seed).tasks].map((event, place) => ({
    seq: place + 6,
    causationId: `${place % 2 === 0 ? 'cmd' : 'rpt'}:${place}`,
    event:
      event.type === 'step.dispatched' && place % 2 === 0
        ? { ...event, predictedStartAt: later(place) }
        : event.type === 'task.submitted' && place % 3 === 0
          ? { ...event, idempotency: { key: `key-${place}`, requestHash: 'h' } }
          : event,
  })),
];

const folded = (from: TaskBook, more: readonly TaskRecord[]): TaskBook => {
  for (const record of more) applyToBook(from, record);
  return from;
};

const digestOf = (book: TaskBook): string => createHash('sha256').update(canonicalJson(book)).digest('hex');

describe('a task book that is put aside', () => {
  it('comes back byte for byte, at any point of any history, and so does what is folded behind it', () =>
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.nat(),
        (tasks, seed, cut) => {
          const all = records(tasks, seed);
          const at = cut % (all.length + 1);
          const before = folded(emptyBook(), all.slice(0, at));
          const back = bookOfLines([...bookLines(before)]);
          expect(canonicalJson(back)).toBe(canonicalJson(before));
          expect(canonicalJson(folded(back, all.slice(at)))).toBe(
            canonicalJson(folded(before, all.slice(at))),
          );
        },
      ),
      { numRuns: 60 },
    ));

  it('is what it was when it was begun, whatever happens while it is written', () => {
    const all = records(200, 1);
    const half = Math.floor(all.length / 2);
    const book = folded(emptyBook(), all.slice(0, half));
    const want = canonicalJson(book);
    const lines: string[] = [];
    let next = half;
    for (const line of bookLines(book)) {
      lines.push(line);
      for (let n = 0; n < 20 && next < all.length; n += 1) folded(book, all.slice(next, (next += 1)));
    }
    expect(next).toBeGreaterThan(half);
    expect(canonicalJson(book)).not.toBe(want);
    expect(canonicalJson(bookOfLines(lines))).toBe(want);
  });

  it('has short lines, however many tasks have ended', () => {
    const book = emptyBook();
    for (let n = 0; n < 10_000; n += 1) {
      const taskId = `t${n}`;
      applyToBook(book, { seq: 2 * n + 1, event: submitted({ taskId }) });
      applyToBook(book, {
        seq: 2 * n + 2,
        event: { type: 'task.cancelled', taskId, reason: 'x', stopped: [], at: later(0) },
      });
    }
    const lines = [...bookLines(book)];
    expect(lines.length).toBeLessThan(200);
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(4_000);
    expect(bookOfLines(lines).closed.size).toBe(10_000);
  });

  it('refuses lines that are none of it', () =>
    expect(() => bookOfLines(['{"is":"something"}'])).toThrow(/a line of a task book is "something"/));

  it('has another version when the fold makes another book of the same events', () =>
    // Another digest here means that books put aside before are not those that this fold makes: raise the version, then
    // put the new digest beside it.
    expect({ [BOOK_FOLD_VERSION]: digestOf(folded(emptyBook(), records(300, 7))) }).toEqual({
      'tasks-3': '4a59c9203501a09f75e1e26cf378b8b2670d453d40e73223664270d7a29f697f',
    }));
});
