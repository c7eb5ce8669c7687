import { describe, expect, it } from '@jest/globals';
import { REFERENCE_BYTES, vramBytesOf, type Hardware, type SimModel } from './hardware.js';
import { seededRandom } from './random.js';
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
const C = modelOf('c', 2.29);

/** 100 tokens per second and 1,000 of a prompt for a model of reference size; the disk reads such a model in 1 s. */
const hardware = (vramGib = 24, servers = 1): Hardware => ({
  name: 'test',
  host: { pageCacheBytes: 64 * GIB, diskBytesPerS: REFERENCE_BYTES, warmBytesPerS: 10 * REFERENCE_BYTES },
  servers: Array.from({ length: servers }, (_, index) => ({
    serverId: `gpu${index + 1}`,
    gpu: { name: 'test', vramBytes: vramGib * GIB, generateTokensPerS: 100, promptTokensPerS: 1_000 },
    slots: 4,
  })),
});

type World = {
  readonly clock: VirtualClock;
  readonly server: VirtualServer;
  readonly servers: readonly VirtualServer[];
};

const start = (options: { vramGib?: number; servers?: number; seed?: number } = {}): World => {
  const clock = new VirtualClock();
  const random = seededRandom(options.seed ?? 1);
  const servers = startServers(hardware(options.vramGib, options.servers), clock, random);
  const [server] = servers;
  if (server === undefined) throw new Error('no server');
  return { clock, server, servers };
};

/** Loads the models, then runs the requests at their time after that; the ends in seconds after it. */
const endsOf = (
  models: readonly SimModel[],
  requests: readonly (readonly [atS: number, model: string, promptTokens: number, outputTokens: number])[],
): { readonly ends: Record<string, number>; readonly busyS: number } => {
  const { clock, server } = start({ vramGib: 1_000 });
  for (const model of models) server.load(model, () => {});
  clock.run();
  const from = clock.nowMs;
  const ends: Record<string, number> = {};
  requests.forEach(([atS, model, promptTokens, outputTokens], index) => {
    clock.at(from + atS * 1_000, () => {
      const onDone = (): void => {
        ends[index] = Math.round(clock.nowMs - from) / 1_000;
      };
      server.start(model, { promptTokens, outputTokens }, { onDone });
    });
  });
  clock.run();
  return { ends, busyS: Math.round(server.busyMs) / 1_000 };
};

describe('what is loaded', () => {
  it('loads one after the other, and counts bytes from the order to the end of the unload', () => {
    const { clock, server } = start();
    const seen: string[] = [];
    const note = (what: string): void => {
      seen.push(
        `${what}: ${server.residents.map(({ model, state }) => `${model.model} ${state}`).join(', ')}`,
      );
    };
    server.load(A, () => {
      note('a loaded');
      server.unload('a', () => note('a gone'));
    });
    server.load(B, () => note('b loaded'));
    expect(server.freeBytes).toBe(24 * GIB - vramBytesOf(A, 4) - vramBytesOf(B, 4));
    clock.run();
    expect(seen).toEqual(['a loaded: a loaded, b loading', 'a gone: b loading', 'b loaded: b loaded']);
    expect([server.loads, server.overcommits, server.freeBytes]).toEqual([
      2,
      0,
      24 * GIB - vramBytesOf(B, 4),
    ]);
  });

  it('takes from 1.5 to 2.5 s for a model of one second of disk, and from 0.7 to 1.7 s to unload it', () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const { clock, server } = start({ seed });
      let loadedAtMs = 0;
      server.load(A, () => {
        loadedAtMs = clock.nowMs;
        server.unload('a', () => {});
      });
      clock.run();
      expect(loadedAtMs).toBeGreaterThanOrEqual(1_500);
      expect(loadedAtMs).toBeLessThanOrEqual(2_500);
      expect(clock.nowMs - loadedAtMs).toBeGreaterThanOrEqual(700);
      expect(clock.nowMs - loadedAtMs).toBeLessThanOrEqual(1_700);
    }
  });

  it('loads again from memory what another server of the host has loaded', () => {
    const { clock, servers } = start({ servers: 2 });
    const took: number[] = [];
    const [first, second] = servers;
    first?.load(A, () => {
      const from = clock.nowMs;
      took.push(from);
      second?.load(A, () => took.push(clock.nowMs - from));
    });
    clock.run();
    // The disk takes 1 s of the first load, memory 0.1 s of the second; a start at most 1.5 s and at least 0.5 s.
    expect(took[0]).toBeGreaterThanOrEqual(1_500);
    expect(took[1]).toBeLessThanOrEqual(1_600);
    expect(took[1]).toBeGreaterThanOrEqual(600);
  });

  it('counts every order to load that goes beyond the memory', () => {
    const { clock, server } = start({ vramGib: 9 });
    server.load(A, () => {});
    server.load(B, () => {});
    expect(server.overcommits).toBe(1);
    server.load(C, () => {});
    clock.run();
    expect([server.overcommits, server.freeBytes < 0]).toEqual([2, true]);
  });

  it('refuses to load what is there, to unload what works, and to ask what is not loaded', () => {
    const { clock, server } = start();
    const work = { promptTokens: 10, outputTokens: 10 };
    server.load(A, () => {
      server.start('a', work, { onDone: () => {} });
      expect(() => server.unload('a', () => {})).toThrow(
        "unload of 'a' on 'gpu1': 1 requests run — expected none",
      );
    });
    expect(() => server.load(A, () => {})).toThrow(
      "load of 'a' on 'gpu1': it is loading — expected it absent",
    );
    expect(() => server.start('a', work, { onDone: () => {} })).toThrow(
      "request of 'a' on 'gpu1': it is loading",
    );
    expect(() => server.unload('b', () => {})).toThrow("unload of 'b' on 'gpu1': it is absent");
    clock.run();
    expect(server.resident('a')).toMatchObject({ state: 'loaded', running: 0 });
  });
});

