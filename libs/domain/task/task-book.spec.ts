import { describe, expect, it } from '@jest/globals';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import {
  applyToBook,
  emptyBook,
  IDEMPOTENCY_KEPT_MS,
  type TaskBook,
  type TaskRecord,
} from '#libs/domain/task/task-book.js';
import {
  dispatched,
  later,
  NOW,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
  templateRegistered,
} from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';

const folded = (...records: readonly TaskRecord[]): TaskBook => {
  const book = emptyBook();
  for (const record of records) applyToBook(book, record);
  return book;
};
const elected: SchedulerEvent = { type: 'leader.elected', node: 'n1', at: NOW };

describe('the task book', () => {
  it('knows the sequence of the last event and the identity of its log', () => {
    const book = folded(
      { seq: 1, event: { type: 'log.started', logId: 'log-1', at: NOW } },
      { seq: 7, event: elected },
    );
    expect(book).toMatchObject({ seq: 7, logId: 'log-1' });
  });

  it('knows how far commands and reports are answered, each for itself', () => {
    const book = folded(
      { seq: 1, causationId: 'cmd:12', event: submitted() },
      { seq: 2, event: dispatched() },
      {
        seq: 3,
        causationId: 'rpt:5',
        event: { type: 'task.completed', taskId: 't1', step: success(), result: 1, at: NOW },
      },
    );
    expect(book.positions).toEqual({ commands: 12, reports: 5 });
  });

  it('never goes back in a stream that it has followed further', () => {
    const book = folded(
      { seq: 1, causationId: 'cmd:12', event: elected },
      { seq: 2, causationId: 'cmd:9', event: elected },
      { seq: 3, causationId: 'rpt:4', event: elected },
      { seq: 4, causationId: 'rpt:3', event: elected },
      { seq: 5, causationId: 'lse:99', event: elected },
    );
    expect(book.positions).toEqual({ commands: 12, reports: 4 });
  });

  it('advances for refused commands too, so that they are not answered twice', () => {
    const book = folded({
      seq: 1,
      causationId: 'cmd:3',
      event: { type: 'commands.refused', refused: [], at: NOW },
    });
    expect(book.positions.commands).toBe(3);
  });

  it('keeps each registered version of a template', () => {
    const second = { ...templateRegistered, template: { name: 'summarize', version: 'sha256-2' } };
    expect([...bookOf([templateRegistered, second]).templates.keys()]).toEqual([
      'summarize@sha256-1',
      'summarize@sha256-2',
    ]);
  });

  it('opens a task with its place in the log as its age', () => {
    const book = folded({
      seq: 41,
      event: submitted({ priority: 8, steps: [stepSpec('a'), stepSpec('b')] }),
    });
    expect(book.open.get('t1')).toMatchObject({
      status: 'open',
      seq: 41,
      priority: 8,
      ending: null,
      steps: [
        { spec: { id: 'a' }, progress: { status: 'pending', attempts: 0, notBefore: null } },
        { spec: { id: 'b' }, progress: { status: 'pending', attempts: 0, notBefore: null } },
      ],
    });
  });

  it.each<[string, TaskEvent]>([
    ['completed', { type: 'task.completed', taskId: 't1', step: success(), result: 1, at: NOW }],
    [
      'failed',
      { type: 'task.failed', taskId: 't1', failure: { code: 'INTERNAL', message: '' }, stopped: [], at: NOW },
    ],
    ['cancelled', { type: 'task.cancelled', taskId: 't1', reason: '', stopped: [], at: NOW }],
  ])('keeps of a task that has %s only how it ended', (status, event) => {
    const book = bookOf([submitted(), event]);
    expect(book.open.has('t1')).toBe(false);
    expect([...book.closed]).toEqual([['t1', status]]);
  });

  it.each<TaskEvent>([
    dispatched(),
    { type: 'step.completed', taskId: 't1', step: success() },
    { type: 'step.stopped', taskId: 't1', step: stoppedAttempt('confirmed'), at: NOW },
    { type: 'task.priority-changed', taskId: 't1', priority: 1, at: NOW },
  ])('stops at an event of a task that is not open ($type): the log is damaged', (event) => {
    expect(() => bookOf([event])).toThrow(/at 1 for task t1, which is not open/);
    const over: TaskEvent = { type: 'task.cancelled', taskId: 't1', reason: '', stopped: [], at: NOW };
    expect(() => bookOf([submitted(), over, event])).toThrow(/at 3 for task t1, which is not open/);
  });

  it('keeps the first reason of an end', () => {
    const cancel = (reason: string): TaskEvent => ({
      type: 'task.cancel-requested',
      taskId: 't1',
      reason,
      at: NOW,
    });
    const book = bookOf([submitted(), dispatched(), cancel('first'), cancel('second')]);
    expect(book.open.get('t1')?.ending).toEqual({ kind: 'cancelled', reason: 'first' });
  });
});

describe('remembered idempotency keys', () => {
  const used = (taskId: string, key: string, atMs: number, workspace = 'home') =>
    submitted({
      taskId,
      workspace,
      submittedAt: later(atMs),
      idempotency: { key, requestHash: `hash-${taskId}` },
    });
  const keys = (...facts: readonly TaskEvent[]) => [...bookOf(facts).idempotency.keys()];

  it('belong to a workspace', () => {
    expect(keys(used('t1', 'k', 0), used('t2', 'k', 0, 'lab'))).toEqual(['home/k', 'lab/k']);
  });

  it('are kept for a day and dropped by the first submission after it', () => {
    const day = IDEMPOTENCY_KEPT_MS;
    expect(keys(used('t1', 'k1', 0), used('t2', 'k2', 1), used('t3', 'k3', day))).toEqual([
      'home/k1',
      'home/k2',
      'home/k3',
    ]);
    expect(keys(used('t1', 'k1', 0), used('t2', 'k2', 1), used('t3', 'k3', day + 1))).toEqual([
      'home/k2',
      'home/k3',
    ]);
    expect(keys(used('t1', 'k1', 0), used('t2', 'k2', 1), used('t3', 'k3', day * 3))).toEqual(['home/k3']);
  });

  it('do not keep older ones alive when one of them is used anew', () => {
    const day = IDEMPOTENCY_KEPT_MS;
    const facts = [
      used('t1', 'k1', 0),
      used('t2', 'k2', 1),
      used('t3', 'k1', day + 1),
      used('t4', 'k4', day + 5),
    ];
    expect(keys(...facts)).toEqual(['home/k1', 'home/k4']);
  });

  it('are not made by submissions without one', () => expect(keys(submitted())).toEqual([]));
});
