import { describe, expect, it } from '@jest/globals';
import { cancelTask, changePriority, submitTask } from '#libs/domain/task/decide.js';
import type { TaskCancelled, TaskCompleted, TaskFailed, TaskSubmitted } from '#libs/domain/task/events.js';
import { IDEMPOTENCY_KEPT_MS, type TaskBook } from '#libs/domain/task/task-book.js';
import {
  dispatched,
  later,
  NOW,
  stepSpec,
  stoppedAttempt,
  submission,
  submitted,
  success,
  templateRegistered,
} from '#libs/testing/builders.js';
import { given } from '#libs/testing/spec.js';

const submit =
  (more: Partial<Omit<TaskSubmitted, 'type'>> = {}, openTasksMax = 10) =>
  (book: TaskBook) =>
    submitTask(submission(more), book, { openTasksMax });

const completed = (taskId = 't1'): TaskCompleted => ({
  type: 'task.completed',
  taskId,
  step: success(),
  result: 'r',
  at: NOW,
});
const failed = (taskId = 't1'): TaskFailed => ({
  type: 'task.failed',
  taskId,
  failure: { code: 'MODEL_ERROR', message: 'broken' },
  stopped: [],
  at: NOW,
});
const cancelled = (taskId = 't1'): TaskCancelled => ({
  type: 'task.cancelled',
  taskId,
  reason: 'not needed',
  stopped: [],
  at: NOW,
});
const cancel = (book: TaskBook) => cancelTask('t1', 'not needed', book, NOW);
const raise = (book: TaskBook) => changePriority('t1', 9, book, NOW);
const key = (requestHash: string) => ({ key: 'k1', requestHash });

describe('submitting a task', () => {
  it('accepts it with everything that was asked for', () =>
    given(templateRegistered)
      .when(submit({ parameters: { text: 'x' }, priority: 7 }))
      .then(submitted({ parameters: { text: 'x' }, priority: 7 })));

  it('refuses a template version that was never registered, and says what to do', () =>
    given(templateRegistered)
      .when(submit({ template: { name: 'summarize', version: 'sha256-2' } }))
      .thenRefused('TEMPLATE_VERSION_UNKNOWN', /summarize@sha256-2/, /register it/));

  it.each([
    ['open', []],
    ['completed', [completed()]],
    ['failed', [failed()]],
    ['cancelled', [cancelled()]],
  ])('finds the first task when its id is repeated and it is %s', (_, facts) =>
    given(templateRegistered, submitted(), ...facts)
      .when(submit())
      .thenRepeats('t1'),
  );
});

describe('an idempotency key', () => {
  const first = submitted({ idempotency: key('hash-1') });

  it('finds the first task when the same request is repeated under another task id', () =>
    given(templateRegistered, first)
      .when(submit({ taskId: 't2', idempotency: key('hash-1') }))
      .thenRepeats('t1'));

  it('still finds it when the first task is over', () =>
    given(templateRegistered, first, cancelled())
      .when(submit({ taskId: 't2', idempotency: key('hash-1') }))
      .thenRepeats('t1'));

  it('still finds it when the queue is full', () =>
    given(templateRegistered, first)
      .when(submit({ taskId: 't2', idempotency: key('hash-1') }, 1))
      .thenRepeats('t1'));

  it('refuses another request, and names the task that has the key', () =>
    given(templateRegistered, first)
      .when(submit({ taskId: 't2', idempotency: key('hash-2') }))
      .thenRefused('IDEMPOTENCY_KEY_REUSED', /'k1'/, /task t1/, /use a new key/));

  it('belongs to one workspace', () => {
    const other = { taskId: 't2', workspace: 'lab', idempotency: key('hash-2') };
    given(templateRegistered, first).when(submit(other)).then(submitted(other));
  });

  it('is kept for a day', () =>
    given(templateRegistered, first)
      .when(submit({ taskId: 't2', idempotency: key('hash-1'), submittedAt: later(IDEMPOTENCY_KEPT_MS) }))
      .thenRepeats('t1'));

  it('is forgotten after a day, even when nobody else has submitted meanwhile', () => {
    const again = {
      taskId: 't2',
      idempotency: key('hash-2'),
      submittedAt: later(IDEMPOTENCY_KEPT_MS + 1),
    };
    given(templateRegistered, first).when(submit(again)).then(submitted(again));
  });
});

