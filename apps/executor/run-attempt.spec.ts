import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { StepDispatched } from '#libs/domain/task/events.js';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import { dispatched, NOW_MS } from '#libs/testing/builders.js';
import type { Attempt } from './attempt.js';
import { runAttempt } from './run-attempt.js';
import { GivenSecrets } from './secrets/given-secrets.js';
import type { StepRunner } from './step-runner.js';
import { noopStep } from './steps/noop.step.js';

/** Ends when it is told to, or with this when it is aborted. */
const hanging =
  (onAbort: Error, told?: (end: () => void) => void): StepRunner =>
  ({ signal }) =>
    new Promise((resolve, reject) => {
      signal.addEventListener('abort', () => reject(onAbort), { once: true });
      told?.(() => resolve({ output: 'in time' }));
    });
/** Says something every `everyMs`, and never ends by itself. */
const talking =
  (everyMs: number, how: 'token' | 'progress'): StepRunner =>
  (context) =>
    new Promise((_, reject) => {
      const timer = setInterval(() => context[how]('so far'), everyMs);
      context.signal.addEventListener(
        'abort',
        () => {
          clearInterval(timer);
          reject(new Error('aborted'));
        },
        { once: true },
      );
    });
const aborted = (confirmed: boolean): Error => new ModelRunnerError('RUN_ABORTED', 'aborted', { confirmed });

const attemptOf = (more: Partial<StepDispatched>): Attempt => ({
  dispatch: dispatched('a', 1, { stepType: 'it', ...more }),
  abort: new AbortController(),
  seq: 1,
  ending: null,
  taken: true,
  deadlineMs: 0,
  traceparent: undefined,
});

/** How the attempt has ended so long after its beginning; undefined while it runs. */
const outcomeAfter = async (ms: number, attempt: Attempt, step: StepRunner): Promise<unknown> => {
  let outcome: unknown;
  void runAttempt(attempt, {
    executorId: 'spec',
    steps: new Map([['it', step]]),
    secrets: new GivenSecrets(() => Promise.reject(new Error('no secrets here'))),
    runnerOf: () => Promise.reject(new Error('there is no server')),
    live: () => undefined,
    clock: { nowMs: () => NOW_MS },
    outputMaxBytes: 1_000,
    openWorkspace: () => Promise.reject(new Error('no step here needs files')),
  }).then((report) => (outcome = report?.outcome));
  await jest.advanceTimersByTimeAsync(ms);
  return outcome;
};

const late = (limit: 'timeoutMs' | 'noProgressMs', limitMs: number, confirmed: boolean) => ({
  kind: 'failed',
  failure: {
    code: 'STEP_TIMED_OUT',
    message: expect.stringMatching(new RegExp(`^Attempt 1 of step 'a' .* ${limitMs} ms of its `)),
    details: { limit, limitMs, confirmed },
  },
});

describe('an attempt with a timeout', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is stopped when that is over, whatever it does, and not before', async () => {
    for (const step of [hanging(aborted(true)), hanging(aborted(false))])
      expect(await outcomeAfter(599_999, attemptOf({ timeoutMs: 600_000 }), step)).toBeUndefined();
    expect(await outcomeAfter(600_000, attemptOf({ timeoutMs: 600_000 }), talking(1_000, 'token'))).toEqual(
      late('timeoutMs', 600_000, false),
    );
  });

  it('says whether the server was seen free', async () => {
    const attempt = () => attemptOf({ timeoutMs: 1_000 });
    expect(await outcomeAfter(1_000, attempt(), hanging(aborted(true)))).toEqual(
      late('timeoutMs', 1_000, true),
    );
    expect(await outcomeAfter(1_000, attempt(), hanging(aborted(false)))).toEqual(
      late('timeoutMs', 1_000, false),
    );
    const noop = attemptOf({ timeoutMs: 1_000, input: { delay_ms: 60_000 } });
    expect(await outcomeAfter(1_000, noop, noopStep)).toEqual(late('timeoutMs', 1_000, true));
  });

  it('that ends in time leaves no timer behind', async () => {
    const attempt = attemptOf({ timeoutMs: 1_000, noProgressMs: 500 });
    let end = (): void => undefined;
    expect(
      await outcomeAfter(
        400,
        attempt,
        hanging(aborted(true), (told) => (end = told)),
      ),
    ).toBeUndefined();
    end();
    await jest.advanceTimersByTimeAsync(0);
    expect([jest.getTimerCount(), attempt.ending, attempt.abort.signal.aborted]).toEqual([0, null, false]);
  });

  it('stays cancelled where it was cancelled before', async () => {
    const attempt = attemptOf({ timeoutMs: 1_000 });
    attempt.ending = 'cancelled';
    expect(await outcomeAfter(2_000, attempt, hanging(aborted(true)))).toBeUndefined();
    expect(attempt.ending).toBe('cancelled');
  });
});

describe('an attempt that may not be silent for long', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('is stopped when nothing was heard of it for that long, the first word included', async () =>
    expect(await outcomeAfter(500, attemptOf({ noProgressMs: 500 }), hanging(aborted(true)))).toEqual(
      late('noProgressMs', 500, true),
    ));

  it.each(['token', 'progress'] as const)('goes on as long as there is a %s in time', async (how) => {
    expect(await outcomeAfter(60_000, attemptOf({ noProgressMs: 500 }), talking(499, how))).toBeUndefined();
    expect(await outcomeAfter(60_000, attemptOf({ noProgressMs: 500 }), talking(501, how))).toEqual(
      late('noProgressMs', 500, false),
    );
  });
});
