import { describe, expect, it } from '@jest/globals';
import { decideStep } from '#libs/domain/task/conditions.js';
import { dispatchStep } from '#libs/domain/task/decide.js';
import { loseLease, recordReport, type Circumstances, type Outcome } from '#libs/domain/task/outcome.js';
import { openStatusOf } from '#libs/domain/task/cancel-tasks.js';
import { hasBegun } from './begun.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
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

const FINAL = { code: 'STEP_INPUT_INVALID', message: 'temperature is not a number' } as const;
const UNWRITABLE = { code: 'TEMPLATE_RENDER_FAILED', message: 'no such field' } as const;
const failing: Outcome = { kind: 'failed', failure: FINAL };

/** `b` runs if its condition says so, and `c` behind it in any case. */
const choice = submitted({
  steps: [stepSpec('a'), stepSpec('b', { needs: ['a'], conditional: true }), stepSpec('c', { needs: ['b'] })],
});
const lastMay = submitted({ steps: [stepSpec('a'), stepSpec('b', { needs: ['a'], conditional: true })] });
const firstMay = submitted({
  steps: [stepSpec('a', { conditional: true }), stepSpec('b', { needs: ['a'] })],
});
/** `a` may fail, which `b` reads. */
const fallback = submitted({
  steps: [stepSpec('a', { onFailure: 'continue' }), stepSpec('b', { needs: ['a'] })],
});
const aDone: TaskEvent = { type: 'step.completed', taskId: 't1', step: success('a') };
const aAbandoned: TaskEvent = { type: 'step.abandoned', taskId: 't1', step: failureOf('a', 1, FINAL) };
const bSkipped: TaskEvent = { type: 'step.skipped', taskId: 't1', stepId: 'b', at: NOW };
const bAdmitted: TaskEvent = { type: 'step.admitted', taskId: 't1', stepId: 'b', at: NOW };
const cancelRequested: TaskEvent = { type: 'task.cancel-requested', taskId: 't1', reason: 'enough', at: NOW };

const decide =
  (stepId: string, holds: boolean, more: Partial<Circumstances> = {}) =>
  (task: OpenTask | undefined) =>
    decideStep(task, { stepId, holds }, circumstances(more));
const take =
  (outcome: Outcome, stepId = 'a', more: Partial<Circumstances> = {}) =>
  (task: OpenTask | undefined) =>
    recordReport(task, report(outcome, stepId), circumstances(more));
const dispatch = (stepId: string) => (task: OpenTask | undefined) =>
  dispatchStep(task, { stepId, attempt: 1, lease: leaseOf(stepId), input: {}, at: NOW }, new Map());
const openAfter = (...facts: readonly TaskRecord['event'][]): OpenTask => {
  const task = bookOf(facts).open.get('t1');
  if (task === undefined) throw new Error('t1 is not open');
  return task;
};
const unwritable = { result: () => ({ ok: false, failure: UNWRITABLE }) as const };

describe('the condition of a step', () => {
  it('is decided when all that the step needs is over, and not before', () => {
    given(choice, dispatched('a')).whenTask('t1', decide('b', true)).thenNothing();
    given(choice, dispatched('a'), aDone).whenTask('t1', decide('b', true)).then(bAdmitted);
    given(choice, dispatched('a'), aDone).whenTask('t1', decide('b', false)).then(bSkipped);
  });

  it('is decided once, and for no step that has none', () => {
    const past = [choice, dispatched('a'), aDone];
    for (const holds of [true, false]) {
      given(...past, bAdmitted)
        .whenTask('t1', decide('b', holds))
        .thenNothing();
      given(...past, bSkipped)
        .whenTask('t1', decide('b', holds))
        .thenNothing();
      given(...past, bSkipped)
        .whenTask('t1', decide('c', holds))
        .thenNothing();
      given(...past)
        .whenTask('t1', decide('z', holds))
        .thenNothing();
      given().whenTask('t1', decide('b', holds)).thenNothing();
    }
  });

  it('is not decided for a task that is ending', () => {
    const both = submitted({ steps: [stepSpec('a'), stepSpec('b', { conditional: true })] });
    given(both, dispatched('a'), cancelRequested).whenTask('t1', decide('b', false)).thenNothing();
  });

  it('lets nothing start before it was found true', () => {
    const past = [choice, dispatched('a'), aDone];
    given(...past)
      .whenTask('t1', dispatch('b'))
      .thenNothing();
    given(...past, bSkipped)
      .whenTask('t1', dispatch('b'))
      .thenNothing();
    given(...past, bAdmitted)
      .whenTask('t1', dispatch('b'))
      .then(dispatched('b'));
  });

  it('holds for every further attempt', () => {
    const step = failureOf('b', 1, { code: 'MODEL_ERROR', message: 'broken' });
    const retried: TaskEvent = { type: 'step.failed', taskId: 't1', step, retryAt: NOW };
    const task = openAfter(choice, dispatched('a'), aDone, bAdmitted, dispatched('b'), retried);
    expect(decide('b', false)(task)).toEqual([]);
    const again = { stepId: 'b', attempt: 2, lease: leaseOf('b', 2), input: {}, at: NOW };
    expect(dispatchStep(task, again, new Map())).toHaveLength(1);
  });
});

