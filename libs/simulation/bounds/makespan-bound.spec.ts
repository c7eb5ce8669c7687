import { describe, expect, it } from '@jest/globals';
import { makespanBound } from '#libs/simulation/bounds/makespan-bound.js';
import { gib } from '#libs/testing/builders.js';
import { simHardware, simModel, simServer, simTask, simTrace } from '#libs/testing/simulation-builders.js';

const boundOf = (
  ...[trace, hardware]: [Parameters<typeof makespanBound>[0], Parameters<typeof makespanBound>[1]]
) => makespanBound(trace, hardware, ({ vramBytes }) => vramBytes);

/** Only one model fits on it at a time. */
const small = (serverId: string, slots = 1) => simServer(serverId, { vramBytes: gib(6), slots });
const tasks = (...models: readonly string[]) => models.map((model, n) => simTask(`t${n}`, { model }));

// A task takes 0.5 s to read and 0.5 s to write, a first load 2 s, an unload 0.7 s.
describe('the least makespan that can be sure', () => {
  it('is the work and every load, where models can be on the GPU only alone', () => {
    const { boundsMs, binds } = boundOf(simTrace(tasks('a', 'b', 'a', 'b')), simHardware(small('gpu1')));
    expect(boundsMs.work).toBeCloseTo(4 * 1000 + 2 * 2000 + 700);
    expect(binds).toBe('work');
  });

  it('counts no load that can hide behind a neighbour', () => {
    const trace = simTrace(tasks('a', 'b', 'a', 'b'));
    const { boundsMs } = boundOf(trace, simHardware(simServer('gpu1')));
    // One model by itself cannot hide its load; both together can.
    expect(boundsMs.work).toBeCloseTo(4 * 1000);
    expect(boundsMs.release).toBeCloseTo(2000 + 4 * 1000);
  });

  it('shares the work over the GPUs, and counts no unload where each may keep its last model', () => {
    const trace = simTrace(tasks('a', 'b', 'a', 'b'));
    expect(boundOf(trace, simHardware(small('gpu1'), small('gpu2'))).boundsMs.work).toBeCloseTo(
      (4 * 1000 + 2 * 2000) / 2,
    );
  });

  it('generates with all slots together: 4 make 3 times as much of the GPU', () => {
    const { boundsMs } = boundOf(simTrace(tasks('a', 'a')), simHardware(small('gpu1', 4)));
    expect(boundsMs.work).toBeCloseTo(2 * (500 + 500 / 3) + 2000);
  });

  it('counts a GPU of half the speed as a half', () => {
    const hardware = simHardware(simServer('gpu1'), simServer('gpu2', { speed: 0.5 }));
    const { boundsMs } = boundOf(simTrace(tasks('a', 'a', 'a')), hardware);
    expect(boundsMs.release).toBeCloseTo(2000 + 3000 / 1.5);
  });

  it('takes speeds in proportion to the weights', () => {
    const trace = simTrace(tasks('a'), { models: [simModel('a', 2 * simModel('a').weightBytes)] });
    expect(boundOf(trace, simHardware(simServer('gpu1'))).boundMs).toBeCloseTo(500 + 2 * 1500 + 2 * 1000);
  });

  it('is after the last submission', () => {
    const trace = simTrace([
      ...tasks('a'),
      simTask('late', { atMs: 60_000 }),
      simTask('later', { atMs: 60_000 }),
    ]);
    const { boundMs, binds } = boundOf(trace, simHardware(small('gpu1')));
    expect([boundMs, binds]).toEqual([62_000, 'release']);
  });

  it('follows the longest chain, each alone on the fastest GPU', () => {
    const chain = [0, 1, 2, 3].map((n) =>
      simTask(`t${n}`, { model: n === 3 ? 'b' : 'a', after: n > 0 ? [`t${n - 1}`] : [] }),
    );
    const hardware = simHardware(simServer('gpu1', { slots: 8 }), simServer('gpu2', { speed: 2 }));
    const { boundMs, binds } = boundOf(simTrace(chain), hardware);
    expect(boundMs).toBeCloseTo(2000 + 4 * 500);
    expect(binds).toBe('path');
  });

  it('counts only the GPUs that can hold a model', () => {
    const models = [simModel('a'), simModel('b', gib(2))];
    const hardware = simHardware(small('gpu1'), simServer('gpu2', { vramBytes: gib(3) }));
    const { boundMs, binds, boundsMs } = boundOf(simTrace(tasks('a', 'a', 'a', 'b'), { models }), hardware);
    expect([boundMs, binds]).toEqual([2000 + 3 * 1000, 'eligibility']);
    expect(boundsMs.model).toBeCloseTo(boundMs);
  });

  it('leaves free what the schedulers leave free', () => {
    const hardware = simHardware(small('gpu1'));
    expect(() =>
      makespanBound(simTrace(tasks('a')), hardware, ({ vramBytes }) => vramBytes - gib(2)),
    ).toThrow('task t0: model a fits no server of test');
  });

  it('loads one model after another on a server, then runs the last of them', () => {
    const tiny = ['a', 'b', 'c'].map((model, n) =>
      simTask(`t${n}`, { model, promptTokens: 5, outputTokens: 1 }),
    );
    const { boundMs, binds } = boundOf(simTrace(tiny), simHardware(simServer('gpu1')));
    expect(boundMs).toBeCloseTo(3 * 2000 + 5 + 10);
    expect(binds).toBe('loader');
  });

  it('is nothing for nothing', () => {
    expect(boundOf(simTrace([]), simHardware(small('gpu1'))).boundMs).toBe(0);
  });

  it('refuses a trace that cannot run', () => {
    const hardware = simHardware(small('gpu1'));
    expect(() => boundOf(simTrace(tasks('z')), hardware)).toThrow('task t0: model z is none of trace test');
    expect(() => boundOf(simTrace([simTask('t0', { after: ['t1'] })]), hardware)).toThrow(
      'task t0: its predecessor t1 does not stand earlier in the trace',
    );
  });
});
