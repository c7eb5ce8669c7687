import type { Pauses, PauseScope } from '#libs/domain/task/pauses.js';
import { describe, expect, it } from '@jest/globals';
import type { ErrorCode, Failure } from '#libs/domain/errors.js';
import { dispatchStep, failTask } from '#libs/domain/task/decide.js';
import {
  dependencyEnded,
  loseLease,
  recordReport,
  type Outcome,
  type Report,
} from '#libs/domain/task/outcome.js';
import type { StepFailed, TaskEvent, TaskFailing } from '#libs/domain/task/events.js';
import { msOf } from '#libs/domain/time.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import {
  attemptOf,
  circumstances,
  CPU,
  dispatched,
  failureOf,
  later,
  leaseOf,
  needsModel,
  NOW,
  NOW_MS,
  report,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { bookOf, given } from '#libs/testing/spec.js';

const BROKEN: Failure = { code: 'MODEL_ERROR', message: 'the server said 500' };
const FINAL: Failure = { code: 'STEP_INPUT_INVALID', message: 'temperature is not a number' };
const DONE: Outcome = { kind: 'completed', output: 'a done' };
const ABORTED: Outcome = { kind: 'cancelled', confirmed: true };
const failing = (failure: Failure): Outcome => ({ kind: 'failed', failure });

const one = submitted();
const retried = (attemptsMax: number) =>
  submitted({ steps: [stepSpec('a', { retry: { attemptsMax, backoffMs: 1000 } })] });
const sequence = submitted({ steps: [stepSpec('a'), stepSpec('b', { needs: ['a'] })] });
const parallel = submitted({ steps: [stepSpec('a'), stepSpec('b')] });
const cancelRequested = {
  type: 'task.cancel-requested',
  taskId: 't1',
  reason: 'not needed',
  at: NOW,
} as const;
const stepDone = (stepId: string): TaskEvent => ({
  type: 'step.completed',
  taskId: 't1',
  step: success(stepId),
});
const stepFailed = (attempt: number, failure: Failure, waitMs = 750): StepFailed => ({
  type: 'step.failed',
  taskId: 't1',
  step: failureOf('a', attempt, failure),
  retryAt: later(waitMs),
});
const taskFailing = (failure: Failure, step = failureOf('a', 1, failure)): TaskFailing => ({
  type: 'task.failing',
  taskId: 't1',
  failure,
  step,
  at: NOW,
});

const take =
  (given: Report, random = 0.5) =>
  (task: OpenTask | undefined) =>
    recordReport(task, given, circumstances({ random }));
const lose =
  (stepId = 'a', attempt = 1) =>
  (task: OpenTask | undefined) =>
    loseLease(task, leaseOf(stepId, attempt), circumstances());
const dispatch =
  (stepId = 'a', attempt = 1) =>
  (task: OpenTask | undefined) =>
    dispatchStep(task, { stepId, attempt, lease: leaseOf(stepId, attempt), input: {}, at: NOW }, new Map());

