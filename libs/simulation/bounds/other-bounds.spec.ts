import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { deadlineHitsBound } from '#libs/simulation/bounds/deadline-hits-bound.js';
import { fairnessBound } from '#libs/simulation/bounds/fairness-bound.js';
import { Heap } from '#libs/simulation/bounds/heap.js';
import { loadsBound } from '#libs/simulation/bounds/loads-bound.js';
import type { UsableVram } from '#libs/simulation/bounds/relaxation.js';
import { gib } from '#libs/testing/builders.js';
import {
  runRecord,
  simHardware,
  simModel,
  simServer,
  simTask,
  simTrace,
  taskRun,
} from '#libs/testing/simulation-builders.js';

const whole: UsableVram = ({ vramBytes }) => vramBytes;
const one = simHardware(simServer('gpu1', { vramBytes: gib(6) }));

describe('the fewest loads', () => {
  const alternating = simTrace(
    ['a', 'b', 'a', 'b', 'a', 'b'].map((model, n) => simTask(`t${n}`, { model, atMs: n * 10_000 })),
    { kind: 'open' },
  );

  it('are one for each model that is used, where waits have no bound', () => {
    expect(loadsBound(alternating, one, whole, null)).toBe(2);
    expect(loadsBound(simTrace([simTask('t0')]), one, whole, null)).toBe(1);
  });

  it('are more where nobody may wait for a batch: a window with both models needs a load though one was there', () => {
    // Windows 0..15, 20..35 and 40..55 s: two loads in the first, one in each of the others.
    expect(loadsBound(alternating, one, whole, 5000)).toBe(4);
    // With 25 s, windows 0..35 and 40..75 s.
    expect(loadsBound(alternating, one, whole, 25_000)).toBe(3);
    expect(loadsBound(alternating, one, whole, 60_000)).toBe(2);
  });

  it('stay one for each where all models fit at once', () => {
    expect(loadsBound(alternating, simHardware(simServer('gpu1')), whole, 5000)).toBe(2);
  });

  it('do not rely on when a task with predecessors becomes ready', () => {
    const [first, ...rest] = alternating.tasks;
    const chained = rest.map((task) => ({ ...task, after: ['t0'] }));
    const trace = { ...alternating, tasks: [...(first ? [first] : []), ...chained] };
    expect(loadsBound(trace, one, whole, 0)).toBe(2);
  });
});

describe('the most deadlines that can be kept', () => {
  const due = (id: string, deadlineMs: number | null, more: Parameters<typeof simTask>[1] = {}) =>
    simTask(id, { promptTokens: 1000, outputTokens: 0, deadlineMs, ...more });

  it('are Moore and Hodgson’s, where all are there at once', () => {
    // From 2 s on, tasks of 1 s: two can be done by 4 s, one more by 5 s.
    const tasks = [4000, 4000, 4000, 5000, 5000].map((ms, n) => due(`t${n}`, ms));
    expect(deadlineHitsBound(simTrace(tasks), one, whole)).toBe(3);
  });

  it('give up the long one', () => {
    const tasks = [
      due('long', 6000, { promptTokens: 4000 }),
      due('t1', 7000),
      due('t2', 7000),
      due('t3', 7000),
    ];
    expect(deadlineHitsBound(simTrace(tasks), one, whole)).toBe(3);
  });

  it('leave out what is too late for itself, and what has none', () => {
    expect(deadlineHitsBound(simTrace([due('t0', 2999), due('t1', null)]), one, whole)).toBe(0);
    expect(deadlineHitsBound(simTrace([due('t0', 3000)]), one, whole)).toBe(1);
  });

  it('add up what is late in bursts that do not overlap', () => {
    const bursts = [10_000, 20_000, 30_000].flatMap((atMs) =>
      [0, 1, 2].map((n) => due(`t${atMs}-${n}`, atMs + 2000, { atMs })),
    );
    expect(deadlineHitsBound(simTrace(bursts), one, whole)).toBe(6);
  });
});

describe('the bound of unfairness', () => {
  it('is twice the largest request and the quantum, at the smallest weight', () => {
    const trace = simTrace([simTask('t0'), simTask('t1', { workspace: 'big' })], {
      models: [simModel('a', gib(3))],
      workspaces: [
        { name: 'home', weight: 1 },
        { name: 'big', weight: 4 },
      ],
    });
    const record = runRecord([
      taskRun('t0', { startedAtMs: 0, endedAtMs: 1000 }),
      taskRun('t1', { startedAtMs: 0, endedAtMs: 3000 }),
    ]);
    // Half of the VRAM for 1 s; 3 s at a quarter count less.
    expect(fairnessBound(record, trace, one, 100)).toBeCloseTo(2 * (500 + 100));
  });
});

describe('a heap', () => {
  it('gives back what was put in, in order', () =>
    fc.assert(
      fc.property(fc.array(fc.integer()), (items) => {
        const heap = new Heap<number>((a, b) => a < b);
        for (const item of items) heap.push(item);
        const out: number[] = [];
        for (let top = heap.peek(); top !== undefined; top = heap.peek()) {
          expect(heap.pop()).toBe(top);
          out.push(top);
        }
        expect(out).toEqual(items.toSorted((a, b) => a - b));
        expect(heap.size).toBe(0);
      }),
    ));
});
