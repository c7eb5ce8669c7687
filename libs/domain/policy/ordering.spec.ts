import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareSteps, type Ranking } from '#libs/domain/policy/ordering.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { NOW_MS, readyStep } from '#libs/testing/builders.js';
import { PLAIN } from '#libs/testing/snapshots.js';

const step = (more: Partial<ReadyStep>): ReadyStep => readyStep('t', more);

describe('the order of ready steps', () => {
  it.each<{ name: string; first: Partial<ReadyStep>; second: Partial<ReadyStep> }>([
    { name: 'higher priority', first: { priority: 6 }, second: { priority: 5 } },
    { name: 'priority before age', first: { priority: 10, seq: 900 }, second: { priority: 9, seq: 1 } },
    { name: 'the older task of equal priority', first: { seq: 1 }, second: { seq: 2 } },
    { name: 'age as a number, not as text', first: { seq: 9 }, second: { seq: 10 } },
    {
      name: 'age before the name of the step',
      first: { seq: 1, stepId: 'z' },
      second: { seq: 2, stepId: 'a' },
    },
    { name: 'the name of the step within a task', first: { stepId: 'a' }, second: { stepId: 'b' } },
    {
      name: 'a minute of waiting for each level of priority',
      first: { priority: 5, submittedAtMs: NOW_MS },
      second: { priority: 7, submittedAtMs: NOW_MS + 120_001 },
    },
    {
      name: 'priority, while the wait is worth less',
      first: { priority: 7, submittedAtMs: NOW_MS + 119_999 },
      second: { priority: 5, submittedAtMs: NOW_MS },
    },
    {
      name: 'a deadline that is near',
      first: { urgentByMs: NOW_MS + 5_000, priority: 1 },
      second: { priority: 10 },
    },
    {
      name: 'the nearest deadline',
      first: { urgentByMs: NOW_MS + 5_000, priority: 1 },
      second: { urgentByMs: NOW_MS + 6_000, priority: 10 },
    },
    {
      name: 'the higher priority of equal deadlines',
      first: { urgentByMs: NOW_MS, priority: 6 },
      second: { urgentByMs: NOW_MS, priority: 5, submittedAtMs: NOW_MS - 600_000 },
    },
    {
      name: 'what a person has put before it, whatever its priority',
      first: { priority: 1, seq: 9, place: { priority: 5, fromMs: NOW_MS, seq: 1, nth: [-1] } },
      second: {},
    },
    {
      name: 'a higher priority than that of the place where somebody has put it',
      first: { priority: 6 },
      second: { priority: 10, place: { priority: 5, fromMs: NOW_MS, seq: 1, nth: [-1] } },
    },
    {
      name: 'a near deadline before what a person has put first',
      first: { urgentByMs: NOW_MS, priority: 1 },
      second: { place: { priority: 10, fromMs: 0, seq: 1, nth: [-1] } },
    },
    {
      name: 'age of equal deadlines, wherever somebody has put them',
      first: { urgentByMs: NOW_MS, seq: 1 },
      second: { urgentByMs: NOW_MS, seq: 2, place: { priority: 10, fromMs: 0, seq: 1, nth: [-1] } },
    },
  ])('$name goes first', ({ first, second }) => {
    expect(compareSteps(PLAIN)(step(first), step(second))).toBeLessThan(0);
    expect(compareSteps(PLAIN)(step(second), step(first))).toBeGreaterThan(0);
  });

  it('puts no step before itself', () => {
    expect(compareSteps(PLAIN)(step({}), step({}))).toBe(0);
  });

  it('puts the workspace that has had less before deadlines and priorities', () => {
    const ranking: Ranking = { ...PLAIN, levelOf: (workspace) => (workspace === 'greedy' ? 1 : 0) };
    const greedy = step({ workspace: 'greedy', priority: 10, urgentByMs: NOW_MS });
    expect(compareSteps(ranking)(step({ workspace: 'modest', priority: 1 }), greedy)).toBeLessThan(0);
  });

  it('puts what must run before all else', () => {
    const ranking: Ranking = {
      ...PLAIN,
      someMustRun: true,
      mustRun: ({ seq }) => seq === 7,
      levelOf: (workspace) => (workspace === 'greedy' ? 1 : 0),
    };
    const overtaken = step({ workspace: 'greedy', priority: 1, seq: 7 });
    const urgent = step({ workspace: 'modest', priority: 10, urgentByMs: NOW_MS });
    expect(compareSteps(ranking)(overtaken, urgent)).toBeLessThan(0);
  });

  it('is the same whatever order the steps came in', () => {
    const steps = fc.uniqueArray(
      fc.record({
        priority: fc.integer({ min: 1, max: 3 }),
        seq: fc.integer({ min: 1, max: 5 }),
        stepId: fc.constantFrom('a', 'b', 'c'),
      }),
      { selector: ({ priority, seq, stepId }) => `${priority}/${seq}/${stepId}` },
    );
    fc.assert(
      fc.property(steps, fc.integer(), (some, turn) => {
        const all = some.map(step);
        const at = all.length === 0 ? 0 : Math.abs(turn) % all.length;
        const other = [...all.slice(at), ...all.slice(0, at)].toReversed();
        expect(other.toSorted(compareSteps(PLAIN))).toEqual(all.toSorted(compareSteps(PLAIN)));
      }),
    );
  });
});
