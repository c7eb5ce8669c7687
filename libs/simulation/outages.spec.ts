import { describe, expect, it } from '@jest/globals';
import { REFERENCE_BYTES, type Hardware, type SimModel } from './hardware.js';
import { playOutages } from './outages.js';
import { seededRandom } from './random.js';
import type { Outage } from './trace.js';
import { VirtualClock } from './virtual-clock.js';
import { startServers } from './virtual-machine.js';
import type { VirtualServer } from './virtual-server.js';

const GIB = 2 ** 30;
const modelOf = (model: string, gib = 4.58): SimModel => ({
  model,
  weightBytes: gib * GIB,
  kvBytesPerToken: 0,
  numCtx: 8_192,
});
const A = modelOf('a');
const B = modelOf('b');
/** Ten seconds of disk. */
const LARGE = modelOf('large', 45.8);

/** 100 tokens per second and 1,000 of a prompt for a model of reference size; the disk reads such a model in 1 s. */
const HARDWARE: Hardware = {
  name: 'test',
  host: { pageCacheBytes: 64 * GIB, diskBytesPerS: REFERENCE_BYTES, warmBytesPerS: 10 * REFERENCE_BYTES },
  servers: [1, 2].map((n) => ({
    serverId: `gpu${n}`,
    gpu: { name: 'test', vramBytes: 100 * GIB, generateTokensPerS: 100, promptTokensPerS: 1_000 },
    slots: 2,
  })),
};

const begin = (outages: readonly Outage[] = []) => {
  const clock = new VirtualClock();
  const servers = startServers(HARDWARE, clock, seededRandom(1));
  playOutages(outages, servers, clock);
  const [server, other] = servers;
  if (server === undefined || other === undefined) throw new Error('there are two servers');
  const log: string[] = [];
  const note = (what: string): void => void log.push(`${what} at ${Math.round(clock.nowMs) / 1_000}`);
  server.watch({ died: () => note('died'), back: () => note('back') });
  return { clock, server, other, log, note };
};

/** Loads these one after the other; then the time is where the last load ended. */
const loaded = (clock: VirtualClock, server: VirtualServer, ...models: readonly SimModel[]): number => {
  for (const model of models) server.load(model, () => {});
  clock.run();
  return clock.nowMs;
};

describe('a server that dies', () => {
  it('breaks what runs, what waits and what is being loaded, and comes back empty', () => {
    const { clock, server, log, note } = begin();
    loaded(clock, server, A);
    for (const name of ['one', 'two', 'in line'])
      server.start(
        'a',
        { promptTokens: 0, outputTokens: 1_000 },
        {
          onStarted: () => log.push(`${name} started`),
          onDone: () => log.push(`${name} done`),
          onBroken: () => log.push(`${name} broken`),
        },
      );
    server.load(LARGE, () => log.push('loaded'));
    clock.after(2_000, () => server.die());
    clock.after(60_000, () => server.comeBack());
    clock.run();
    expect(log.map((line) => line.replace(/ at .*/u, ''))).toEqual([
      'one started',
      'two started',
      'one broken',
      'two broken',
      'in line broken',
      'died',
      'back',
    ]);
    expect(server).toMatchObject({ isUp: true, freeBytes: 100 * GIB, loadingForMs: null, deaths: 1 });
    expect(server.residents).toEqual([]);
    // It works again: the load is a new one.
    server.load(A, () => note('loaded again'));
    clock.run();
    expect(log.at(-1)).toMatch(/^loaded again/u);
    expect(server.loads).toBe(3);
  });

  it('counts the GPU time that it had given to what broke, and nothing else', () => {
    const { clock, server } = begin();
    loaded(clock, server, A, B);
    const run = (model: string, promptTokens: number, outputTokens: number): void =>
      void server.start(model, { promptTokens, outputTokens }, { onDone: () => {} });
    // 0.5 s of a prompt and half a second of an answer, alone; this one is complete.
    run('a', 500, 50);
    clock.run();
    expect([server.busyMs, server.brokenMs].map(Math.round)).toEqual([1_000, 0]);
    // Two models share the GPU, and two requests of one of them share its part: all of the time is somebody's.
    run('a', 300, 1_000);
    run('a', 0, 1_000);
    run('b', 0, 1_000);
    clock.after(4_000, () => server.die());
    clock.run();
    expect([server.busyMs, server.brokenMs].map(Math.round)).toEqual([5_000, 4_000]);
  });

  it('leaves the disk to the others, and its half-read file out of the cache', () => {
    const { clock, server, other, log, note } = begin();
    server.load(LARGE, () => note('loaded'));
    other.load(modelOf('other', 45.8), () => note('other loaded'));
    clock.after(3_000, () => server.die());
    clock.run();
    // Alone it takes 10 s of disk; with the half of it for about two of these 3 s a second more.
    const otherS = Number(/other loaded at (.*)/u.exec(log.join('\n'))?.[1]);
    expect(otherS).toBeGreaterThan(11);
    expect(otherS).toBeLessThan(13.5);
    server.comeBack();
    const fromMs = clock.nowMs;
    loaded(clock, server, LARGE);
    expect(clock.nowMs - fromMs).toBeGreaterThan(10_000);
  });

  it('takes no orders until it is back, and can neither die nor come back twice', () => {
    const { clock, server } = begin();
    loaded(clock, server, A);
    expect(() => server.comeBack()).toThrow("return of 'gpu1': it is up — expected it down");
    server.die();
    for (const [order, what] of [
      [() => server.load(B, () => {}), "load of 'b'"],
      [() => server.unload('a', () => {}), "unload of 'a'"],
      [() => server.start('a', { promptTokens: 1, outputTokens: 1 }, { onDone: () => {} }), "request of 'a'"],
      [() => server.die(), 'death'],
    ] as const)
      expect(order).toThrow(`${what} on 'gpu1': it is down — expected it up`);
  });

  it('forgets a request that was aborted before, and ignores an abort after', () => {
    const { clock, server, log } = begin();
    loaded(clock, server, A);
    const request = (name: string) =>
      server.start(
        'a',
        { promptTokens: 0, outputTokens: 1_000 },
        {
          onStarted: () => log.push(`${name} started`),
          onDone: () => {},
          onBroken: () => log.push(`${name} broken`),
        },
      );
    const [aborted, kept] = [request('aborted'), request('kept')];
    request('next');
    aborted.abort();
    server.die();
    kept.abort();
    expect(log.slice(0, 5)).toEqual([
      'aborted started',
      'kept started',
      'next started',
      'kept broken',
      'next broken',
    ]);
  });
});

