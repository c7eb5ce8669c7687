import { describe, expect, it } from '@jest/globals';
import { cancelTask, dispatchStep } from './decide.js';
import { decideStep } from './conditions.js';
import { cancelTasks } from './cancel-tasks.js';
import type { MainEnd, TaskEvent, TaskFinishing } from './events.js';
import { failStep } from './fail-step.js';
import { forceCancel } from './force-cancel.js';
import { keptProblem, stepsToKeep } from './kept-steps.js';
import { recordReport, type Outcome } from './outcome.js';
import { expireTask, expiresAtMs } from './queue-time.js';
import { readableOutcomes } from './step-outcomes.js';
import { TaskIndex } from './task-index.js';
import type { OpenTask } from './task.js';
import {
  circumstances,
  dispatched,
  failureOf,
  later,
  leaseOf,
  NOW,
  NOW_MS,
  report,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf, given } from '#libs/testing/spec.js';

const LIMIT_MS = 60_000;
const atEnd = { limitMs: LIMIT_MS };
const FINAL = { code: 'STEP_INPUT_INVALID', message: 'temperature is not a number' } as const;
const UNREADABLE = { code: 'TEMPLATE_RENDER_FAILED', message: 'undefined variable' } as const;

/** `a` and `b` beside each other, then `report` and behind it `clean`, whatever came. */
const task = submitted({
  steps: [
    stepSpec('a'),
    stepSpec('b'),
    stepSpec('report', { atEnd }),
    stepSpec('clean', { atEnd, needs: ['report'] }),
  ],
});
const one = submitted({ steps: [stepSpec('a'), stepSpec('report', { atEnd })] });
const optional = submitted({ steps: [stepSpec('a'), stepSpec('report', { atEnd, onFailure: 'continue' })] });
const finishing = (end: MainEnd): TaskFinishing => ({
  type: 'task.finishing',
  taskId: 't1',
  end,
  until: later(LIMIT_MS),
  at: NOW,
});
const completed = finishing({ status: 'completed', result: 'r', last: { step: success('a') } });
const failed = finishing({ status: 'failed', failure: FINAL, step: failureOf('a', 1, FINAL), stopped: [] });
const cancelled = finishing({
  status: 'cancelled',
  reason: 'enough',
  stopped: [stoppedAttempt('confirmed')],
});
const cancelRequested: TaskEvent = { type: 'task.cancel-requested', taskId: 't1', reason: 'enough', at: NOW };

const take =
  (outcome: Outcome, stepId = 'a', result: unknown = 'r') =>
  (open: OpenTask | undefined) =>
    recordReport(
      open,
      report(outcome, stepId),
      circumstances({ result: () => ({ ok: true, result }), at: NOW }),
    );
const DONE = (stepId: string): Outcome => ({ kind: 'completed', output: `${stepId} done` });
const BROKEN: Outcome = { kind: 'failed', failure: FINAL };
const dispatch = (stepId: string) => (open: OpenTask | undefined) =>
  dispatchStep(open, { stepId, attempt: 1, lease: leaseOf(stepId), input: {}, at: NOW }, new Map());
const openAfter = (...facts: readonly TaskEvent[]): OpenTask => {
  const open = bookOf(facts).open.get('t1');
  if (open === undefined) throw new Error('t1 is not open');
  return open;
};
const done = (stepId: string): TaskEvent => ({ type: 'step.completed', taskId: 't1', step: success(stepId) });

