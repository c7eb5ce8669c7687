import { describe, expect, it } from '@jest/globals';
import type { MainEnd, TaskEvent } from '#libs/domain/task/events.js';
import type { Waited } from '#libs/domain/task/waiting-events.js';
import { NOW, stepSpec, submitted, success, TEMPLATE } from '#libs/testing/builders.js';
import { ChildAudit } from './child-audit.js';
import { Findings } from './findings.js';

const STEPS = [stepSpec('a', { waits: 'task' })];
const PARENT = submitted({ steps: STEPS });
const child = (taskId = 'c1', depth = 1): TaskEvent =>
  submitted({ taskId, parent: { taskId: 't1', stepId: 'a', attempt: 1, depth } });
const waits = (childTaskId = 'c1'): TaskEvent => ({
  type: 'step.waiting',
  taskId: 't1',
  stepId: 'a',
  waiting: { kind: 'task', childTaskId, template: TEMPLATE, attempt: 1 },
  at: NOW,
});
const failed = (taskId: string, waited?: Waited): TaskEvent => ({
  type: 'task.failed',
  taskId,
  failure: { code: 'MODEL_ERROR', message: 'broken' },
  stopped: [],
  at: NOW,
  ...(waited ? { waited } : {}),
});
const completed: TaskEvent = { type: 'task.completed', taskId: 'c1', step: success('s'), result: 1, at: NOW };
const DONE: Waited = { stepId: 'a', waitingSeq: 3, output: 1 };
const goesOn = (waited: Waited = DONE): TaskEvent => ({ type: 'step.waited', taskId: 't1', waited, at: NOW });

const finishing = (end: MainEnd): TaskEvent => ({
  type: 'task.finishing',
  taskId: 't1',
  end,
  until: NOW,
  at: NOW,
});
const ENDED: MainEnd = { status: 'completed', result: 1, last: { waited: DONE } };

const foundIn = (...events: readonly TaskEvent[]): readonly string[] => {
  const findings = new Findings();
  const audit = new ChildAudit('TASKS', findings);
  for (const [place, { type, ...data }] of events.entries())
    audit.take({
      seq: place + 1,
      subject: '',
      id: `e-${place}`,
      type,
      version: 1,
      time: NOW,
      epoch: 1,
      prevHash: '',
      data,
      payload: '',
    });
  return findings.kept.map(({ message }) => message);
};

describe('the audit of tasks that steps submit', () => {
  it('finds nothing where one follows on another', () => {
    const failure = { code: 'CHILD_TASK_FAILED', message: 'm' } as const;
    const again: Waited = { stepId: 'a', waitingSeq: 3, failure, retryAt: NOW };
    expect(
      foundIn(PARENT, child(), waits(), failed('c1'), goesOn(again), child('c2'), waits('c2'), failed('c2')),
    ).toEqual([]);
    expect(foundIn(PARENT, child(), waits(), completed, goesOn())).toEqual([]);
    expect(foundIn(PARENT, child(), waits(), completed, finishing(ENDED), failed('t1'))).toEqual([]);
  });

  it.each([
    ['a child for which nobody waits next', [PARENT, child(), completed], /came before that waited/],
    ['a child of nobody', [child(), waits()], /which was not open/],
    ['a wrong depth', [PARENT, child('c1', 2), waits()], /with 2 above it, where there are 1/],
    [
      'two children at once',
      [PARENT, child(), waits(), child('c2'), waits('c2')],
      /which waited for task c1/,
    ],
    ['a wait for another task', [PARENT, waits()], /which did not begin for it/],
    ['a step that goes on too early', [PARENT, child(), waits(), goesOn()], /before task c1 had ended/],
    [
      'a step that is done by a child that failed',
      [PARENT, child(), waits(), failed('c1'), goesOn()],
      /as done, and task c1 ended with task.failed/,
    ],
    ['a task that ends before its child', [PARENT, child(), waits(), failed('t1')], /before its task c1/],
    [
      'a task that comes to its end before its child',
      [PARENT, child(), waits(), finishing({ status: 'cancelled', reason: 'enough', stopped: [] })],
      /task.finishing of task t1 before its task c1/,
    ],
    [
      'a step that is done by a child that failed, where that brings its task to its end',
      [PARENT, child(), waits(), failed('c1'), finishing(ENDED)],
      /as done, and task c1 ended with task.failed/,
    ],
  ] as const)('finds %s', (_, events, said) => {
    const found = foundIn(...events);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(said);
  });
});
