import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import {
  dispatched,
  failureOf,
  later,
  needsModel,
  NOW,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { bookOf } from '#libs/testing/spec.js';
import { requirementKey } from './requirement.js';

type Fact = TaskRecord['event'];

const LLAMA = needsModel('llama3');
const spec = stepSpec('a', { requirement: LLAMA, retry: { attemptsMax: 2, backoffMs: 0 } });
const opens = (taskId: string, workspace: string): Fact => submitted({ taskId, workspace, steps: [spec] });
const starts = (taskId: string, vramShare = 1): Fact => dispatched('a', 1, { taskId, vramShare });
const ended = (tookMs: number) => ({ ...success(), endedAt: later(tookMs) });
const completes = (taskId: string, tookMs: number): Fact => ({
  type: 'task.completed',
  taskId,
  step: ended(tookMs),
  result: null,
  at: later(tookMs),
});
const cancelled: Fact = {
  type: 'task.cancelled',
  taskId: 't1',
  reason: 'not needed',
  stopped: [stoppedAttempt('confirmed')],
  at: later(2_000),
};
/** A task from its submission to its end. */
const whole = (taskId: string, workspace: string, tookMs: number, vramShare = 1): Fact[] => [
  opens(taskId, workspace),
  starts(taskId, vramShare),
  completes(taskId, tookMs),
];
const weighs = (weights: Readonly<Record<string, number>>): Fact => ({
  type: 'policy.changed',
  policy: { ...DEFAULT_POLICY, weights },
  at: NOW,
});
/** Keeps a workspace in the list. */
const stays = (workspace: string): Fact => opens(`stays-${workspace}`, workspace);
const servedMs = (...facts: readonly Fact[]): Readonly<Record<string, number>> =>
  Object.fromEntries([...bookOf(facts).services].map(([name, { servedMs: ms }]) => [name, ms]));

describe('what a workspace has had', () => {
  it('is the time of its attempts by their share of the memory, divided by its weight', () =>
    expect(
      servedMs(
        weighs({ heavy: 4 }),
        stays('heavy'),
        stays('light'),
        ...whole('t1', 'heavy', 8_000, 0.5),
        ...whole('t2', 'light', 8_000, 0.5),
      ),
    ).toEqual({ heavy: 1_000, light: 4_000 }));

  it('is charged when an attempt ends, and once', () => {
    const facts = [stays('lab'), opens('t1', 'lab'), starts('t1')];
    expect(servedMs(...facts)).toEqual({ lab: 0 });
    expect(servedMs(...facts, completes('t1', 3_000))).toEqual({ lab: 3_000 });
  });

  it.each<[string, Fact]>([
    [
      'failed and is made again',
      {
        type: 'step.failed',
        taskId: 't1',
        step: {
          ...failureOf('a', 1, { code: 'MODEL_ERROR', message: 'broken' }),
          endedAt: later(2_000),
        },
        retryAt: later(9_000),
      },
    ],
    ['was cancelled', cancelled],
  ])('counts an attempt that %s', (_, end) =>
    expect(servedMs(stays('lab'), opens('t1', 'lab'), starts('t1'), end)).toEqual({ lab: 2_000 }),
  );
});

describe('a workspace that comes back', () => {
  const busy = [stays('busy'), ...whole('t1', 'busy', 9_000)];

  it('begins where the least served one is: what it did not use is gone', () =>
    expect(servedMs(...busy, opens('t2', 'back'))).toEqual({ busy: 9_000, back: 9_000 }));

  it('keeps what it was ahead', () => {
    const ahead = [stays('busy'), ...whole('t1', 'back', 9_000), ...whole('t3', 'busy', 1_000)];
    expect(servedMs(...ahead, opens('t2', 'back'))).toEqual({ busy: 1_000, back: 9_000 });
  });

  it('is not lifted while it has open tasks: it waited for what it has not had', () =>
    expect(servedMs(stays('poor'), ...busy, opens('t2', 'poor'))).toEqual({ poor: 0, busy: 9_000 }));
});

describe('a workspace without open tasks', () => {
  it('is forgotten where it would begin at the least served one anyway', () => {
    const both = [stays('busy'), ...whole('t1', 'busy', 9_000), ...whole('t2', 'gone', 0)];
    expect(servedMs(...both)).toEqual({ busy: 9_000 });
  });

  it('is remembered while it is ahead', () =>
    expect(servedMs(stays('busy'), ...whole('t1', 'gone', 9_000))).toEqual({ busy: 0, gone: 9_000 }));

  it('is forgotten with all others when nobody has anything to do', () =>
    expect(servedMs(...whole('t1', 'a', 9_000), ...whole('t2', 'b', 1_000))).toEqual({}));
});

describe('the pace of a kind of step', () => {
  const paceOf = (...facts: readonly Fact[]) => bookOf(facts).paces.get(requirementKey(LLAMA));

  it('is learned from attempts that succeeded', () =>
    expect(paceOf(...whole('t1', 'lab', 3_000))).toEqual({
      count: 1,
      meanMs: 3_000,
      aloneMs: 3_000,
      longestMs: 3_000,
      endedAtMs: 1_767_268_803_000,
    }));

  it('is not learned from others: they say when somebody gave up', () =>
    expect(paceOf(opens('t1', 'lab'), starts('t1'), cancelled)).toBeUndefined());
});
