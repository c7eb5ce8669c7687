import { describe, expect, it } from '@jest/globals';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import { matchesAny } from '#libs/event-log/subject-matches.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { failureOf, NOW } from '#libs/testing/builders.js';
import { taskStories } from '#libs/testing/task-stories.js';
import { endedLeases, ENDING_SUBJECTS, unconfirmedLeases } from './task-follower.js';

const FAILURE = { code: 'STEP_TIMED_OUT', message: 'late', details: { confirmed: false } } as const;

const { tasks } = taskStories(200);
const subjectOf = (fact: (typeof tasks)[number]): string =>
  SUBJECTS.task(fact.taskId, subjectToken(fact.type));

const timedOut = (confirmed: boolean): TaskEvent => ({
  type: 'step.failed',
  taskId: 't1',
  step: failureOf('a', 1, { code: 'STEP_TIMED_OUT', message: 'late', details: { confirmed } }),
  retryAt: NOW,
});

describe('an attempt that ran out of time', () => {
  it('has its slot freed at once where the server was seen free, and only once that is certain where it was not', () => {
    const released = unconfirmedLeases(timedOut(true));
    expect(released).toEqual([]);
    const { leaseId } = (timedOut(false) as Extract<TaskEvent, { readonly type: 'step.failed' }>).step;
    expect(unconfirmedLeases(timedOut(false))).toEqual([leaseId]);
    const last = { type: 'task.failed', taskId: 't1', failure: FAILURE, stopped: [], at: NOW } as const;
    expect(unconfirmedLeases({ ...last, step: failureOf('a', 1, FAILURE) })).toEqual([leaseId]);
    expect(
      unconfirmedLeases({ ...last, step: failureOf('a', 1, { ...FAILURE, code: 'MODEL_ERROR' }) }),
    ).toEqual([]);
  });
});

describe('what the allocator reads of TASKS', () => {
  it('includes every fact that ends an attempt', () => {
    const ending = tasks.filter((fact) => endedLeases(fact).length > 0);
    expect(new Set(ending.map(({ type }) => type)).size).toBeGreaterThan(4);
    expect(ending.filter((fact) => !matchesAny(ENDING_SUBJECTS, subjectOf(fact)))).toEqual([]);
  });

  it('leaves out submissions and dispatches, which are most of the log', () => {
    const others = tasks.filter(({ type }) => type === 'task.submitted' || type === 'step.dispatched');
    expect(others.length).toBeGreaterThan(tasks.length / 3);
    expect(others.filter((fact) => matchesAny(ENDING_SUBJECTS, subjectOf(fact)))).toEqual([]);
  });
});
