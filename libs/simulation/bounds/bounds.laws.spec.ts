import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { loadsBound } from '#libs/simulation/bounds/loads-bound.js';
import { makespanBound, type BoundName } from '#libs/simulation/bounds/makespan-bound.js';
import { UNLOAD_MIN_MS, type UsableVram } from '#libs/simulation/bounds/relaxation.js';
import { certainOf, impossibilities, judgeRun, type Judgement } from '#libs/simulation/judge-run.js';
import { modelSpeeds } from '#libs/simulation/speeds.js';
import type { Hardware } from '#libs/simulation/hardware.js';
import type { RunRecord } from '#libs/simulation/run-record.js';
import type { Trace } from '#libs/simulation/trace.js';
import { runAtRandom } from '#libs/testing/shared-gpu-run.js';
import { simCases, type SimCase } from '#libs/testing/simulation-builders.js';

const whole: UsableVram = ({ vramBytes }) => vramBytes;
const cases = simCases({ tasksMin: 4, tasksMax: 30, serversMax: 3, memory: 'shared' });
const always = (check: (one: SimCase) => void, runs = 300): void =>
  fc.assert(fc.property(cases, check), { numRuns: runs });

const boundMs = ({ trace, hardware }: Pick<SimCase, 'trace' | 'hardware'>): number =>
  makespanBound(trace, hardware, whole).boundMs;

const judgedOf = (record: RunRecord, trace: Trace, hardware: Hardware): Judgement =>
  judgeRun(record, trace, hardware, certainOf(trace, hardware), 0);

/** Without some tasks; who needed one of these needs it no more. */
const subsetOf = (trace: Trace, keeps: (n: number) => boolean): Trace => {
  const kept = trace.tasks.filter((_, n) => keeps(n));
  const ids = new Set(kept.map(({ id }) => id));
  return {
    ...trace,
    tasks: kept.map((task) => ({ ...task, after: task.after.filter((id) => ids.has(id)) })),
  };
};

describe('the cases that are tried here', () => {
  it('let the bounds by work, release, path and eligibility each be the largest, and contain deadlines that are kept and missed', () => {
    const seen = new Map<BoundName | 'kept' | 'missed' | 'late for sure' | 'loads', number>();
    const count = (name: Parameters<typeof seen.set>[0], by = 1) =>
      seen.set(name, (seen.get(name) ?? 0) + by);
    for (const { trace, hardware, seed } of fc.sample(cases, { numRuns: 1500, seed: 1 })) {
      count(makespanBound(trace, hardware, whole).binds);
      const due = trace.tasks.filter(({ deadlineMs }) => deadlineMs !== null).length;
      const judged = judgedOf(runAtRandom(trace, hardware, seed), trace, hardware);
      count('kept', judged.deadlineHits);
      count('missed', due - judged.deadlineHits);
      count('late for sure', due - judged.deadlineHitsBound);
    }
    const names = ['work', 'release', 'path', 'eligibility'] as const;
    for (const name of [...names, 'kept', 'missed', 'late for sure'] as const)
      expect([name, (seen.get(name) ?? 0) > 2]).toEqual([name, true]);
  });
});

describe('any run on shared GPUs', () => {
  it('takes no less time and no fewer loads than the bounds, and has nothing to object to', () =>
    always(({ trace, hardware, seed }) => {
      const record = runAtRandom(trace, hardware, seed);
      const judged = judgedOf(record, trace, hardware);
      expect(impossibilities(judged, record, trace)).toEqual([]);
      expect(judged.percentOfBound).toBeLessThanOrEqual(100 + 1e-6);
      expect(judged.loads).toBeGreaterThanOrEqual(judged.loadsBound);
    }, 1000));

  it('keeps no more deadlines than can be kept', () =>
    always(({ trace, hardware, seed }) => {
      const judged = judgedOf(runAtRandom(trace, hardware, seed), trace, hardware);
      expect(judged.deadlineHits).toBeLessThanOrEqual(judged.deadlineHitsBound);
    }, 600));
});

describe('the bound of the makespan', () => {
  it('is no larger for a part of the tasks', () =>
    fc.assert(
      fc.property(cases, fc.nat(2 ** 30 - 1), ({ trace, hardware }, mask) => {
        const part = subsetOf(trace, (n) => ((mask >> n) & 1) === 1);
        expect(boundMs({ trace: part, hardware })).toBeLessThanOrEqual(boundMs({ trace, hardware }) + 1e-6);
      }),
      { numRuns: 500 },
    ));

  it('is no larger with another server', () =>
    always(({ trace, hardware }) => {
      const [first] = hardware.servers;
      if (first === undefined) return;
      const more = { ...hardware, servers: [...hardware.servers, { ...first, serverId: 'more' }] };
      expect(boundMs({ trace, hardware: more })).toBeLessThanOrEqual(boundMs({ trace, hardware }) + 1e-6);
    }));

  it('is no larger than one task after another on the first server, with a load for each', () =>
    always(({ trace, hardware }) => {
      const [server] = hardware.servers;
      if (server === undefined) return;
      let nowMs = 0;
      for (const task of trace.tasks) {
        const model = trace.models.find(({ model: name }) => name === task.model);
        if (model === undefined) continue;
        const speeds = modelSpeeds(server.gpu, model);
        nowMs = Math.max(nowMs, task.atMs) + 500 + (model.weightBytes / hardware.host.diskBytesPerS) * 1000;
        nowMs += (task.promptTokens / speeds.promptTokensPerS) * 1000;
        nowMs += (task.outputTokens / speeds.generateTokensPerS) * 1000 + UNLOAD_MIN_MS;
      }
      expect(boundMs({ trace, hardware })).toBeLessThanOrEqual(nowMs);
    }));
});

describe('the bound of the loads', () => {
  it('grows as the wait that is allowed shrinks', () =>
    fc.assert(
      fc.property(cases, fc.nat(10_000), fc.nat(10_000), ({ trace, hardware }, a, b) => {
        const bound = (waitMs: number | null) => loadsBound(trace, hardware, whole, waitMs);
        expect(bound(Math.min(a, b))).toBeGreaterThanOrEqual(bound(Math.max(a, b)));
        expect(bound(a)).toBeGreaterThanOrEqual(bound(null));
      }),
    ));
});
