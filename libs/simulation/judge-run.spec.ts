import { describe, expect, it } from '@jest/globals';
import {
  runRecord,
  simHardware,
  simServer,
  simTask,
  simTrace,
  taskRun,
} from '#libs/testing/simulation-builders.js';
import { judgeRun, type Judgement } from './judge-run.js';
import type { RunRecord, Span, TaskRun } from './run-record.js';

/** Ready at 10 s, promised to start by 20 s. */
const judged = (run: Partial<TaskRun>, more: Partial<RunRecord> = {}): Judgement => {
  const record = runRecord(
    [taskRun('t', { readyAtMs: 10_000, startBoundMs: 20_000, endedAtMs: 60_000, ...run })],
    more,
  );
  const certain = { makespanMs: 1_000, loads: 1, deadlineHits: 0 };
  return judgeRun(record, simTrace([simTask('t')]), simHardware(simServer('gpu1')), certain, 1);
};
const around = (fromMs: number, toMs: number): { readonly disturbances: readonly Span[] } => ({
  disturbances: [{ fromMs, toMs }],
});

describe('the promised starts of a run', () => {
  it('count a start after the promise, and how much of the promised time was used', () => {
    expect(judged({ startedAtMs: 15_000 })).toMatchObject({ overBound: 0, lateExcused: 0, boundUsed: 0.5 });
    expect(judged({ startedAtMs: 30_000 })).toMatchObject({ overBound: 1, lateExcused: 0, boundUsed: 2 });
    expect(judged({ startedAtMs: 30_000, startBoundMs: null })).toMatchObject({ overBound: 0, boundUsed: 0 });
  });

  it('are kept by the first start, whatever becomes of it', () => {
    const again = { firstStartedAtMs: 15_000, startedAtMs: 45_000 };
    expect(judged(again)).toMatchObject({ overBound: 0, lateExcused: 0, boundUsed: 0.5 });
    expect(judged(again, around(30_000, 44_000))).toMatchObject({ overBound: 0, boundUsed: 0.5 });
    expect(judged({ ...again, firstStartedAtMs: 25_000 })).toMatchObject({ overBound: 1 });
  });

  it.each([
    ['a moment in between', 15_000, 15_000],
    ['an outage that began before', 1_000, 12_000],
    ['one that began before the promised start and lasts', 20_000, Infinity],
  ])('are void after %s', (_, fromMs, toMs) =>
    expect(judged({ startedAtMs: 30_000 }, around(fromMs, toMs))).toMatchObject({
      overBound: 0,
      lateExcused: 1,
      boundUsed: 0,
    }),
  );

  it.each([
    ['what was over before', 1_000, 9_999],
    ['what began when it was late already', 20_001, 25_000],
  ])('are not excused by %s', (_, fromMs, toMs) =>
    expect(judged({ startedAtMs: 30_000 }, around(fromMs, toMs))).toMatchObject({
      overBound: 1,
      lateExcused: 0,
    }),
  );
});

describe('what outages cost', () => {
  it('is told in seconds, and nothing where there were none', () => {
    expect(judged({})).toMatchObject({ repeatedS: 0, deaths: 0 });
    expect(judged({}, { repeatedMs: 2_500, deaths: 2 })).toMatchObject({ repeatedS: 2.5, deaths: 2 });
  });
});
