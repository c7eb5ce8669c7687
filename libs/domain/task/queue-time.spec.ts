import { describe, expect, it } from '@jest/globals';
import { expireTask } from '#libs/domain/task/queue-time.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import {
  dispatched,
  failureOf,
  later,
  NOW_MS,
  stepSpec,
  submitted,
  success,
} from '#libs/testing/builders.js';
import { bookOf, given } from '#libs/testing/spec.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';

const TTL_MS = 5_000;
const IN_AN_HOUR_MS = 3_600_000;
const briefly = submitted({ queueTtlMs: TTL_MS });
const parallel = submitted({ queueTtlMs: TTL_MS, steps: [stepSpec('a'), stepSpec('b')] });
const expireAt = (ms: number) => (task: OpenTask | undefined) =>
  task === undefined ? [] : expireTask(task, NOW_MS + ms);

describe('a task whose time in the queue is over', () => {
  it('fails with what it was allowed, where nothing of it has started', () =>
    given(briefly)
      .whenTask('t1', expireAt(TTL_MS))
      .then({
        type: 'task.failed',
        taskId: 't1',
        failure: {
          code: 'QUEUE_TTL_EXPIRED',
          message: expect.stringMatching(/5000 ms.*queue_ttl_ms/) as never,
          details: { queueTtlMs: TTL_MS },
        },
        stopped: [],
        at: later(TTL_MS),
      }));

  it('does not fail a millisecond before', () =>
    given(briefly)
      .whenTask('t1', expireAt(TTL_MS - 1))
      .thenNothing());

  it('counts from the time at which it was to run', () => {
    const delayed = submitted({ queueTtlMs: TTL_MS, runAt: later(IN_AN_HOUR_MS) });
    given(delayed)
      .whenTask('t1', expireAt(IN_AN_HOUR_MS + TTL_MS - 1))
      .thenNothing();
    expect(
      expireTask(bookOf([delayed]).open.get('t1') as OpenTask, NOW_MS + IN_AN_HOUR_MS + TTL_MS),
    ).toHaveLength(1);
  });

  it.each([
    ['runs', [briefly, dispatched()]],
    [
      'has run and waits for its next attempt',
      [
        briefly,
        dispatched(),
        {
          type: 'step.failed',
          taskId: 't1',
          step: failureOf('a', 1, { code: 'LEASE_LOST', message: 'gone' }),
          retryAt: later(1),
        },
      ],
    ],
    ['has a step done', [parallel, dispatched(), { type: 'step.completed', taskId: 't1', step: success() }]],
    ['has no such time', [submitted()]],
  ] as const)('goes on where it %s', (_, facts) =>
    given(...facts)
      .whenTask('t1', expireAt(TTL_MS))
      .thenNothing(),
  );
});

describe('the index of a book', () => {
  const indexOf = (...facts: Parameters<typeof bookOf>[0]) => {
    const book = bookOf(facts);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    return index;
  };

  it('makes a delayed task ready when its time has come, and counts its waiting from there', () => {
    const index = indexOf(submitted({ runAt: later(IN_AN_HOUR_MS) }));
    index.wake(NOW_MS + IN_AN_HOUR_MS - 1);
    expect(index.ready.size).toBe(0);
    index.wake(NOW_MS + IN_AN_HOUR_MS);
    expect(index.ready.find('t1', 'a')?.submittedAtMs).toBe(NOW_MS + IN_AN_HOUR_MS);
  });

  it('takes a time that has passed for now', () =>
    expect(indexOf(submitted({ runAt: later(-1) })).ready.find('t1', 'a')?.submittedAtMs).toBe(NOW_MS));

  it('tells once which tasks have expired, whenever it was made', () => {
    const index = indexOf(briefly, submitted({ taskId: 't2' }), submitted({ taskId: 't3', queueTtlMs: 1 }));
    expect(index.takeExpired(NOW_MS)).toEqual([]);
    expect(index.takeExpired(NOW_MS + TTL_MS)).toEqual(['t3', 't1']);
    expect(index.takeExpired(NOW_MS + TTL_MS)).toEqual([]);
  });

  it('tells nothing of one that has started or is over', () => {
    const over = { type: 'task.cancelled', taskId: 't1', reason: 'x', stopped: [], at: later(0) } as const;
    expect(indexOf(briefly, dispatched()).takeExpired(NOW_MS + TTL_MS)).toEqual([]);
    expect(indexOf(briefly, over).takeExpired(NOW_MS + TTL_MS)).toEqual([]);
    const book = bookOf([briefly]);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    book.open.delete('t1');
    index.refresh('t1', NOW_MS);
    expect(index.takeExpired(NOW_MS + TTL_MS)).toEqual([]);
  });

  it('wakes each step of a task at its own time', () => {
    const steps = ['a', 'b'].map((id) => stepSpec(id, { retry: { attemptsMax: 3, backoffMs: 1 } }));
    const failed = (stepId: string, ms: number) =>
      ({
        type: 'step.failed',
        taskId: 't1',
        step: failureOf(stepId, 1, { code: 'SERVER_BUSY', message: 'busy' }),
        retryAt: later(ms),
      }) as const;
    const index = indexOf(
      submitted({ steps }),
      dispatched('a'),
      dispatched('b'),
      failed('a', 2_000),
      failed('b', 1_000),
    );
    index.wake(NOW_MS + 1_000);
    expect([index.ready.find('t1', 'a'), index.ready.find('t1', 'b')?.attempt]).toEqual([undefined, 2]);
    index.wake(NOW_MS + 2_000);
    expect(index.ready.find('t1', 'a')?.attempt).toBe(2);
  });
});