describe('the outages of a trace', () => {
  const death = { kind: 'death', server: 0, downMs: 5_000 } as const;

  it('hit a load in its middle, or the end of the span where there is none', () => {
    for (const loadAtMs of [11_000, 90_000]) {
      const { clock, server, log, note } = begin([
        { ...death, during: 'load', fromMs: 10_000, byMs: 60_000 },
      ]);
      clock.at(loadAtMs, () => server.load(LARGE, () => note('loaded')));
      clock.run();
      const at = log.map((line) => Number(line.split(' at ')[1]));
      expect(log[0]).toMatch(/^died/u);
      if (loadAtMs > 60_000) {
        expect(at.slice(0, 2)).toEqual([60, 65]);
        expect(log[2]).toMatch(/^loaded/u);
      } else {
        // Nobody loads again.
        expect(log).toHaveLength(2);
        expect(at[0]).toBeGreaterThan(11.8);
        expect(at[0]).toBeLessThan(12.3);
        expect(at[1]).toBeCloseTo((at[0] ?? 0) + 5, 2);
      }
    }
  });

  it('hit a request while it runs', () => {
    const { clock, server, log, note } = begin([
      { ...death, during: 'request', fromMs: 10_000, byMs: 60_000 },
    ]);
    server.load(A, () => {});
    clock.at(20_000, () =>
      server.start(
        'a',
        { promptTokens: 0, outputTokens: 500 },
        { onDone: () => note('done'), onBroken: () => note('broken') },
      ),
    );
    clock.run();
    const at = Number(log[0]?.split(' at ')[1]);
    expect(log.map((line) => line.split(' ')[0])).toEqual(['broken', 'died', 'back']);
    expect(at).toBeGreaterThanOrEqual(20);
    expect(at).toBeLessThanOrEqual(20.25);
  });

  const slow = {
    kind: 'slow-unload',
    server: 0,
    fromMs: 10_000,
    restartAfterMs: 60_000,
    restartMs: 7_000,
  } as const;
  /** Unloads `a` at 20 s and again, where it could be loaded again, at 200 s. */
  const unloads = (outage: Outage): readonly string[] => {
    const { clock, server, log, note } = begin([outage]);
    server.load(A, () => {});
    clock.at(20_000, () => server.unload('a', () => note('gone')));
    clock.at(200_000, () =>
      server.load(A, () => clock.at(210_000, () => server.unload('a', () => note('gone again')))),
    );
    clock.run();
    return log;
  };

  it('let one unload never end; its operator restarts the server, and the next unload is as always', () => {
    const log = unloads({ ...slow, lastsMs: null });
    expect(log.slice(0, 2)).toEqual(['died at 80', 'back at 87']);
    const againS = Number(/gone again at (.*)/u.exec(log[2] ?? '')?.[1]);
    expect([log.length, againS >= 210.7 && againS <= 211.7]).toEqual([3, true]);
  });

  it('let one unload last long; without a restart where it is over before', () => {
    expect(unloads({ ...slow, lastsMs: 45_000 })[0]).toBe('gone at 65');
    expect(unloads({ ...slow, lastsMs: 45_000 })).toHaveLength(2);
    expect(unloads({ ...slow, lastsMs: 61_000 }).slice(0, 2)).toEqual(['died at 80', 'back at 87']);
  });

  it('let a second order to unload wait for the same end, and restart no server that has died meanwhile', () => {
    const { clock, server, log, note } = begin([
      { ...slow, lastsMs: null },
      { ...death, during: 'load', fromMs: 30_000, byMs: 30_000 },
    ]);
    server.load(A, () => {});
    clock.at(20_000, () => server.unload('a', () => note('gone')));
    clock.at(21_000, () => server.unload('a', () => note('gone for the second')));
    clock.run();
    expect(log).toEqual(['died at 30', 'back at 35']);
    const later = begin([{ ...slow, lastsMs: 5_000 }]);
    later.server.load(A, () => {});
    later.clock.at(20_000, () => later.server.unload('a', () => later.note('gone')));
    later.clock.at(21_000, () => later.server.unload('a', () => later.note('gone for the second')));
    later.clock.run();
    expect(later.log).toEqual(['gone at 25', 'gone for the second at 25']);
  });

  it('are refused for a server that the machine does not have', () => {
    expect(() => begin([{ ...slow, server: 2, lastsMs: null }])).toThrow(
      'outage of server 2 — expected one of the 2 servers, from 0',
    );
  });
});
