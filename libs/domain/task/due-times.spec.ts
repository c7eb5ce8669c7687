import { describe, expect, it } from '@jest/globals';
import type { Costs } from '#libs/domain/policy/costs.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { applyToBook } from '#libs/domain/task/task-book.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { later, needsModel, NOW, NOW_MS, stepSpec, submitted } from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';

/** A step takes 10 s, and 5 s to swap its model in. */
const COSTS: Costs = { meanMs: () => 10_000, longestMs: () => 0, workMs: () => 0, swapMs: () => 5_000 };
const STEPS = [stepSpec('a', { requirement: needsModel('llama3') })];

const task = (taskId: string, needs: readonly string[], dueInMs?: number): TaskSubmitted =>
  submitted({
    taskId,
    steps: STEPS,
    dependsOn: needs,
    ...(dueInMs === undefined ? {} : { deadlineAt: later(dueInMs) }),
  });

const indexOf = (...facts: readonly TaskEvent[]) => {
  const book = bookOf(facts);
  const index = new TaskIndex(book, COSTS);
  index.rebuild(NOW_MS);
  return {
    happens: (event: TaskEvent): void => {
      applyToBook(book, { seq: book.seq + 1, event });
      index.refresh(event.taskId, NOW_MS);
    },
    /** Milliseconds from now by which it has to be done to which it hurries; null while it does not. */
    dueIn: (id: string): number | null => {
      const step = index.ready.find(id, 'a');
      if (step === undefined || step.urgentByMs === null) return null;
      return step.urgentByMs - NOW_MS;
    },
  };
};

const gone = (taskId: string): TaskEvent => ({
  type: 'task.cancelled',
  taskId,
  reason: 'not needed',
  stopped: [],
  at: NOW,
});

describe('a task that one with a deadline waits for', () => {
  it('has to be done so early that the rest can be done in time, all the way up', () => {
    const { dueIn } = indexOf(task('t1', []), task('t2', ['t1']), task('t3', ['t2'], 60_000));
    expect(dueIn('t1')).toBe(60_000 - 15_000 - 15_000);
  });

  it('goes by the nearest of several', () => {
    const { dueIn } = indexOf(task('t1', []), task('t2', ['t1'], 50_000), task('t3', ['t1'], 40_000));
    expect(dueIn('t1')).toBe(40_000 - 15_000);
  });

  it('hurries no more once that is over, or is submitted', () => {
    const { dueIn, happens } = indexOf(task('t1', []), task('t2', ['t1']));
    expect(dueIn('t1')).toBeNull();
    happens(task('t3', ['t2'], 50_000));
    expect(dueIn('t1')).toBe(20_000);
    happens(gone('t3'));
    expect(dueIn('t1')).toBeNull();
  });

  it('goes by the other one when the first is gone', () => {
    const { dueIn, happens } = indexOf(
      task('t1', []),
      task('t2', ['t1'], 40_000),
      task('t3', ['t1'], 55_000),
    );
    happens(gone('t2'));
    expect(dueIn('t1')).toBe(40_000);
  });

  it('does not hurry for what can no more be kept', () => {
    const { dueIn } = indexOf(task('t1', []), task('t2', ['t1'], 24_000), task('t3', ['t1'], 55_000));
    expect(dueIn('t1')).toBe(40_000);
  });

  it('is one of many without a deadline: nothing changes', () => {
    const { dueIn } = indexOf(task('t1', []), task('t2', ['t1']), task('other', [], 40_000));
    expect(dueIn('t1')).toBeNull();
    expect(dueIn('other')).toBe(40_000);
  });

  it('is found in a long line, and a line that is too long costs no more', () => {
    const line = Array.from({ length: 5_000 }, (_, n) => task(`t${n + 1}`, n === 0 ? [] : [`t${n}`]));
    const { dueIn } = indexOf(...line, task('last', ['t5000'], 10_000_000), task('near', ['t3'], 75_000));
    expect(dueIn('t1')).toBe(75_000 - 3 * 15_000);
  });
});
