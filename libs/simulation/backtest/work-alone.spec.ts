import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { GpuCompute } from '../gpu-compute.js';
import { REFERENCE_BYTES, type SimModel } from '../hardware.js';
import { VirtualClock } from '../virtual-clock.js';
import type { AttemptHistory } from './site-history.js';
import { workAlone } from './work-alone.js';

const attempt = (key: string, startMs: number, endMs: number | null, isCpu = false): AttemptHistory => ({
  taskId: 't1',
  stepId: 'a',
  workspace: 'home',
  serverId: isCpu ? 'cpu' : 'gpu1',
  key,
  isCpu,
  vramShare: 0,
  startMs,
  ended: endMs === null ? null : { atMs: endMs, how: { kind: 'completed' } },
  tokens: null,
});

const worksOf = (attempts: readonly AttemptHistory[], fromMs = 0, untilMs = 10_000): readonly number[] => {
  const works = workAlone(attempts, fromMs, untilMs);
  return attempts.map((one) => works.get(one) ?? Number.NaN);
};

describe('what an attempt takes with a server to itself', () => {
  it('is what it took, where nothing ran beside it', () =>
    expect(worksOf([attempt('a', 0, 1_000), attempt('a', 1_000, 1_500)])).toEqual([1_000, 500]));

  it('is nine tenths of it for each of two that were batched: two make 1.8 of one', () =>
    expect(worksOf([attempt('a', 0, 1_000), attempt('a', 0, 1_000)])).toEqual([900, 900]));

  it('is half of it beside another model', () =>
    expect(worksOf([attempt('a', 0, 1_000), attempt('b', 0, 1_000)])).toEqual([500, 500]));

  it('counts each moment by what ran then', () =>
    expect(worksOf([attempt('a', 0, 2_000), attempt('b', 1_000, 2_000)])).toEqual([1_500, 500]));

  it('is all of it on CPU slots, which share nothing', () =>
    expect(worksOf([attempt('cpu', 0, 1_000, true), attempt('cpu', 0, 700, true)])).toEqual([1_000, 700]));

  it('is what was left at the start of a window, and what was done by the end of the log', () =>
    expect(worksOf([attempt('a', 0, 1_000), attempt('a', 9_000, null)], 400)).toEqual([600, 1_000]));

  it('is found again from what the simulation made of it, whatever ran beside what', () => {
    const job = fc.record({
      atMs: fc.integer({ min: 0, max: 5_000 }),
      workMs: fc.integer({ min: 1, max: 3_000 }),
      key: fc.constantFrom('a', 'b', 'c'),
    });
    fc.assert(
      fc.property(fc.array(job, { minLength: 1, maxLength: 8 }), (jobs) => {
        const clock = new VirtualClock();
        const gpu = { name: 'unit', vramBytes: 0, generateTokensPerS: 1_000, promptTokensPerS: 1_000 };
        const compute = new GpuCompute(clock, gpu);
        const attempts: AttemptHistory[] = [];
        const wanted: number[] = [];
        for (const { atMs, workMs, key } of jobs)
          clock.at(atMs, () => {
            const model: SimModel = {
              model: key,
              weightBytes: REFERENCE_BYTES,
              kvBytesPerToken: 0,
              numCtx: 0,
            };
            compute.start(model, { promptTokens: 0, outputTokens: workMs }, () => {
              attempts.push(attempt(key, atMs, clock.nowMs));
              wanted.push(workMs);
            });
          });
        clock.run();
        const found = worksOf(attempts);
        for (const [place, workMs] of wanted.entries()) expect(found[place]).toBeCloseTo(workMs, 3);
      }),
    );
  });
});
