import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { makespanBound } from '#libs/simulation/bounds/makespan-bound.js';
import { SPAWN_MIN_MS, UNLOAD_MIN_MS } from '#libs/simulation/bounds/relaxation.js';
import { leastMakespanMs } from '#libs/simulation/brute-force.js';
import { percentile } from '#libs/simulation/statistics.js';
import { gib } from '#libs/testing/builders.js';
import { simCases, simHardware, simServer, simTask, simTrace } from '#libs/testing/simulation-builders.js';

const SETUP = { spawnMs: SPAWN_MIN_MS, unloadMs: UNLOAD_MIN_MS };
const CASES = 200;

describe('the lower bound on tiny cases', () => {
  /**
   * How near it comes, as shares of the least makespan. With these cases: one GPU 0.88 at the least and 1 in the
   * middle; two GPUs 0.69, and 0.87 in the middle, because work comes in whole tasks and each GPU loads for itself.
   */
  it('is never above the least makespan', () => {
    const tiny = simCases({ tasksMin: 4, tasksMax: 8, serversMax: 2, memory: 'one' });
    const ratios = new Map<number, number[]>([
      [1, []],
      [2, []],
    ]);
    for (const { trace, hardware } of fc.sample(tiny, { numRuns: CASES, seed: 6 })) {
      const { boundMs } = makespanBound(trace, hardware, ({ vramBytes }) => vramBytes);
      const leastMs = leastMakespanMs(trace, hardware, SETUP);
      expect(boundMs).toBeLessThanOrEqual(leastMs + 1e-6);
      ratios.get(hardware.servers.length)?.push(boundMs / leastMs);
    }
    const middles = [...ratios.values()].map((sample) => [sample.length, percentile(sample, 0.5)]);
    expect(middles.flatMap(([count]) => count ?? 0).reduce((sum, count) => sum + count, 0)).toBe(CASES);
    for (const [, middle] of middles) expect(middle).toBeLessThanOrEqual(1 + 1e-9);
  });
});

describe('the least makespan by brute force', () => {
  const one = simServer('gpu1', { vramBytes: gib(6) });
  const two = simServer('gpu2', { vramBytes: gib(6) });

  it('groups what one GPU does: a, a, b, b with two loads and one unload', () => {
    const tasks = ['a', 'b', 'a', 'b'].map((model, n) => simTask(`t${n}`, { model }));
    expect(leastMakespanMs(simTrace(tasks), simHardware(one), SETUP)).toBeCloseTo(
      2000 + 2000 + 700 + 2000 + 2000,
    );
  });

  it('gives each of two GPUs a model of its own', () => {
    const tasks = ['a', 'b', 'a', 'b'].map((model, n) => simTask(`t${n}`, { model }));
    expect(leastMakespanMs(simTrace(tasks), simHardware(one, two), SETUP)).toBeCloseTo(2000 + 2000);
  });

  it('loads before a task is ready, and waits for what it needs', () => {
    const tasks = [
      simTask('t0'),
      simTask('t1', { model: 'b', after: ['t0'] }),
      simTask('t2', { model: 'b', atMs: 9000 }),
    ];
    expect(leastMakespanMs(simTrace(tasks.slice(0, 2)), simHardware(one, two), SETUP)).toBeCloseTo(
      2000 + 1000 + 1000,
    );
    expect(leastMakespanMs(simTrace(tasks), simHardware(one, two), SETUP)).toBeCloseTo(9000 + 1000);
  });

  it('refuses what is outside its model', () => {
    const search =
      (servers: Parameters<typeof simHardware>, count = 1) =>
      () =>
        leastMakespanMs(
          simTrace(Array.from({ length: count }, (_, n) => simTask(`t${n}`))),
          simHardware(...servers),
          SETUP,
        );
    expect(search([one], 9)).toThrow(/9 tasks.*up to 8/);
    expect(search([simServer('gpu1')])).toThrow(/gpu1 holds two models at once/);
    expect(search([simServer('gpu1', { vramBytes: gib(6), slots: 2 })])).toThrow(
      /gpu1 has 2 slots: 1 is accepted/,
    );
    expect(search([simServer('gpu1', { vramBytes: gib(3) })])).toThrow(/t0: model a fits no server/);
  });
});