describe('steps at the end of a task', () => {
  it('begin when all others have ended, and these no more then', () => {
    given(one).whenTask('t1', dispatch('report')).thenNothing();
    expect(dispatch('report')(openAfter(one, dispatched('a'), completed))).toMatchObject([
      { type: 'step.dispatched', stepId: 'report' },
    ]);
    given(task, dispatched('a'), failed).whenTask('t1', dispatch('b')).thenNothing();
    given(task, dispatched('a'), failed).whenTask('t1', dispatch('clean')).thenNothing();
  });

  it('follow on a completion, a failure and a cancel', () => {
    given(one, dispatched('a'))
      .whenTask('t1', take(DONE('a')))
      .then(completed);
    given(one, dispatched('a')).whenTask('t1', take(BROKEN)).then(failed);
    given(one, dispatched('a'), cancelRequested)
      .whenTask('t1', take({ kind: 'cancelled', confirmed: true }))
      .then(cancelled);
  });

  it('do not follow where nothing had begun', () => {
    const end = { type: 'task.cancelled', taskId: 't1', reason: 'enough', stopped: [], at: NOW };
    expect(cancelTask('t1', 'enough', bookOf([task]), NOW)).toEqual([end]);
  });

  it('follow on a cancel between two steps', () => {
    const past = [task, dispatched('a'), done('a')];
    expect(cancelTask('t1', 'enough', bookOf(past), NOW)).toEqual([
      finishing({ status: 'cancelled', reason: 'enough', stopped: [] }),
    ]);
  });

  it('see how the task and each of its steps have ended', () => {
    expect(readableOutcomes(openAfter(task, dispatched('a'), failed))).toEqual({
      steps: {
        a: { status: 'failed', output: null, error: FINAL },
        b: { status: 'cancelled', output: null, error: null },
      },
      task: { status: 'failed', error: { ...FINAL, step: 'a' } },
    });
    expect(readableOutcomes(openAfter(one, dispatched('a'), completed))).toEqual({
      steps: { a: { status: 'completed', output: 'a done', error: null } },
      task: { status: 'completed', error: null },
    });
    expect(readableOutcomes(openAfter(one, dispatched('a')))).toEqual({ steps: {} });
  });
});

describe('the end of a task with steps there', () => {
  const past = (end: TaskFinishing) => [one, dispatched('a'), end, dispatched('report')] as const;

  it('is as it had come', () => {
    const last = { step: success('report') };
    const ends = (end: TaskFinishing) =>
      given(...past(end)).whenTask('t1', take(DONE('report'), 'report', 'not this'));
    ends(completed).then({ type: 'task.completed', taskId: 't1', ...last, result: 'r', at: NOW });
    ends(failed).then({ type: 'task.failed', taskId: 't1', failure: FINAL, stopped: [], last, at: NOW });
    ends(cancelled).then({
      type: 'task.cancelled',
      taskId: 't1',
      reason: 'enough',
      stopped: [],
      last,
      at: NOW,
    });
  });

  it('is a failure where one of them has failed, and nothing had before', () => {
    const [event] = take(BROKEN, 'report')(openAfter(...past(completed)));
    expect(event).toMatchObject({
      type: 'task.failed',
      failure: {
        code: 'FINALLY_FAILED',
        message: expect.stringContaining("'report'"),
        details: { stepId: 'report', code: FINAL.code },
      },
      last: { abandoned: failureOf('report', 1, FINAL) },
    });
    expect(take(BROKEN, 'report')(openAfter(...past(failed)))).toMatchObject([
      { type: 'task.failed', failure: FINAL },
    ]);
    expect(take(BROKEN, 'report')(openAfter(...past(cancelled)))).toMatchObject([{ type: 'task.cancelled' }]);
    expect(
      take(BROKEN, 'report')(openAfter(optional, dispatched('a'), completed, dispatched('report'))),
    ).toMatchObject([{ type: 'task.completed', result: 'r' }]);
  });

  it('waits for those behind one that has failed or cannot begin', () => {
    const begun = [task, dispatched('a'), failed] as const;
    given(...begun, dispatched('report'))
      .whenTask('t1', take(BROKEN, 'report'))
      .then({ type: 'step.abandoned', taskId: 't1', step: failureOf('report', 1, FINAL) });
    const impossible = { stepId: 'report', failure: UNREADABLE };
    given(...begun)
      .whenTask('t1', (open) => (open ? failStep(open, impossible, NOW) : []))
      .then({ type: 'step.impossible', taskId: 't1', ...impossible, at: NOW });
    expect(failStep(openAfter(one, dispatched('a'), completed), impossible, NOW)).toMatchObject([
      { type: 'task.failed', failure: { code: 'FINALLY_FAILED' }, last: { impossible } },
    ]);
  });

  it('comes by a condition that leaves the last one out', () => {
    const maybe = submitted({ steps: [stepSpec('a'), stepSpec('report', { atEnd, conditional: true })] });
    const decide = (holds: boolean) => (open: OpenTask | undefined) =>
      decideStep(open, { stepId: 'report', holds }, circumstances({}));
    given(maybe).whenTask('t1', decide(false)).thenNothing();
    given(maybe, dispatched('a'), failed)
      .whenTask('t1', decide(false))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: FINAL,
        stopped: [],
        last: { skipped: 'report' },
        at: circumstances({}).at,
      });
  });

  it('comes when their time is over, once what runs has stopped', () => {
    const open = openAfter(one, dispatched('a'), completed);
    expect([expiresAtMs(openAfter(one)), expiresAtMs(open)]).toEqual([null, NOW_MS + LIMIT_MS]);
    expect(expireTask(open, NOW_MS + LIMIT_MS - 1)).toEqual([]);
    expect(expireTask(open, NOW_MS + LIMIT_MS)).toMatchObject([
      { type: 'task.failed', failure: { code: 'FINALLY_TIMED_OUT' }, cut: 'time' },
    ]);
    const running = openAfter(...past(cancelled));
    const [stop] = expireTask(running, NOW_MS + LIMIT_MS);
    expect(stop).toMatchObject({ type: 'task.failing', failure: { code: 'FINALLY_TIMED_OUT' } });
    if (stop?.type !== 'task.failing') throw new Error('it was not asked to stop');
    given(...past(cancelled), stop)
      .whenTask('t1', take({ kind: 'cancelled', confirmed: true }, 'report'))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'enough',
        stopped: [stoppedAttempt('confirmed', 'report')],
        cut: 'time',
        at: NOW,
      });
  });
});