describe('dispatching a step', () => {
  it('starts the first attempt with its type, its requirement, its lease and its input', () => {
    const model = submitted({ steps: [stepSpec('a', { requirement: needsModel('llama3') })] });
    given(model)
      .whenTask('t1', (task) =>
        dispatchStep(
          task,
          { stepId: 'a', attempt: 1, lease: leaseOf(), input: { prompt: 'x' }, at: NOW },
          new Map(),
        ),
      )
      .then(dispatched('a', 1, { requirement: needsModel('llama3'), input: { prompt: 'x' } }));
  });

  it.each<PauseScope>(['queue', 'workspace:home', 'template:summarize', 'server:gpu1'])(
    'starts nothing while %s is paused, though its lease was granted',
    (scope) => {
      const dispatchUnder = (pauses: Pauses) => (task: OpenTask | undefined) =>
        dispatchStep(task, { stepId: 'a', attempt: 1, lease: leaseOf(), input: {}, at: NOW }, pauses);
      const pause = { scope, reason: 'x', by: 'ada', since: NOW };
      given(submitted())
        .whenTask('t1', dispatchUnder(new Map([[scope, pause]])))
        .thenNothing();
      const other = scope === 'server:gpu1' ? 'server:gpu2' : 'workspace:lab';
      given(submitted())
        .whenTask('t1', dispatchUnder(new Map([[other, pause]])))
        .then(dispatched());
    },
  );

  it('starts the next attempt after a failed one', () =>
    given(retried(2), dispatched(), stepFailed(1, BROKEN))
      .whenTask('t1', dispatch('a', 2))
      .then(dispatched('a', 2)));

  it('does nothing for an attempt that was made already', () =>
    given(retried(2), dispatched(), stepFailed(1, BROKEN)).whenTask('t1', dispatch('a', 1)).thenNothing());

  it('does nothing for an attempt that is not due yet', () =>
    given(one).whenTask('t1', dispatch('a', 2)).thenNothing());

  it('does nothing while the step is running', () => {
    given(one, dispatched()).whenTask('t1', dispatch('a', 1)).thenNothing();
    given(one, dispatched()).whenTask('t1', dispatch('a', 2)).thenNothing();
  });

  it('does nothing when the step is done', () =>
    given(sequence, dispatched(), stepDone('a')).whenTask('t1', dispatch('a', 2)).thenNothing());

  it('does nothing for a step whose needs are not done', () =>
    given(sequence, dispatched()).whenTask('t1', dispatch('b')).thenNothing());

  it('starts a step whose needs are done', () =>
    given(sequence, dispatched(), stepDone('a')).whenTask('t1', dispatch('b')).then(dispatched('b')));

  it('does nothing for a step that the task does not have', () =>
    given(one).whenTask('t1', dispatch('z')).thenNothing());

  it('does nothing when the task is being cancelled', () =>
    given(parallel, dispatched('a'), cancelRequested).whenTask('t1', dispatch('b')).thenNothing());

  it('does nothing when the task is failing', () =>
    given(
      submitted({ steps: [stepSpec('a'), stepSpec('b'), stepSpec('c')] }),
      dispatched('a'),
      dispatched('b'),
      taskFailing(BROKEN),
    )
      .whenTask('t1', dispatch('c'))
      .thenNothing());

  it('does nothing when the task is over', () => given().whenTask('t1', dispatch()).thenNothing());
});

describe('a report of success', () => {
  it('of the only step completes the task with its result', () =>
    given(one, dispatched())
      .whenTask('t1', take(report(DONE)))
      .then({ type: 'task.completed', taskId: 't1', step: success(), result: 'the result', at: NOW }));

  it('of a step that others need completes the step alone', () =>
    given(sequence, dispatched())
      .whenTask('t1', take(report(DONE)))
      .then(stepDone('a')));

  it('does not make a result before the last step', () =>
    given(sequence, dispatched())
      .whenTask('t1', (task) =>
        recordReport(task, report(DONE), {
          ...circumstances(),
          result: () => {
            throw new Error('asked too early');
          },
        }),
      )
      .then(stepDone('a')));

  it('of the last step completes the task', () =>
    given(sequence, dispatched(), stepDone('a'), dispatched('b'))
      .whenTask('t1', take(report({ kind: 'completed', output: 'b done' }, 'b')))
      .then({ type: 'task.completed', taskId: 't1', step: success('b'), result: 'the result', at: NOW }));

  it('keeps what the attempt used', () => {
    const usage = {
      model: 'llama3',
      loadMs: 1,
      promptMs: 2,
      generationMs: 3,
      totalMs: 6,
      tokensIn: 10,
      tokensOut: 20,
    };
    given(sequence, dispatched())
      .whenTask('t1', take(report({ ...DONE, usage })))
      .then({ type: 'step.completed', taskId: 't1', step: { ...success(), usage } });
  });

  it('completes the task although a cancel was asked for, when it was the last step', () =>
    given(one, dispatched(), cancelRequested)
      .whenTask('t1', take(report(DONE)))
      .then({ type: 'task.completed', taskId: 't1', step: success(), result: 'the result', at: NOW }));

  it('does not save a task that is being cancelled and has more to do', () =>
    given(sequence, dispatched(), cancelRequested)
      .whenTask('t1', take(report(DONE)))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt('ended-first')],
        at: NOW,
      }));

  it('shows its output to later steps under the name of the step', () => {
    const task = bookOf([sequence, dispatched(), stepDone('a')]).open.get('t1');
    expect(task && stepOutcomes(task)).toEqual({
      a: { status: 'completed', output: 'a done', error: null },
    });
  });
});

