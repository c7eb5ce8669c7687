import { describe, expect, it } from '@jest/globals';
import { cancelWorkflow, submissionsOf, submitWorkflow } from '#libs/domain/task/decide-workflow.js';
import { submitTask } from '#libs/domain/task/decide.js';
import type { WorkflowSubmitted } from '#libs/domain/task/scheduler-events.js';
import { dependencyEnded } from '#libs/domain/task/outcome.js';
import {
  dispatched,
  later,
  NOW,
  submission,
  submitted,
  success,
  templateRegistered,
  workflowOf,
  type WorkflowEdge,
} from '#libs/testing/builders.js';
import { bookOf, given } from '#libs/testing/spec.js';

const LIMITS = { openTasksMax: 10 };
const edge = (onFailure: WorkflowEdge['onFailure'], isRead = false): WorkflowEdge => ({ onFailure, isRead });
const pair = (onFailure: WorkflowEdge['onFailure']): WorkflowSubmitted => ({
  type: 'workflow.submitted',
  ...workflowOf('w', 2, [edge(onFailure)]),
});
const begun = (workflow: WorkflowSubmitted) =>
  [templateRegistered, workflow, ...submissionsOf(workflow)] as const;

describe('submitting a workflow', () => {
  const wanted = workflowOf('w', 2, [edge('skip', true)]);

  it('accepts it by one fact, and each of its tasks behind it', () =>
    given(templateRegistered)
      .when((book) => submitWorkflow(wanted, book, LIMITS))
      .then(
        { type: 'workflow.submitted', ...wanted },
        submitted({
          taskId: 'w-0',
          workflow: { workflowId: 'w', task: 'task0', needs: [], uses: [] },
        }),
        submitted({
          taskId: 'w-1',
          dependsOn: ['w-0'],
          workflow: {
            workflowId: 'w',
            task: 'task1',
            needs: [{ task: 'task0', taskId: 'w-0', onFailure: 'skip' }],
            uses: [{ task: 'task0', taskId: 'w-0' }],
          },
        }),
      ));

  it('finds the first when it comes again, also under another id with the same key', () => {
    const idempotency = { key: 'k', requestHash: 'h' };
    const keyed = { ...wanted, idempotency };
    const facts = begun({ type: 'workflow.submitted', ...keyed });
    given(...facts)
      .when((book) => submitWorkflow(keyed, book, LIMITS))
      .thenRepeats('w');
    given(...facts)
      .when((book) => submitWorkflow({ ...workflowOf('other', 2), idempotency }, book, LIMITS))
      .thenRepeats('w');
    const another = { ...workflowOf('other', 1), idempotency: { key: 'k', requestHash: 'x' } };
    given(...facts)
      .when((book) => submitWorkflow(another, book, LIMITS))
      .thenRefused('IDEMPOTENCY_KEY_REUSED', /'k' was used for workflow w/);
    given(...facts)
      .when((book) => submitTask(submission({ idempotency: { key: 'k', requestHash: 'x' } }), book, LIMITS))
      .thenRefused('IDEMPOTENCY_KEY_REUSED', /workflow w/);
  });

  it('refuses all of it where one task has no place or no template', () => {
    given(templateRegistered, submitted())
      .when((book) => submitWorkflow(wanted, book, { openTasksMax: 2 }))
      .thenRefused('QUEUE_FULL', /has 2 tasks, 1 are open, and 2 are allowed/);
    given()
      .when((book) => submitWorkflow(wanted, book, LIMITS))
      .thenRefused('TEMPLATE_VERSION_UNKNOWN', /summarize/);
  });

  it('refuses what would wait for ever', () => {
    const { tasks } = wanted;
    given(templateRegistered)
      .when((book) => submitWorkflow({ ...wanted, tasks: tasks.toReversed() }, book, LIMITS))
      .thenRefused('WORKFLOW_INVALID', /'task1' comes before 'task0'/);
    given(templateRegistered)
      .when((book) => submitWorkflow({ ...wanted, tasks: [] }, book, LIMITS))
      .thenRefused('WORKFLOW_INVALID', /no tasks/);
    given(templateRegistered, submitted({ taskId: 'w-1' }))
      .when((book) => submitWorkflow(wanted, book, LIMITS))
      .thenRefused('TASK_EXISTS', /'task1' has the id w-1/);
  });
});