describe('a step that is left out', () => {
  it('makes way for what needs it', () =>
    given(choice, dispatched('a'), aDone, bSkipped).whenTask('t1', dispatch('c')).then(dispatched('c')));

  it('ends the task when it was the last, with the result', () =>
    given(lastMay, dispatched('a'), aDone)
      .whenTask('t1', decide('b', false))
      .then({ type: 'task.completed', taskId: 't1', skipped: 'b', result: 'the result', at: NOW }));

  it('fails the task when it was the last and there can be no result', () =>
    given(lastMay, dispatched('a'), aDone)
      .whenTask('t1', decide('b', false, unwritable))
      .then({ type: 'task.failed', taskId: 't1', failure: UNWRITABLE, stopped: [], at: NOW }));

  it('leaves a task of which nothing has begun as it was', () => {
    const task = openAfter(firstMay, { type: 'step.skipped', taskId: 't1', stepId: 'a', at: NOW });
    expect([hasBegun(task), openStatusOf(task)]).toEqual([false, 'queued']);
  });

  it('is seen by the result as it will be', () => {
    const seen: unknown[] = [];
    const result: Circumstances['result'] = (steps) => {
      seen.push(steps);
      return { ok: true, result: null };
    };
    decide('b', false, { result })(openAfter(lastMay, dispatched('a'), aDone));
    expect(seen).toEqual([
      {
        a: { status: 'completed', output: 'a done', error: null },
        b: { status: 'skipped', output: null, error: null },
      },
    ]);
  });
});

