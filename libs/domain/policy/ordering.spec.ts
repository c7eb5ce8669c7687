import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { before, compareSteps } from '#libs/domain/policy/ordering.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { NOW_MS, readyStep } from '#libs/testing/builders.js';

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
      name: 'the log and not the clock says who is older',
      first: { seq: 1, submittedAtMs: NOW_MS + 5000 },
      second: { seq: 2, submittedAtMs: NOW_MS },
    },
  ])('$name goes first', ({ first, second }) => {
    expect(compareSteps(step(first), step(second))).toBeLessThan(0);
    expect(compareSteps(step(second), step(first))).toBeGreaterThan(0);
    expect([before(step(first), step(second)), before(step(second), step(first))]).toEqual([true, false]);
  });

  it('puts no step before itself', () => {
    expect(compareSteps(step({}), step({}))).toBe(0);
    expect(before(step({}), step({}))).toBe(false);
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
        expect(other.toSorted(compareSteps)).toEqual(all.toSorted(compareSteps));
      }),
    );
  });
});