describe('a step with limits in time', () => {
  it('is dispatched with them', () => {
    const times = { timeoutMs: 600_000, noProgressMs: 90_000 };
    given(submitted({ steps: [stepSpec('a', times)] }))
      .whenTask('t1', dispatch())
      .then(dispatched('a', 1, times));
  });

  it('is tried again when it ran out of time, while its retries last', () => {
    const late: Failure = { code: 'STEP_TIMED_OUT', message: 'late' };
    given(retried(2), dispatched())
      .whenTask('t1', take(report(failing(late))))
      .then(stepFailed(1, late));
  });
});

describe('a report that is not current', () => {
  const running = [retried(3), dispatched('a', 1), stepFailed(1, BROKEN), dispatched('a', 2)];

  it.each([
    ['of an earlier attempt', report(DONE, 'a', 1)],
    ['of an attempt that was never made', report(DONE, 'a', 3)],
    ['with another token', report(DONE, 'a', 2, { token: 1 })],
    ['with another lease', report(DONE, 'a', 2, { leaseId: 'lease-x' })],
    ['of another step', report(DONE, 'b', 2)],
    ['of the right lease but another attempt', report(DONE, 'a', 2, { attempt: 1 })],
  ])('(%s) has no effect', (_, stale) => {
    given(...running)
      .whenTask('t1', take(stale))
      .thenNothing();
    given(...running)
      .whenTask('t1', take({ ...stale, outcome: failing(FINAL) }))
      .thenNothing();
    given(...running)
      .whenTask('t1', take({ ...stale, outcome: ABORTED }))
      .thenNothing();
  });

  it('has no effect when the step is waiting for its next attempt', () =>
    given(retried(3), dispatched(), stepFailed(1, BROKEN))
      .whenTask('t1', take(report(DONE)))
      .thenNothing());

  it('has no effect the second time', () =>
    given(sequence, dispatched(), stepDone('a'))
      .whenTask('t1', take(report(DONE)))
      .thenNothing());

  it('has no effect when the task is over', () =>
    given()
      .whenTask('t1', take(report(DONE)))
      .thenNothing());
});

describe('a report of failure', () => {
  it('makes another attempt when the failure may pass and attempts are left', () =>
    given(retried(2), dispatched())
      .whenTask('t1', take(report(failing(BROKEN))))
      .then(stepFailed(1, BROKEN)));

  it('fails the task at once when the failure is final', () =>
    given(retried(5), dispatched())
      .whenTask('t1', take(report(failing(FINAL))))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: FINAL,
        step: failureOf('a', 1, FINAL),
        stopped: [],
        at: NOW,
      }));

  it('fails the task when the attempts are used up', () =>
    given(retried(2), dispatched(), stepFailed(1, BROKEN), dispatched('a', 2))
      .whenTask('t1', take(report(failing(BROKEN), 'a', 2)))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: BROKEN,
        step: failureOf('a', 2, BROKEN),
        stopped: [],
        at: NOW,
      }));

  it('stops a task that is being cancelled without another attempt', () =>
    given(retried(5), dispatched(), cancelRequested)
      .whenTask('t1', take(report(failing(BROKEN))))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt('ended-first')],
        at: NOW,
      }));
});

describe('the wait before the next attempt', () => {
  const waitMs = (attempt: number, random: number, backoffMs = 1000): number => {
    const facts: TaskEvent[] = [
      submitted({ steps: [stepSpec('a', { retry: { attemptsMax: 20, backoffMs } })] }),
    ];
    for (let made = 1; made < attempt; made += 1) {
      facts.push(dispatched('a', made), stepFailed(made, BROKEN));
    }
    facts.push(dispatched('a', attempt));
    const task = bookOf(facts).open.get('t1');
    const [event] = recordReport(task, report(failing(BROKEN), 'a', attempt), circumstances({ random }));
    if (event?.type !== 'step.failed') throw new Error(`expected another attempt, got ${event?.type}`);
    return msOf(event.retryAt) - NOW_MS;
  };

  it.each([
    { attempt: 1, random: 1, wantMs: 1000 },
    { attempt: 1, random: 0, wantMs: 500 },
    { attempt: 1, random: 0.5, wantMs: 750 },
    { attempt: 2, random: 1, wantMs: 2000 },
    { attempt: 3, random: 1, wantMs: 4000 },
    { attempt: 6, random: 1, wantMs: 32_000 },
    { attempt: 7, random: 1, wantMs: 60_000 },
    { attempt: 15, random: 1, wantMs: 60_000 },
    { attempt: 15, random: 0, wantMs: 30_000 },
  ])('after attempt $attempt with chance $random is $wantMs ms', ({ attempt, random, wantMs }) => {
    expect(waitMs(attempt, random)).toBe(wantMs);
  });

  it('is a whole number of milliseconds', () => {
    expect(waitMs(1, 0.333_333, 333)).toBe(222);
  });
});