describe('a cancel of a task that has come to its end', () => {
  const running = [one, dispatched('a'), cancelled, dispatched('report')] as const;
  const cancel = (...facts: readonly TaskEvent[]) => cancelTask('t1', 'again', bookOf(facts), NOW);
  const force = (...facts: readonly TaskEvent[]) => forceCancel('t1', 'now', bookOf(facts), NOW);

  it('adds nothing to another one, and is refused after another end', () => {
    expect(cancel(...running)).toEqual([]);
    expect(cancel(one, dispatched('a'), completed)).toMatchObject({ refused: { code: 'TASK_FINISHING' } });
    const given = { at: NOW, tasksMax: 10 };
    expect(cancelTasks({}, 'all', bookOf([one, dispatched('a'), completed]), given).events).toEqual([]);
  });

  it('ends the steps there with force, or lets none of them begin', () => {
    const asked = {
      type: 'task.cancel-requested',
      taskId: 't1',
      reason: 'now',
      force: true,
      at: NOW,
    } as const;
    expect(force(...running)).toEqual([asked]);
    expect(force(...running, asked)).toEqual([]);
    expect(force(one, dispatched('a'))).toEqual([asked]);
    expect(force(one, dispatched('a'), cancelRequested)).toEqual([asked]);
    const cut = { stopped: [], cut: 'forced', at: NOW } as const;
    expect(force(one, dispatched('a'), completed)).toEqual([
      { type: 'task.cancelled', taskId: 't1', reason: 'now', ...cut },
    ]);
    expect(force(one, dispatched('a'), failed)).toEqual([
      { type: 'task.failed', taskId: 't1', failure: FINAL, ...cut },
    ]);
    given(one, dispatched('a'), asked)
      .whenTask('t1', take(DONE('a')))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'now',
        stopped: [stoppedAttempt('ended-first')],
        cut: 'forced',
        at: NOW,
      });
  });

  it('is a cancel like others for a task without such steps', () => {
    const plain = submitted({ steps: [stepSpec('a')] });
    expect(force(plain, dispatched('a'))).toEqual([{ ...cancelRequested, reason: 'now' }]);
  });
});

describe('a rerun of a task with steps at its end', () => {
  const { steps } = task;

  it('runs them again, and keeps none of them', () => {
    const over = new Set(['a', 'b', 'report', 'clean']);
    expect(stepsToKeep(steps, 'b', over)).toEqual(['a']);
    expect(stepsToKeep(steps, 'report', over)).toEqual(['a', 'b']);
    const kept = (ids: readonly string[]) => ids.map((stepId) => ({ stepId, output: null }));
    expect(keptProblem(steps, kept(['a']))).toBeNull();
    expect(keptProblem(steps, kept(['a', 'b']))?.message).toMatch(/at least one must run/);
    expect(keptProblem(steps, kept(['a', 'report']))?.message).toMatch(/'report', which runs at the end/);
  });
});

describe('the index', () => {
  it('has a step at the end ready when it may begin, and no other then', () => {
    const ready = (...facts: readonly TaskEvent[]): readonly string[] => {
      const index = new TaskIndex(bookOf(facts), UNKNOWN_COSTS);
      index.rebuild(NOW_MS);
      return task.steps.flatMap(({ id }) => (index.ready.find('t1', id) ? [id] : []));
    };
    expect(ready(task)).toEqual(['a', 'b']);
    expect(ready(task, dispatched('a'), failed)).toEqual(['report']);
  });
});
