import { describe, expect, it } from '@jest/globals';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import { matchesAny } from '#libs/event-log/subject-matches.js';
import { taskStories } from '#libs/testing/task-stories.js';
import { endedLeases, ENDING_SUBJECTS } from './task-follower.js';

const { tasks } = taskStories(200);
const subjectOf = (fact: (typeof tasks)[number]): string =>
  SUBJECTS.task(fact.taskId, subjectToken(fact.type));

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
