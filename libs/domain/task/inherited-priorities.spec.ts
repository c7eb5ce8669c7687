import { describe, expect, it } from '@jest/globals';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { applyToBook } from '#libs/domain/task/task-book.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { NOW, NOW_MS, submitted } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf } from '#libs/testing/spec.js';

const task = (taskId: string, priority: number, ...dependsOn: readonly string[]): TaskSubmitted =>
  submitted({ taskId, priority, dependsOn });

const indexOf = (...facts: Parameters<typeof bookOf>[0]) => {
  const book = bookOf(facts);
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  index.rebuild(NOW_MS);
  const happens = (event: TaskEvent): void => {
    applyToBook(book, { seq: book.seq + 1, event });
    index.refresh(event.taskId, NOW_MS);
  };
  return { happens, priorityOf: (id: string) => index.ready.find(id, 'a')?.priority };
};

describe('a task that others wait for', () => {
  it('is as urgent as the most urgent of them', () => {
    const { priorityOf } = indexOf(task('t1', 3), task('t2', 8, 't1'), task('t3', 9, 't1'), task('t4', 5));
    expect([priorityOf('t1'), priorityOf('t4')]).toEqual([9, 5]);
  });

  it('keeps its own priority where that is higher', () => {
    expect(indexOf(task('t1', 7), task('t2', 2, 't1')).priorityOf('t1')).toBe(7);
  });

  it('hands it on to what it waits for itself', () => {
    const chain = Array.from({ length: 5_000 }, (_, n) =>
      task(`t${n + 1}`, 1, ...(n === 0 ? [] : [`t${n}`])),
    );
    expect(indexOf(...chain, task('last', 10, 't5000')).priorityOf('t1')).toBe(10);
  });

  it.each([
    ['becomes more urgent when one of them does', 10, 10],
    ['and less urgent when one of them does', 1, 3],
  ])('%s', (_, priority, expected) => {
    const { happens, priorityOf } = indexOf(task('t1', 3), task('t2', 8, 't1'), task('t3', 2, 't2'));
    happens({ type: 'task.priority-changed', taskId: 't2', priority, at: NOW });
    expect(priorityOf('t1')).toBe(expected);
  });

  it('is as urgent as the rest of them when the most urgent one is over, all the way up', () => {
    const { happens, priorityOf } = indexOf(
      task('t1', 2),
      task('t2', 1, 't1'),
      task('t3', 5, 't2'),
      task('t4', 9, 't2'),
      task('t5', 9, 't2'),
    );
    for (const [taskId, left] of [
      ['t4', 9],
      ['t5', 5],
      ['t3', 2],
    ] as const) {
      happens({ type: 'task.cancelled', taskId, reason: 'not needed', stopped: [], at: NOW });
      expect(priorityOf('t1')).toBe(left);
    }
  });
});