describe('a step that has failed for good and may', () => {
  it('is abandoned, and what needs it goes on and sees why', () => {
    given(fallback, dispatched('a')).whenTask('t1', take(failing)).then(aAbandoned);
    const task = openAfter(fallback, dispatched('a'), aAbandoned);
    expect(stepOutcomes(task)).toEqual({ a: { status: 'failed', output: null, error: FINAL } });
    expect(dispatch('b')(task)).toEqual([dispatched('b')]);
    expect([hasBegun(task), openStatusOf(task)]).toEqual([true, 'running']);
  });

  it('has all its attempts before', () => {
    const retry = { attemptsMax: 2, backoffMs: 1000 };
    const may = submitted({ steps: [stepSpec('a', { onFailure: 'continue', retry }), stepSpec('b')] });
    const broken = { code: 'MODEL_ERROR', message: 'broken' } as const;
    const step = failureOf('a', 1, broken);
    given(may, dispatched('a'))
      .whenTask('t1', take({ kind: 'failed', failure: broken }))
      .then({ type: 'step.failed', taskId: 't1', step, retryAt: later(750) });
  });

  it('does not stop those that run beside it', () => {
    const beside = submitted({ steps: [stepSpec('a', { onFailure: 'continue' }), stepSpec('b')] });
    given(beside, dispatched('a'), dispatched('b')).whenTask('t1', take(failing)).then(aAbandoned);
  });

  const alone = submitted({ steps: [stepSpec('a', { onFailure: 'continue' })] });
  const step = failureOf('a', 1, FINAL);

  it('ends the task when it was the last, with the result', () =>
    given(alone, dispatched('a'))
      .whenTask('t1', take(failing))
      .then({ type: 'task.completed', taskId: 't1', abandoned: step, result: 'the result', at: NOW }));

  it('fails the task when it was the last and there can be no result', () =>
    given(alone, dispatched('a'))
      .whenTask('t1', take(failing, 'a', unwritable))
      .then({ type: 'task.failed', taskId: 't1', failure: UNWRITABLE, step, stopped: [], at: NOW }));

  it('is one whose lease was lost too often as well', () => {
    const facts: TaskEvent[] = [alone];
    const lost = { code: 'LEASE_LOST', message: 'gone' } as const;
    for (let attempt = 1; attempt <= 5; attempt += 1)
      facts.push(dispatched('a', attempt), {
        type: 'step.failed',
        taskId: 't1',
        step: failureOf('a', attempt, lost),
        retryAt: NOW,
      });
    const ended = loseLease(openAfter(...facts, dispatched('a', 6)), leaseOf('a', 6), circumstances());
    expect(ended).toMatchObject([
      { type: 'task.completed', abandoned: { attempt: 6, failure: { code: 'LEASE_LOST' } } },
    ]);
  });

  it('stays an attempt that had to stop where the task is ending', () =>
    given(fallback, dispatched('a'), cancelRequested)
      .whenTask('t1', take(failing))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'enough',
        stopped: [stoppedAttempt('ended-first')],
        at: NOW,
      }));

  it('fails the task all the same when it succeeds and there can be no result: nothing would be lost more quietly', () =>
    given(alone, dispatched('a'))
      .whenTask('t1', take({ kind: 'completed', output: 1 }, 'a', unwritable))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: UNWRITABLE,
        step: failureOf('a', 1, UNWRITABLE),
        stopped: [],
        at: NOW,
      }));
});

describe('what there is to decide', () => {
  const indexed = (nowMs: number, ...facts: readonly TaskRecord['event'][]) => {
    const index = new TaskIndex(bookOf(facts), UNKNOWN_COSTS);
    index.rebuild(nowMs);
    return index;
  };
  const ready = (index: TaskIndex, stepId: string) => index.ready.find('t1', stepId) !== undefined;

  it('is told once all that a step needs is over, and the step is ready once it was decided', () => {
    expect(indexed(NOW_MS, choice, dispatched('a')).undecided.take()).toEqual([]);
    const index = indexed(NOW_MS, choice, dispatched('a'), aDone);
    expect([ready(index, 'b'), index.undecided.take(), index.undecided.take()]).toEqual([false, ['t1'], []]);
    const after = indexed(NOW_MS, choice, dispatched('a'), aDone, bAdmitted);
    expect([ready(after, 'b'), after.undecided.take()]).toEqual([true, []]);
  });

  it('waits for the tasks that the task waits for, and for its time', () => {
    const waiting = { ...firstMay, dependsOn: ['t0'] };
    expect(indexed(NOW_MS, submitted({ taskId: 't0' }), waiting).undecided.take()).toEqual([]);
    const index = indexed(NOW_MS, { ...firstMay, runAt: later(5_000) });
    expect(index.undecided.take()).toEqual([]);
    index.wake(NOW_MS + 5_000);
    expect(index.undecided.take()).toEqual(['t1']);
  });

  it('is decided under a pause as well: nothing starts by it', () => {
    const scope = 'workspace:home' as const;
    const paused = { type: 'scheduling.paused', scope, reason: 'repair', by: 'ada', at: NOW } as const;
    const index = indexed(NOW_MS, paused, firstMay);
    expect([index.undecided.take(), ready(index, 'a')]).toEqual([['t1'], false]);
    const admitted = { ...bAdmitted, stepId: 'a' } as TaskEvent;
    expect(ready(indexed(NOW_MS, paused, firstMay, admitted), 'a')).toBe(false);
  });

  it('is forgotten with a task that is over', () => {
    const book = bookOf([firstMay]);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    book.open.delete('t1');
    index.refresh('t1', NOW_MS);
    expect(index.undecided.take()).toEqual([]);
  });
});