describe('an interruption from outside', () => {
  const interruption = (code: ErrorCode): Failure => ({ code, message: 'gone' });
  const interrupted = (attemptsMax: number, times: number): readonly TaskEvent[] => [
    retried(attemptsMax),
    ...Array.from({ length: times }, (_, index) => [
      dispatched('a', index + 1),
      stepFailed(index + 1, interruption('LEASE_LOST')),
    ]).flat(),
    dispatched('a', times + 1),
  ];

  it.each(['LEASE_LOST', 'EXECUTOR_STOPPING', 'SERVER_UNREACHABLE'] as const)(
    '(%s) gets another attempt where the template allows no retry',
    (code) =>
      given(retried(1), dispatched())
        .whenTask('t1', take(report(failing(interruption(code)))))
        .then(stepFailed(1, interruption(code))),
  );

  it('takes none of the attempts that the template allows', () => {
    const types = (events: readonly TaskEvent[]) => events.map(({ type }) => type);
    const task = bookOf(interrupted(2, 3)).open.get('t1');
    const first = recordReport(task, report(failing(BROKEN), 'a', 4), circumstances());
    expect(types(first)).toEqual(['step.failed']);
    const next = bookOf([...interrupted(2, 3), ...first, dispatched('a', 5)]).open.get('t1');
    expect(types(recordReport(next, report(failing(BROKEN), 'a', 5), circumstances()))).toEqual([
      'task.failed',
    ]);
  });

  it('gets a fifth attempt of its own but not a sixth: the task may be what kills its executor', () => {
    given(...interrupted(1, 4))
      .whenTask('t1', take(report(failing(interruption('LEASE_LOST')), 'a', 5)))
      .then({ ...stepFailed(5, interruption('LEASE_LOST')), retryAt: later(12_000) });
    given(...interrupted(1, 5))
      .whenTask('t1', take(report(failing(interruption('LEASE_LOST')), 'a', 6)))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: interruption('LEASE_LOST'),
        step: failureOf('a', 6, interruption('LEASE_LOST')),
        stopped: [],
        at: NOW,
      });
  });
});

describe('a report that the attempt was stopped', () => {
  it.each([
    [true, 'confirmed'],
    [false, 'unconfirmed'],
  ] as const)('(server seen free: %s) ends the cancelled task as %s', (confirmed, how) =>
    given(one, dispatched(), cancelRequested)
      .whenTask('t1', take(report({ kind: 'cancelled', confirmed })))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt(how)],
        at: NOW,
      }),
  );

  it('is an interruption when nobody had asked for it', () => {
    const task = bookOf([one, dispatched()]).open.get('t1');
    expect(recordReport(task, report(ABORTED), circumstances())).toMatchObject([
      { type: 'step.failed', step: { failure: { code: 'EXECUTOR_STOPPING' } }, retryAt: later(750) },
    ]);
  });

  it('leaves the other steps of the task to go on when nobody had asked for it', () => {
    const facts: TaskEvent[] = [parallel, dispatched('a'), dispatched('b')];
    facts.push(...recordReport(bookOf(facts).open.get('t1'), report(ABORTED, 'a'), circumstances()));
    facts.push(stepDone('b'));
    given(...facts)
      .whenTask('t1', dispatch('a', 2))
      .then(dispatched('a', 2));
  });
});

