import { describe, expect, it } from '@jest/globals';
import type { AttemptHistory } from './site-history.js';
import { WorkRecord } from './work-record.js';

const MODEL_ERROR = { code: 'MODEL_ERROR', message: 'broken' } as const;

type How = NonNullable<AttemptHistory['ended']>['how'];
const COMPLETED: How = { kind: 'completed' };

let nextMs = 0;
/** One after the other, so that nothing runs beside anything. */
const attempt = (tookMs: number, how: How | null, more: Partial<AttemptHistory> = {}): AttemptHistory => {
  const startMs = nextMs;
  nextMs += tookMs;
  return {
    taskId: 't1',
    stepId: 'a',
    workspace: 'home',
    serverId: 'gpu1',
    key: 'm',
    isCpu: false,
    vramShare: 0,
    startMs,
    ended: how === null ? null : { atMs: nextMs, how },
    tokens: null,
    ...more,
  };
};
const recordOf = (attempts: readonly AttemptHistory[]): WorkRecord => {
  const untilMs = nextMs;
  nextMs = 0;
  return new WorkRecord(attempts, { fromMs: 0, untilMs }, new Map());
};

describe('what the attempts of a step did', () => {
  it('comes in their order, failures as well, and the last of them again', () => {
    const record = recordOf([
      attempt(300, { kind: 'failed', failure: MODEL_ERROR }),
      attempt(900, COMPLETED),
    ]);
    const courses = [0, 1, 2].map((nth) => record.attempt('t1', 'a', 'm', nth));
    expect(courses.map(({ workMs, outcome }) => [workMs, outcome.kind])).toEqual([
      [300, 'failed'],
      [900, 'completed'],
      [900, 'completed'],
    ]);
    expect(record.estimated).toBe(0);
  });

  it('does not hold attempts that were lost: whoever runs the step again does what it did', () => {
    const record = recordOf([attempt(200, { kind: 'taken', isLost: true }), attempt(900, COMPLETED)]);
    expect(record.attempt('t1', 'a', 'm', 0)).toMatchObject({ workMs: 900 });
  });

  it('is what is usual for its model where no end was seen, and half as much again as was seen at least', () => {
    const others = [attempt(800, COMPLETED, { taskId: 'x' }), attempt(1_000, COMPLETED, { taskId: 'y' })];
    const stopped = attempt(4_000, { kind: 'taken', isLost: false }, { taskId: 'z' });
    const record = recordOf([...others, stopped]);
    expect(record.attempt('never', 'a', 'm', 0)).toMatchObject({ workMs: 900, serverId: null });
    expect(record.attempt('z', 'a', 'm', 0)).toMatchObject({ workMs: 6_000 });
    // Nothing of this model was seen at all.
    expect(record.attempt('never', 'a', 'other', 0).workMs).toBe(15_000);
    expect(record.estimated).toBe(2);
  });

  it('takes as much longer on another server as a token takes there, once enough were seen on both', () => {
    const on = (serverId: string, tookMs: number, count: number) =>
      Array.from({ length: count }, (_, n) =>
        attempt(tookMs, COMPLETED, { taskId: `${serverId}-${n}`, serverId, tokens: 100 }),
      );
    const seen = recordOf([...on('fast', 1_000, 5), ...on('slow', 3_000, 5), ...on('new', 9_000, 4)]);
    const course = seen.attempt('fast-0', 'a', 'm', 0);
    expect(['fast', 'slow', 'new', 'unseen'].map((serverId) => seen.workMsOn(course, serverId))).toEqual([
      1_000, 3_000, 1_000, 1_000,
    ]);
  });
});
