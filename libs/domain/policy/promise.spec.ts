import { describe, expect, it } from '@jest/globals';
import { promiseFor } from '#libs/domain/policy/promise.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { needsModel, NOW_MS, stepSpec, submission, submitted } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf } from '#libs/testing/spec.js';

const model = stepSpec('a', { requirement: needsModel('llama3') });
const steps = [model, stepSpec('b', { needs: ['a'] })];
const kept = [{ stepId: 'a', output: 1 }];

/** What a further submission is promised behind these. */
const promised = (
  ahead: Parameters<typeof submitted>[0][],
  wanted: Parameters<typeof submission>[0],
): ReturnType<typeof promiseFor> => {
  const book = bookOf(ahead.map((more, n) => submitted({ taskId: `t${n}`, ...more })));
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  for (const taskId of book.open.keys()) index.refresh(taskId, NOW_MS);
  return promiseFor(submission({ taskId: 'new', ...wanted }), book, index.bounds);
};

describe('the promise of a start', () => {
  it('is that of the steps which run first: behind those that are kept, where some are', () => {
    const cpuOnly = [{ steps: [stepSpec('c')] }];
    expect(promised(cpuOnly, { steps })?.aheadMs).toBe(0);
    expect(promised(cpuOnly, { steps, kept })?.aheadMs).toBeGreaterThan(0);
    const modelOnly = [{ steps: [model] }];
    expect(promised(modelOnly, { steps })?.aheadMs).toBeGreaterThan(0);
    expect(promised(modelOnly, { steps, kept })?.aheadMs).toBe(0);
  });

  it('is none where it is to be decided whether a first step runs, and not changed by a later one', () => {
    expect(promised([], { steps: [stepSpec('a', { conditional: true }), stepSpec('b')] })).toBeNull();
    const later = [stepSpec('a'), stepSpec('b', { needs: ['a'], conditional: true })];
    expect(promised([], { steps: later })).not.toBeNull();
  });

  it('does not count the work of kept steps ahead of others, nor what they would need', () => {
    const wanted = { steps: [stepSpec('c', { requirement: needsModel('qwen') })] };
    expect(promised([{ steps, kept }], wanted)).toEqual(promised([], wanted));
    expect(promised([{ steps }], wanted)).not.toEqual(promised([], wanted));
  });

  it('is what the log says, also once a task with kept steps is looked at later', () => {
    const promise = { startBy: submitted().submittedAt, allowanceMs: 1, aheadMs: 2, attemptMs: 3, swapMs: 4 };
    const book = bookOf([submitted({ steps, kept, promise })]);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.refresh('t1', NOW_MS + 5_000);
    expect(index.bounds.boundOf('t1', 'b')).toMatchObject({
      readyAtMs: NOW_MS,
      startByMs: NOW_MS,
      aheadMs: 2,
    });
  });
});