describe('a lost lease', () => {
  it('makes another attempt', () => {
    const task = bookOf([one, dispatched()]).open.get('t1');
    expect(loseLease(task, leaseOf('a', 1), circumstances())).toEqual([
      {
        type: 'step.failed',
        taskId: 't1',
        step: {
          ...attemptOf('a', 1),
          failure: { code: 'LEASE_LOST', message: expect.stringMatching(/lease-a-1 on gpu1/) },
          endedAt: NOW,
        },
        retryAt: later(750),
      },
    ]);
  });

  it('has no effect on an attempt that holds another grant of the same name', () => {
    const stale = { ...leaseOf('a', 1), token: leaseOf('a', 1).token - 1 };
    given(one, dispatched())
      .whenTask('t1', (task) => loseLease(task, stale, circumstances()))
      .thenNothing();
  });

  it('proves that a cancelled attempt has stopped', () =>
    given(one, dispatched(), cancelRequested)
      .whenTask('t1', lose())
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt('lease-expired')],
        at: NOW,
      }));

  it('has no effect when it was the lease of an earlier attempt', () =>
    given(retried(3), dispatched(), stepFailed(1, BROKEN), dispatched('a', 2))
      .whenTask('t1', lose())
      .thenNothing());

  it('has no effect when the task is over', () => given().whenTask('t1', lose()).thenNothing());
});

describe('steps that run at the same time', () => {
  const both = [parallel, dispatched('a'), dispatched('b')] as const;
  const stopOf = (how: 'confirmed' | 'ended-first' | 'lease-expired', stepId: string) => ({
    type: 'step.stopped' as const,
    taskId: 't1',
    step: stoppedAttempt(how, stepId),
    at: NOW,
  });

  it('complete the task together, whichever is last', () => {
    given(...both)
      .whenTask('t1', take(report(DONE, 'a')))
      .then(stepDone('a'));
    given(...both, stepDone('b'))
      .whenTask('t1', take(report(DONE, 'a')))
      .then({ type: 'task.completed', taskId: 't1', step: success('a'), result: 'the result', at: NOW });
  });

  it('keep running when one of them is tried again', () =>
    given(
      submitted({ steps: [stepSpec('a', { retry: { attemptsMax: 2, backoffMs: 1000 } }), stepSpec('b')] }),
      dispatched('a'),
      dispatched('b'),
    )
      .whenTask('t1', take(report(failing(BROKEN), 'a')))
      .then(stepFailed(1, BROKEN)));

  it('are stopped when one of them fails for good', () =>
    given(...both)
      .whenTask('t1', take(report(failing(FINAL), 'a')))
      .then(taskFailing(FINAL)));

  it('fail the task when the last of them has stopped, with the failure of the first', () =>
    given(...both, taskFailing(FINAL))
      .whenTask('t1', take(report(ABORTED, 'b')))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: FINAL,
        step: failureOf('a', 1, FINAL),
        stopped: [stoppedAttempt('confirmed', 'b')],
        at: NOW,
      }));

  it('do not save a failing task by completing', () =>
    given(...both, taskFailing(FINAL))
      .whenTask('t1', take(report(DONE, 'b')))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: FINAL,
        step: failureOf('a', 1, FINAL),
        stopped: [stoppedAttempt('ended-first', 'b')],
        at: NOW,
      }));

  it('do not change why a task is failing by failing too', () =>
    given(...both, taskFailing(FINAL))
      .whenTask('t1', take(report(failing(BROKEN), 'b')))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: FINAL,
        step: failureOf('a', 1, FINAL),
        stopped: [stoppedAttempt('ended-first', 'b')],
        at: NOW,
      }));

  it('stop one by one when the task is cancelled', () => {
    given(...both, cancelRequested)
      .whenTask('t1', take(report(ABORTED, 'a')))
      .then(stopOf('confirmed', 'a'));
    given(...both, cancelRequested, stopOf('confirmed', 'a'))
      .whenTask('t1', lose('b'))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt('lease-expired', 'b')],
        at: NOW,
      });
  });

  it('do not complete a task of which one step was stopped', () =>
    given(...both, cancelRequested, stopOf('confirmed', 'a'))
      .whenTask('t1', take(report(DONE, 'b')))
      .then({
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'not needed',
        stopped: [stoppedAttempt('ended-first', 'b')],
        at: NOW,
      }));

  it('take a report of a stopped attempt only once', () =>
    given(...both, cancelRequested, stopOf('confirmed', 'a'))
      .whenTask('t1', take(report(ABORTED, 'a')))
      .thenNothing());
});

