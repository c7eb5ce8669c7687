import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { dispatched, NOW, stepSpec, submitted, success } from '#libs/testing/builders.js';
import { keptOf, pastTaskOf } from './past-task.js';

const steps = [stepSpec('a'), stepSpec('b', { needs: ['a'] }), stepSpec('c', { needs: ['b'] })];
const facts: readonly TaskEvent[] = [
  submitted({ steps, priority: 3 }),
  dispatched('a'),
  { type: 'step.completed', taskId: 't1', step: success('a', 1, 'A') },
  { type: 'task.priority-changed', taskId: 't1', priority: 8, at: NOW },
  { type: 'step.completed', taskId: 't1', step: success('b', 1, 'B') },
  { type: 'task.completed', taskId: 't1', step: success('c', 1, 'C'), result: 1, at: NOW },
];

describe('a past task', () => {
  it('has its submission, its last priority and the outputs of its steps', () => {
    const past = pastTaskOf(facts);
    expect(past).toMatchObject({ submitted: { taskId: 't1' }, priority: 8 });
    expect([...past.outputs]).toEqual([
      ['a', 'A'],
      ['b', 'B'],
      ['c', 'C'],
    ]);
  });

  it('that kept outputs itself hands them on', () => {
    const kept = [{ stepId: 'a', output: 'from before' }];
    expect(keptOf(pastTaskOf([submitted({ steps, rerunOf: 't0', kept })]), 'b')).toEqual(kept);
  });

  it('keeps nothing for a run from its start, and what does not depend on a step for one from there', () => {
    expect(keptOf(pastTaskOf(facts), undefined)).toEqual([]);
    expect(keptOf(pastTaskOf(facts), 'c')).toEqual([
      { stepId: 'a', output: 'A' },
      { stepId: 'b', output: 'B' },
    ]);
  });

  it('refuses a step that it does not have, and outputs that no event can hold', () => {
    expect(() => keptOf(pastTaskOf(facts), 'x')).toThrow(/'x' is not a step of task t1; accepted: a, b, c/);
    const large: TaskEvent = {
      type: 'step.completed',
      taskId: 't1',
      step: success('a', 1, 'x'.repeat(1024 * 1024)),
    };
    expect(() => keptOf(pastTaskOf([submitted({ steps }), large]), 'b')).toThrow(
      /bytes, and one event holds/,
    );
  });
});
