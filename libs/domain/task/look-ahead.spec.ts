import { describe, expect, it } from '@jest/globals';
import type { Costs } from '#libs/domain/policy/costs.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import {
  dispatched as begun,
  needsModel,
  NOW,
  NOW_MS,
  stepSpec,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';

/** An attempt takes 30 s, a swap 10 s. */
const COSTS: Costs = { meanMs: () => 30_000, longestMs: () => 0, workMs: () => 0, swapMs: () => 10_000 };

const runs = (taskId: string, stepId: string) => begun(stepId, 1, { taskId });
const done = (taskId: string, stepId: string): TaskRecord['event'] => ({
  type: 'step.completed',
  taskId,
  step: success(stepId),
});
const over = (taskId: string, stepId: string): TaskRecord['event'] => ({
  type: 'task.completed',
  taskId,
  step: success(stepId),
  result: null,
  at: NOW,
});

const [A, B] = [needsModel('llama3'), needsModel('qwen')];

/** Tasks and steps that are told to be ready soon, so long after the first dispatch. */
const soonAt = (ms: number, ...facts: readonly TaskRecord['event'][]): readonly string[] => {
  const index = new TaskIndex(bookOf(facts), COSTS);
  index.rebuild(NOW_MS + ms);
  return [...index.soon(NOW_MS + ms).values()].map(({ taskId, stepId }) => `${taskId}/${stepId}`);
};

describe('work that is about to be ready', () => {
  const chain = submitted({
    taskId: 't1',
    steps: [stepSpec('a', { requirement: A }), stepSpec('b', { requirement: B, needs: ['a'] })],
  });

  it('is known when its load would take as long as what it waits for', () => {
    expect(soonAt(19_999, chain, runs('t1', 'a'))).toEqual([]);
    expect(soonAt(20_000, chain, runs('t1', 'a'))).toEqual(['t1/b']);
  });

  it('may be ready at any moment when that takes longer than is usual', () =>
    expect(soonAt(300_000, chain, runs('t1', 'a'))).toEqual(['t1/b']));

  it('is none while what it waits for does not run', () => expect(soonAt(25_000, chain)).toEqual([]));

  it('is none of which it is to be decided whether it runs, until it is', () => {
    const may = submitted({
      taskId: 't1',
      steps: [
        stepSpec('a', { requirement: A }),
        stepSpec('b', { requirement: B, needs: ['a'], conditional: true }),
        stepSpec('c', { requirement: B, needs: ['b'] }),
      ],
    });
    const past = [may, runs('t1', 'a')];
    expect(soonAt(25_000, ...past)).toEqual([]);
    const skipped = { type: 'step.skipped', taskId: 't1', stepId: 'b', at: NOW } as const;
    const beside = submitted({
      taskId: 't1',
      steps: [
        stepSpec('a', { requirement: A }),
        ...may.steps.slice(1, 2).map((b) => ({ ...b, needs: [] })),
        stepSpec('c', { requirement: B, needs: ['a', 'b'] }),
      ],
    });
    expect(soonAt(25_000, beside, runs('t1', 'a'))).toEqual([]);
    expect(soonAt(25_000, beside, runs('t1', 'a'), skipped)).toEqual(['t1/c']);
  });

  it('waits for all that it needs', () => {
    const joined = submitted({
      taskId: 't1',
      steps: [stepSpec('a'), stepSpec('b'), stepSpec('c', { requirement: B, needs: ['a', 'b'] })],
    });
    const past = [joined, runs('t1', 'a')];
    expect(soonAt(25_000, ...past)).toEqual([]);
    expect(soonAt(25_000, ...past, runs('t1', 'b'))).toEqual(['t1/c']);
  });

  it('may belong to another task that waits for this one alone', () => {
    const one = submitted({ taskId: 't1', steps: [stepSpec('a', { requirement: A })] });
    const two = submitted({ taskId: 't2', steps: [stepSpec('a', { requirement: A })] });
    const last = submitted({
      taskId: 't3',
      dependsOn: ['t1', 't2'],
      steps: [stepSpec('x', { requirement: B })],
    });
    const past = [one, two, last, runs('t1', 'a')];
    expect(soonAt(25_000, ...past)).toEqual([]);
    expect(soonAt(25_000, ...past, over('t1', 'a'), runs('t2', 'a'))).toEqual(['t3/x']);
  });

  it('is none behind a task that has more to do', () => {
    const next = submitted({
      taskId: 't2',
      dependsOn: ['t1'],
      steps: [stepSpec('x', { requirement: B })],
    });
    const past = [chain, next, runs('t1', 'a')];
    expect(soonAt(25_000, ...past)).toEqual(['t1/b']);
    const further = [...past, done('t1', 'a'), runs('t1', 'b')];
    expect(soonAt(25_000, ...further)).toEqual(['t2/x']);
  });
});