describe('a task that can never run', () => {
  const impossible: Failure = { code: 'NO_SERVER_FITS', message: 'too large' };
  const fail = (task: OpenTask | undefined) => (task ? failTask(task, impossible, NOW) : []);

  it('fails at once when nothing is running', () =>
    given(one)
      .whenTask('t1', fail)
      .then({ type: 'task.failed', taskId: 't1', failure: impossible, stopped: [], at: NOW }));

  it('stops what is running first', () => {
    const stopping = { type: 'task.failing', taskId: 't1', failure: impossible, at: NOW } as const;
    given(parallel, dispatched('a')).whenTask('t1', fail).then(stopping);
    given(parallel, dispatched('a'), stopping)
      .whenTask('t1', take(report(ABORTED, 'a')))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: impossible,
        stopped: [stoppedAttempt('confirmed', 'a')],
        at: NOW,
      });
  });

  it('says nothing new when it is ending already', () =>
    given(parallel, dispatched('a'), cancelRequested).whenTask('t1', fail).thenNothing());
});

describe('the end of a dependency', () => {
  const ended = (type: 'task.completed' | 'task.failed' | 'task.cancelled' | null): TaskEvent[] => {
    if (type === 'task.completed') return [{ type, taskId: 't0', step: success(), result: 'r', at: NOW }];
    if (type === 'task.failed') return [{ type, taskId: 't0', failure: BROKEN, stopped: [], at: NOW }];
    if (type === 'task.cancelled') return [{ type, taskId: 't0', reason: 'x', stopped: [], at: NOW }];
    return [];
  };
  const decide = (type: Parameters<typeof ended>[0]) => {
    const book = bookOf([
      submitted({ taskId: 't0' }),
      submitted({ dependsOn: ['t0'], steps: [stepSpec('a', { requirement: CPU })] }),
      ...ended(type),
    ]);
    const task = book.open.get('t1');
    return task ? dependencyEnded(task, 't0', book, NOW) : [];
  };

  it.each(['task.failed', 'task.cancelled'] as const)(
    '(%s) fails the task that waits for it, and names it',
    (type) => {
      expect(decide(type)).toEqual([
        {
          type: 'task.failed',
          taskId: 't1',
          failure: {
            code: 'DEPENDENCY_FAILED',
            message: `Task t0, which this task depends on, has ${type.slice('task.'.length)}.`,
            details: { dependency: 't0' },
          },
          stopped: [],
          at: NOW,
        },
      ]);
    },
  );

  it('changes nothing when it completed', () => expect(decide('task.completed')).toEqual([]));
  it('changes nothing while it is open', () => expect(decide(null)).toEqual([]));
});

describe('a step that says which errors are retried', () => {
  const choosy = submitted({
    steps: [
      stepSpec('a', { retry: { attemptsMax: 3, backoffMs: 1000, on: ['MODEL_ERROR', 'NO_PROGRESS'] } }),
    ],
  });
  const after = (code: ErrorCode): readonly string[] => {
    const task = bookOf([choosy, dispatched()]).open.get('t1');
    return recordReport(task, report(failing({ code, message: 'x' })), circumstances()).map(
      ({ type }) => type,
    );
  };

  it.each<[ErrorCode, string]>([
    ['MODEL_ERROR', 'step.failed'],
    ['NO_PROGRESS', 'step.failed'],
    ['SERVER_BUSY', 'task.failed'],
    ['MODEL_NOT_FOUND', 'task.failed'],
    // Nobody's fault, so in any case.
    ['LEASE_LOST', 'step.failed'],
  ])('has after %s: %s', (code, type) => expect(after(code)).toEqual([type]));

  it('never retries what is final, whatever it says', () => {
    const stubborn = submitted({
      steps: [stepSpec('a', { retry: { attemptsMax: 3, backoffMs: 0, on: ['STEP_INPUT_INVALID'] } })],
    });
    const failure: Failure = { code: 'STEP_INPUT_INVALID', message: 'x' };
    const task = bookOf([stubborn, dispatched()]).open.get('t1');
    expect(recordReport(task, report(failing(failure)), circumstances())).toMatchObject([
      { type: 'task.failed' },
    ]);
  });
});