describe('the end of a task that another one needs', () => {
  const failed = {
    type: 'task.failed',
    taskId: 'w-0',
    failure: { code: 'MODEL_ERROR', message: 'x' },
    stopped: [],
    at: NOW,
  } as const;
  const ended = (onFailure: WorkflowEdge['onFailure'], how: 'failed' | 'cancelled' = 'failed') => {
    const cancelled = { type: 'task.cancelled', taskId: 'w-0', reason: 'x', stopped: [], at: NOW } as const;
    return given(...begun(pair(onFailure)), how === 'failed' ? failed : cancelled).when((book) => {
      const task = book.open.get('w-1');
      return task ? dependencyEnded(task, 'w-0', book, later(1)) : [];
    });
  };
  const details = { dependency: 'w-0', task: 'task0' };

  it('fails it, and says by which', () =>
    ended('fail').then({
      type: 'task.failed',
      taskId: 'w-1',
      failure: {
        code: 'DEPENDENCY_FAILED',
        message: "Task 'task0' (w-0), which this task depends on, has failed.",
        details,
      },
      stopped: [],
      at: later(1),
    }));

  it('leaves it out, which is no failure', () =>
    ended('skip', 'cancelled').then({
      type: 'task.cancelled',
      taskId: 'w-1',
      reason: 'skipped',
      skipped: {
        code: 'DEPENDENCY_SKIPPED',
        message: "Task 'task0' (w-0), which this task depends on, has cancelled.",
        details,
      },
      stopped: [],
      at: later(1),
    }));

  it('lets it run all the same', () => ended('continue').thenNothing());
});

describe('cancelling a workflow', () => {
  it('ends what waits before what it waits for, and asks what runs to stop', () =>
    given(...begun(pair('continue')), dispatched('a', 1, { taskId: 'w-0' }))
      .when((book) => cancelWorkflow('w', 'enough', book, NOW))
      .then(
        { type: 'task.cancelled', taskId: 'w-1', reason: 'enough', stopped: [], at: NOW },
        { type: 'task.cancel-requested', taskId: 'w-0', reason: 'enough', at: NOW },
      ));

  it('is refused for one that is over, and for one that never was', () => {
    const one: WorkflowSubmitted = { type: 'workflow.submitted', ...workflowOf('w', 1) };
    const over = { type: 'task.completed', taskId: 'w-0', step: success(), result: 1, at: NOW } as const;
    given(...begun(one), dispatched('a', 1, { taskId: 'w-0' }), over)
      .when((book) => cancelWorkflow('w', 'enough', book, NOW))
      .thenRefused('WORKFLOW_ALREADY_OVER', /workflow w/);
    given()
      .when((book) => cancelWorkflow('nobody', 'enough', book, NOW))
      .thenRefused('WORKFLOW_UNKNOWN', /'nobody'/);
  });
});

describe('the result of a task', () => {
  it('is kept while an open task reads it, and no longer', () => {
    const workflow: WorkflowSubmitted = {
      type: 'workflow.submitted',
      ...workflowOf('w', 3, [edge('fail', true), edge('fail', false), edge('fail', false)]),
    };
    const completed = (taskId: string) =>
      ({ type: 'task.completed', taskId, step: success(), result: `${taskId} made it`, at: NOW }) as const;
    const facts = begun(workflow);
    const resultsAfter = (...more: readonly ReturnType<typeof completed>[]) => [
      ...bookOf([...facts, ...more]).results,
    ];
    expect(resultsAfter()).toEqual([['w-0', { users: 1, result: null }]]);
    expect(resultsAfter(completed('w-0'))).toEqual([['w-0', { users: 1, result: 'w-0 made it' }]]);
    expect(resultsAfter(completed('w-0'), completed('w-1'))).toEqual([]);
  });
});