describe('a submission that depends on other tasks', () => {
  it('is accepted while they are open', () =>
    given(templateRegistered, submitted())
      .when(submit({ taskId: 't2', dependsOn: ['t1'] }))
      .then(submitted({ taskId: 't2', dependsOn: ['t1'] })));

  it('is accepted when they have completed', () =>
    given(templateRegistered, submitted(), completed())
      .when(submit({ taskId: 't2', dependsOn: ['t1'] }))
      .then(submitted({ taskId: 't2', dependsOn: ['t1'] })));

  it('is refused when one is not a task', () =>
    given(templateRegistered, submitted())
      .when(submit({ taskId: 't2', dependsOn: ['t1', 'nobody'] }))
      .thenRefused('DEPENDENCY_UNKNOWN', /'nobody'/));

  it('is refused when it names itself', () =>
    given(templateRegistered)
      .when(submit({ taskId: 't2', dependsOn: ['t2'] }))
      .thenRefused('DEPENDENCY_UNKNOWN', /'t2'/));

  it.each([
    ['failed', failed()],
    ['cancelled', cancelled()],
  ])('is refused when one has %s', (ended, fact) =>
    given(templateRegistered, submitted(), fact)
      .when(submit({ taskId: 't2', dependsOn: ['t1'] }))
      .thenRefused('DEPENDENCY_FAILED', /'t1'/, new RegExp(ended)),
  );
});

describe('a full queue', () => {
  it('refuses the next task with both numbers', () =>
    given(templateRegistered, submitted())
      .when(submit({ taskId: 't2' }, 1))
      .thenRefused('QUEUE_FULL', /1 tasks are open and 1 are allowed/));

  it('takes one more task when there is room for exactly one', () =>
    given(templateRegistered, submitted())
      .when(submit({ taskId: 't2' }, 2))
      .then(submitted({ taskId: 't2' })));

  it('does not count tasks that are over', () =>
    given(templateRegistered, submitted(), completed())
      .when(submit({ taskId: 't2' }, 1))
      .then(submitted({ taskId: 't2' })));
});

describe('changing the priority', () => {
  const changed = { type: 'task.priority-changed', taskId: 't1', priority: 9, at: NOW } as const;

  it('is a fact while the task is queued', () => given(submitted()).when(raise).then(changed));
  it('is a fact while the task is running', () => given(submitted(), dispatched()).when(raise).then(changed));
  it('to the same value says nothing new', () => given(submitted(), changed).when(raise).thenNothing());
  it('of a task that nobody submitted is refused', () =>
    given(submitted({ taskId: 't2' }))
      .when(raise)
      .thenRefused('TASK_UNKNOWN', /'t1'/));
  it.each([
    ['completed', completed()],
    ['failed', failed()],
    ['cancelled', cancelled()],
  ])('of a task that has %s is refused', (ended, fact) =>
    given(submitted(), fact)
      .when(raise)
      .thenRefused('TASK_ALREADY_OVER', new RegExp(ended), /priority/),
  );
});

describe('cancelling', () => {
  const requested = { type: 'task.cancel-requested', taskId: 't1', reason: 'not needed', at: NOW } as const;
  const parallel = submitted({ steps: [stepSpec('a'), stepSpec('b')] });

  it('ends a queued task at once', () => given(submitted()).when(cancel).then(cancelled()));

  it('ends a task at once that only waits for its next attempt', () =>
    given(submitted(), dispatched(), {
      type: 'step.failed',
      taskId: 't1',
      step: {
        stepId: 'a',
        attempt: 1,
        leaseId: 'lease-a-1',
        serverId: 'gpu1',
        failure: { code: 'MODEL_ERROR', message: 'x' },
        endedAt: NOW,
      },
      retryAt: later(1000),
    })
      .when(cancel)
      .then(cancelled()));

  it('asks a running task to stop and leaves its lease with it', () => {
    given(submitted(), dispatched()).when(cancel).then(requested);
    given(submitted(), dispatched(), requested).whenTask('t1', (task) => {
      expect(task?.steps[0]?.progress).toMatchObject({ status: 'active', lease: { leaseId: 'lease-a-1' } });
      return [];
    });
  });

  it('says nothing new the second time', () =>
    given(submitted(), dispatched(), requested).when(cancel).thenNothing());

  it('says nothing new while the task is stopping because it failed', () =>
    given(parallel, dispatched('a'), dispatched('b'), {
      type: 'task.failing',
      taskId: 't1',
      failure: { code: 'MODEL_ERROR', message: 'x' },
      at: NOW,
    })
      .when(cancel)
      .thenNothing());

  it('says nothing new while one of two attempts is still stopping', () =>
    given(parallel, dispatched('a'), dispatched('b'), requested, {
      type: 'step.stopped',
      taskId: 't1',
      step: stoppedAttempt('confirmed', 'a'),
      at: NOW,
    })
      .when(cancel)
      .thenNothing());

  it('is refused for a task that nobody submitted', () =>
    given().when(cancel).thenRefused('TASK_UNKNOWN', /'t1'/));

  it.each([
    ['completed', completed()],
    ['failed', failed()],
    ['cancelled', cancelled()],
  ])('is refused for a task that has %s', (ended, fact) =>
    given(submitted(), fact).when(cancel).thenRefused('TASK_ALREADY_OVER', new RegExp(ended)),
  );
});
