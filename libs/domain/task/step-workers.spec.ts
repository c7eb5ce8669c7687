import { describe, expect, it } from '@jest/globals';
import type { StepSpec } from './step-spec.js';
import { StepWorkers, WORKER_LOOK_MS } from './step-workers.js';
import { TaskIndex } from './task-index.js';
import { NOW_MS, stepSpec, submitted } from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';

const COSTS = { meanMs: () => 0, longestMs: () => 0, workMs: () => 0, swapMs: () => 0 };

const spec = (stepType: string, workerWaitMs?: number): StepSpec => ({
  id: 'only',
  stepType,
  needs: [],
  requirement: { kind: 'cpu' },
  retry: { attemptsMax: 1, backoffMs: 0 },
  ...(workerWaitMs === undefined ? {} : { workerWaitMs }),
});

const NONE: ReadonlySet<string> = new Set();

describe('steps whose type has no worker', () => {
  it('are held back only where somebody watches, and only those of others', () => {
    const workers = new StepWorkers();
    expect(workers.heldUntilMs('t1', spec('acme.a'), 0)).toBe(0);
    workers.change(NONE);
    expect(workers.heldUntilMs('t1', spec('acme.a'), 0)).toBe(Infinity);
    expect(workers.heldUntilMs('t2', spec('noop'), 0)).toBe(0);
  });

  it('are told when a worker comes or goes, and not again', () => {
    const workers = new StepWorkers();
    workers.change(NONE);
    workers.heldUntilMs('t1', spec('acme.a'), 0);
    workers.heldUntilMs('t2', spec('acme.b'), 0);
    expect(workers.change(new Set(['acme.a']))).toEqual(['t1']);
    expect(workers.change(new Set(['acme.a']))).toEqual([]);
    expect(workers.change(new Set(['acme.b']))).toEqual(['t1', 't2']);
    workers.forget('t1', ['only']);
    expect(workers.change(NONE)).toEqual(['t2']);
  });

  it('wait for as long as they say, less what the executor waits, counted from when their worker was missed', () => {
    const workers = new StepWorkers();
    workers.change(NONE);
    expect(workers.heldUntilMs('t1', spec('acme.a', WORKER_LOOK_MS + 1_000), 500)).toBe(1_500);
    expect(workers.heldUntilMs('t1', spec('acme.a', WORKER_LOOK_MS + 1_000), 900)).toBe(1_500);
    workers.change(new Set(['acme.a']));
    expect(workers.heldUntilMs('t1', spec('acme.a', WORKER_LOOK_MS + 1_000), 1_000)).toBe(0);
    workers.change(NONE);
    expect(workers.heldUntilMs('t1', spec('acme.a', WORKER_LOOK_MS + 1_000), 2_000)).toBe(3_000);
  });

  it('become ready at that time, however often their task is looked at meanwhile', () => {
    const steps = [stepSpec('only', { stepType: 'acme.a', workerWaitMs: WORKER_LOOK_MS + 1_000 })];
    const index = new TaskIndex(bookOf([submitted({ taskId: 't1', steps })]), COSTS);
    index.workers.change(NONE);
    index.rebuild(NOW_MS + 500);
    for (const ms of [700, 900]) index.refresh('t1', NOW_MS + ms);
    expect([index.ready.size, index.nextWakeMs()]).toEqual([0, NOW_MS + 1_500]);
    index.wake(NOW_MS + 1_500);
    expect(index.ready.find('t1', 'only')).toBeDefined();
  });
});
