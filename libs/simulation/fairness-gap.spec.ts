import { describe, expect, it } from '@jest/globals';
import { fairnessGap } from '#libs/simulation/fairness-gap.js';
import { vramBytesOf } from '#libs/simulation/hardware.js';
import { MODELS } from '#libs/simulation/models.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { RunRecord, TaskRun } from '#libs/simulation/run-record.js';
import type { Trace } from '#libs/simulation/trace.js';

const [hardware] = hardwarePresets(1);
const MODEL = MODELS.llama8b;

/** `a1` and so on are tasks of workspace `a`. */
const gapOf = (
  runs: readonly (readonly [id: string, readyS: number, fromS: number, toS: number])[],
  weightOfB = 1,
): number => {
  if (hardware === undefined) throw new Error('there is no machine');
  const trace: Trace = {
    name: 'by hand',
    kind: 'batch',
    seed: 1,
    models: [MODEL],
    workspaces: [
      { name: 'a', weight: 1 },
      { name: 'b', weight: weightOfB },
    ],
    tasks: runs.map(([id]) => ({
      id,
      atMs: 0,
      workspace: id.slice(0, 1),
      priority: 5,
      model: MODEL.model,
      promptTokens: 1,
      outputTokens: 1,
      outputTokensMax: 1,
      after: [],
      deadlineMs: null,
    })),
  };
  const tasks = runs.map(([id, readyS, fromS, toS]): TaskRun => ({
    id,
    serverId: 'gpu1',
    readyAtMs: readyS * 1_000,
    startedAtMs: fromS * 1_000,
    endedAtMs: toS * 1_000,
    startBoundMs: null,
    predictedMs: null,
  }));
  const record: RunRecord = { scheduler: 'by hand', tasks, loads: 1, overcommits: 0, busyMs: new Map() };
  // In seconds of the whole GPU.
  const share = vramBytesOf(MODEL, 1) / (hardware.servers[0]?.gpu.vramBytes ?? 1);
  return fairnessGap(record, trace, hardware) / 1_000 / share;
};

describe('how far two workspaces drift apart', () => {
  it('is what one received while both had something waiting', () => {
    // Both wait until b1 starts at 10; a has received ten seconds then. What b receives later, while nothing of a waits, does not count.
    expect(
      gapOf([
        ['a1', 0, 0, 10],
        ['a2', 0, 10, 20],
        ['b1', 0, 20, 30],
        ['a3', 0, 30, 40],
      ]),
    ).toBeCloseTo(20);
  });

  it('is nothing while one of them has nothing waiting', () => {
    expect(
      gapOf([
        ['a1', 0, 0, 10],
        ['b1', 10, 10, 20],
      ]),
    ).toBe(0);
  });

  it('counts less for whom more is due', () => {
    const runs = [
      ['b1', 0, 0, 10],
      ['b2', 0, 10, 20],
      ['a1', 0, 20, 30],
      ['b3', 0, 30, 40],
    ] as const;
    expect([gapOf(runs), gapOf(runs, 2)]).toEqual([expect.closeTo(20), expect.closeTo(10)]);
  });

  it('is the drift within a time, whatever was before', () => {
    const alternating = [
      ['a1', 0, 0, 5],
      ['b1', 0, 5, 10],
      ['a2', 0, 10, 15],
      ['b2', 0, 15, 20],
      ['a3', 0, 20, 25],
      ['b3', 0, 25, 30],
    ] as const;
    expect(gapOf(alternating)).toBeCloseTo(5);
  });
});
