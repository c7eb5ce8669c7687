import { describe, expect, it } from '@jest/globals';
import { successesIn, toldApart } from '#libs/domain/task/told-apart.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { NOW, success } from '#libs/testing/builders.js';

const stored = {
  name: 'report.txt',
  object: 't1/x',
  sizeBytes: 1,
  digest: 'sha256:0',
  contentType: 'text/plain',
};
const step = { ...success('a'), artifacts: [stored] };
const own = { taskId: 't1', at: NOW };

describe('the steps that an event says have succeeded', () => {
  it.each<{ readonly name: string; readonly event: TaskEvent }>([
    { name: 'a step of several', event: { type: 'step.completed', taskId: 't1', step } },
    { name: 'the last one', event: { type: 'task.completed', ...own, step, result: null } },
    {
      name: 'the last one before those at the end',
      event: {
        type: 'task.finishing',
        ...own,
        end: { status: 'completed', result: null, last: { step } },
        until: NOW,
      },
    },
    {
      name: 'the last one at the end of a task that was cancelled',
      event: { type: 'task.cancelled', ...own, reason: 'enough', stopped: [], last: { step } },
    },
  ])('are there with what they have stored, once: $name', ({ event }) =>
    expect(successesIn(event).map(({ artifacts }) => artifacts)).toEqual([[stored]]),
  );

  it('are none of a task that only ends', () =>
    expect(successesIn({ type: 'task.cancelled', ...own, reason: 'enough', stopped: [] })).toEqual([]));
});

describe('an event that says several things', () => {
  it('is told with the end of the step first', () => {
    const event: TaskEvent = {
      type: 'task.finishing',
      ...own,
      end: { status: 'completed', result: 1, last: { step } },
      until: NOW,
    };
    expect(toldApart(event).map(({ type, taskId }) => [type, taskId])).toEqual([
      ['step.completed', 't1'],
      ['task.finishing', 't1'],
    ]);
  });
});
