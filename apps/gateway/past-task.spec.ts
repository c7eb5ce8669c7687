import 'reflect-metadata';
import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { dispatched, NOW, stepSpec, submitted, success } from '#libs/testing/builders.js';
import { dependenciesOf, keptOf, pastTaskOf } from './past-task.js';

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
    expect([...past.over.values()]).toEqual([
      { stepId: 'a', output: 'A' },
      { stepId: 'b', output: 'B' },
      { stepId: 'c', output: 'C' },
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

  it('waits for what the old one waited for, and outside of its workflow for no edge that goes on', () => {
    expect(dependenciesOf(pastTaskOf([submitted({ dependsOn: ['t0'] })]))).toEqual(['t0']);
    const needs = [
      { task: 'x', taskId: 'w-x', onFailure: 'fail' },
      { task: 'y', taskId: 'w-y', onFailure: 'continue' },
      { task: 'z', taskId: 'w-z', onFailure: 'skip' },
    ] as const;
    const workflow = { workflowId: 'w', task: 'it', needs, uses: [] };
    const dependsOn = needs.map(({ taskId }) => taskId);
    expect(dependenciesOf(pastTaskOf([submitted({ dependsOn, workflow })]))).toEqual(['w-x', 'w-z']);
  });

  it('is not run again alone where its parameters read results of its workflow', () => {
    const uses = [{ task: 'draft', taskId: 'w-d' }];
    const past = pastTaskOf([submitted({ workflow: { workflowId: 'w', task: 'it', needs: [], uses } })]);
    expect(() => dependenciesOf(past)).toThrow(/task t1 read results of draft in workflow w; submit/);
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