describe('how requests share the GPU', () => {
  it('reads the prompt and then generates, alone at full speed', () => {
    expect(endsOf([A], [[0, 'a', 500, 100]])).toEqual({ ends: { 0: 1.5 }, busyS: 1.5 });
  });

  it('scales with the bytes of the weights', () => {
    expect(endsOf([C], [[0, 'c', 500, 100]]).ends).toEqual({ 0: 0.75 });
  });

  it('ends an embedding with its prompt', () => {
    expect(endsOf([A], [[0, 'a', 500, 0]]).ends).toEqual({ 0: 0.5 });
  });

  it('batches the requests of one model', () => {
    // Two together make 180 tokens per second; the second one alone then 100 for its last 50.
    expect(
      endsOf(
        [A],
        [
          [0, 'a', 0, 90],
          [0, 'a', 0, 140],
        ],
      ).ends,
    ).toEqual({ 0: 1, 1: 1.5 });
  });

  it('reads prompts one at a time, in order of arrival', () => {
    expect(
      endsOf(
        [A],
        [
          [0, 'a', 1_000, 0],
          [0.1, 'a', 1_000, 0],
          [0.2, 'a', 1_000, 0],
        ],
      ).ends,
    ).toEqual({ 0: 1, 1: 2, 2: 3 });
  });

  it('shares equally between models, and between prompts and generation', () => {
    expect(
      endsOf(
        [A, B],
        [
          [0, 'a', 0, 100],
          [0, 'b', 0, 100],
        ],
      ),
    ).toEqual({ ends: { 0: 2, 1: 2 }, busyS: 2 });
    // One second of generation beside half a second of prompt: each has half until the prompt is read at 1 s.
    expect(
      endsOf(
        [A],
        [
          [0, 'a', 0, 100],
          [0, 'a', 500, 0],
        ],
      ).ends,
    ).toEqual({ 0: 1.5, 1: 1 });
  });

  it('counts as busy only the time in which it computes', () => {
    expect(
      endsOf(
        [A],
        [
          [0, 'a', 0, 100],
          [5, 'a', 0, 100],
        ],
      ).busyS,
    ).toBe(2);
  });

  it('keeps requests beyond the slots in line', () => {
    const five = [0, 1, 2, 3, 4].map(() => [0, 'a', 0, 75] as const);
    // Four together make 300 tokens per second; the fifth begins when they end.
    expect(endsOf([A], five).ends).toEqual({ 0: 1, 1: 1, 2: 1, 3: 1, 4: 1.75 });
  });
});

describe('aborting', () => {
  it('frees the share and the slot at once, for a prompt, an answer and a place in line', () => {
    const { clock, server } = start();
    const log: string[] = [];
    server.load(A, () => {
      const run = (name: string, promptTokens: number, outputTokens: number): (() => void) =>
        server.start(
          'a',
          { promptTokens, outputTokens },
          { onStarted: () => log.push(`${name} started`), onDone: () => log.push(`${name} done`) },
        ).abort;
      const generating = run('generating', 0, 1_000);
      const reading = run('reading', 10_000, 10);
      run('kept', 0, 1_000);
      run('last', 0, 1_000);
      const inLine = run('in line', 0, 10);
      run('next', 0, 10);
      clock.after(100, () => {
        inLine();
        generating();
        reading();
        generating();
      });
    });
    clock.run();
    expect(log).toEqual([
      'generating started',
      'reading started',
      'kept started',
      'last started',
      'next started',
      'next done',
      'kept done',
      'last done',
    ]);
    expect(server.resident('a')).toMatchObject({ running: 0, waiting: 0 });
  });

  it('does nothing after the end', () => {
    const { clock, server } = start();
    server.load(A, () => {
      const request = server.start(
        'a',
        { promptTokens: 1, outputTokens: 1 },
        { onDone: () => request.abort() },
      );
    });
    clock.run();
    expect(server.resident('a')).toMatchObject({ running: 0 });
  });
});
