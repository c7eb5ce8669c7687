import { describe, expect, it } from '@jest/globals';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import type { Pace } from '#libs/domain/policy/pace.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import type { Snapshot } from '#libs/domain/policy/snapshot.js';
import {
  configured,
  cpuSpec,
  CPU,
  gib,
  later,
  loadStarted,
  needsModel,
  NOW_MS,
  profileOf,
  readyStep,
  resident,
  serverState,
  serverUp,
} from '#libs/testing/builders.js';
import { snapshotWith } from '#libs/testing/snapshots.js';
import { ledgerOf } from '#libs/testing/spec.js';

type Fact = GpuRecord['event'];

const LLAMA = 'llama3:8b';
const PHI = 'phi4:14b';
const keyOf = (model: string): string => profileKey(profileOf(model));
const pace = (ms: number): Pace => ({ count: 50, meanMs: ms, aloneMs: ms, longestMs: ms, endedAtMs: 0 });
const on = (model: string, ...taskIds: readonly string[]): readonly ReadyStep[] =>
  taskIds.map((taskId, n) => readyStep(taskId, { requirement: needsModel(model), seq: n + 1 }));
const LONG_AGO = later(-3_600_000);
const llamaOn = (serverId: string): readonly Fact[] =>
  resident(serverId, `r-${serverId}`, profileOf(LLAMA), { bytes: gib(20), at: LONG_AGO, slots: 2 });
const leases = (serverId: string, ...taskIds: readonly string[]): Fact => ({
  type: 'lease.granted',
  serverId,
  leases: taskIds.map((taskId) => ({
    leaseId: `l-${taskId}`,
    taskId,
    stepId: 'a',
    attempt: 1,
    residencyId: `r-${serverId}`,
  })),
  at: LONG_AGO,
});

const forecast = (
  facts: readonly Fact[],
  steps: readonly ReadyStep[],
  more: Partial<Omit<Snapshot, 'settings'>> = {},
) => {
  const ready = new ReadyQueue();
  for (const step of steps) ready.put(step);
  const snapshot = snapshotWith({
    ready,
    ledger: ledgerOf(...facts),
    paces: new Map([
      [keyOf(LLAMA), pace(10_000)],
      [keyOf(PHI), pace(4_000)],
      ['cpu', pace(1_000)],
    ]),
    knownBytes: new Map([LLAMA, PHI].map((model) => [keyOf(model), gib(20)])),
    ...more,
  });
  const made = forecastOf(snapshot);
  /** Milliseconds from now. */
  return (key: string, place: number): number | null => {
    const startMs = made.startMs(key, place);
    return startMs === null ? null : startMs - NOW_MS;
  };
};

describe('a forecast', () => {
  it('starts now what there is a free slot for, and the others as slots come free', () => {
    const startOf = forecast([...serverUp('gpu1'), ...llamaOn('gpu1')], on(LLAMA, 't1', 't2', 't3', 't4'));
    expect([0, 1, 2, 3].map((place) => startOf(keyOf(LLAMA), place))).toEqual([0, 0, 5_000, 10_000]);
  });

  it('counts what runs', () => {
    const startOf = forecast(
      [...serverUp('gpu1'), ...llamaOn('gpu1'), leases('gpu1', 't8', 't9')],
      on(LLAMA, 't1'),
    );
    expect(startOf(keyOf(LLAMA), 0)).toBe(5_000);
  });

  it('starts one after the other where all slots are busy and the work is short', () => {
    const facts = [...serverUp('gpu1'), ...llamaOn('gpu1'), leases('gpu1', 't8', 't9')];
    const startOf = forecast(facts, on(LLAMA, 't1', 't2', 't3'), {
      paces: new Map([[keyOf(LLAMA), pace(20)]]),
    });
    expect([0, 1, 2].map((place) => startOf(keyOf(LLAMA), place))).toEqual([10, 20, 30]);
  });

  it('loads a model that nobody holds, at the time that its loads take', () => {
    const ledger = ledgerOf(...serverUp('gpu1'));
    ledger.loadMs.set(keyOf(LLAMA), 3_000);
    expect(forecast([], on(LLAMA, 't1'), { ledger })(keyOf(LLAMA), 0)).toBe(3_000);
  });

  it('waits for a load that is under way', () => {
    const begun = loadStarted('gpu1', 'r1', profileOf(LLAMA), { at: later(-2_000) });
    expect(forecast([...serverUp('gpu1'), begun], on(LLAMA, 't1'))(keyOf(LLAMA), 0)).toBe(6_000);
  });

  it('lets a loaded model do all of its work before it goes', () => {
    const startOf = forecast(
      [...serverUp('gpu1'), ...llamaOn('gpu1'), leases('gpu1', 't8', 't9')],
      [...on(LLAMA, 't1', 't2'), ...on(PHI, 't3')],
    );
    // Two start after five and ten seconds, the last ends ten later; then an unload of two and a load of eight.
    expect(startOf(keyOf(PHI), 0)).toBe(30_000);
  });

  it('takes twice as long where two models work on one server', () => {
    const beside = [
      ...serverUp('gpu1'),
      ...resident('gpu1', 'r-gpu1', profileOf(LLAMA), { bytes: gib(8), at: LONG_AGO, slots: 1 }),
      ...resident('gpu1', 'r2', profileOf(PHI), { bytes: gib(8), at: LONG_AGO, slots: 1 }),
    ];
    const many = ['t1', 't2', 't3', 't4', 't5', 't6', 't7'];
    const startOf = forecast(beside, [...on(LLAMA, ...many), ...on(PHI, 'u1', 'u2')]);
    expect(startOf(keyOf(PHI), 1)).toBe(8_000);
  });

  it('uses CPU slots for what needs no model', () => {
    const steps = ['t1', 't2', 't3'].map((taskId, n) => readyStep(taskId, { requirement: CPU, seq: n }));
    expect(forecast([configured(cpuSpec(1))], steps)('cpu', 2)).toBe(2_000);
  });

  it('goes on behind what is played forward one by one', () => {
    const many = Array.from({ length: 2_000 }, (_, n) => `t${n}`);
    const startOf = forecast([...serverUp('gpu1'), ...llamaOn('gpu1')], on(LLAMA, ...many));
    expect(startOf(keyOf(LLAMA), 1_999)).toBeCloseTo(1_998 * 5_000, 0);
  });

  it('says nothing where no server is up', () => {
    const startOf = forecast([...serverUp('gpu1'), serverState('gpu1', 'down')], on(LLAMA, 't1'));
    expect(startOf(keyOf(LLAMA), 0)).toBeNull();
  });
});

describe('a model without work beside one that works', () => {
  it('is expected to go when what waits for another one is worth the swap', () => {
    const MISTRAL = 'mistral:7b';
    const facts = [
      ...serverUp('gpu1', { vramBytes: gib(48), besideShare: 1 }),
      ...llamaOn('gpu1'),
      ...resident('gpu1', 'r-mistral', profileOf(MISTRAL), { bytes: gib(20), at: LONG_AGO, slots: 2 }),
      leases('gpu1', 't9'),
    ];
    // Llama works for 100 s. A swap takes eight seconds of loading and two of unloading: five of them are 50 s of waiting.
    const paces = new Map([
      [keyOf(LLAMA), pace(100_000)],
      [keyOf(MISTRAL), { ...pace(4_000), endedAtMs: NOW_MS }],
      [keyOf(PHI), pace(4_000)],
    ]);
    const startOf = forecast(facts, on(PHI, 't1'), { paces });
    expect(startOf(keyOf(PHI), 0)).toBe(60_000);
  });
});
