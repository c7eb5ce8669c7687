import { describe, expect, it } from '@jest/globals';
import { planLoad, type LoadPlan } from '#libs/domain/gpu/decide.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { freeBytes } from '#libs/domain/gpu/room.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { estimateVramBytes } from '#libs/domain/gpu/vram-estimate.js';
import {
  configured,
  cpuSpec,
  gib,
  loadStarted,
  NOW,
  profileOf,
  resident,
  serverSpec,
  serverState,
  serverUp,
} from '#libs/testing/builders.js';
import { ledgerOf } from '#libs/testing/spec.js';

type Fact = GpuRecord['event'];

const LLAMA = profileOf('llama3:8b');
const QWEN = profileOf('qwen2.5:7b');
const PHI = profileOf('phi4:14b');

const up = serverUp('gpu1');
const qwen = resident('gpu1', 'r-qwen', QWEN, { bytes: gib(10) });
const phi = resident('gpu1', 'r-phi', PHI, { bytes: gib(10) });
const onQwen: Fact = {
  type: 'lease.granted',
  serverId: 'gpu1',
  leases: [{ leaseId: 'l1', taskId: 't1', stepId: 'a', attempt: 1, residencyId: 'r-qwen' }],
  at: NOW,
};
const unloading: Fact = {
  type: 'residency.unload-started',
  serverId: 'gpu1',
  residencyId: 'r-qwen',
  reason: 'room',
  at: NOW,
};

const serverOf = (facts: readonly Fact[], serverId = 'gpu1') => {
  const server = ledgerOf(...facts).servers.get(serverId);
  if (server === undefined) throw new Error(`${serverId} is not configured`);
  return server;
};

const swap = (...unload: readonly string[]): LoadPlan => ({ kind: 'swap', unload });

describe('planning a load', () => {
  it.each<{ name: string; facts: readonly Fact[]; need?: number; evict?: readonly string[]; want: LoadPlan }>(
    [
      { name: 'loads into an empty server', facts: up, want: swap() },
      { name: 'loads into an empty server that it fills', facts: up, need: gib(24), want: swap() },
      {
        name: 'loads beside another model into four fifths of what is free',
        facts: [...up, ...qwen],
        need: gib(14) * 0.8,
        want: swap(),
      },
      {
        name: 'loads beside another model into all that is free, where the server allows that',
        facts: [...serverUp('gpu1', { besideShare: 1 }), ...qwen],
        need: gib(14),
        want: swap(),
      },
      {
        name: 'has nothing to do for a model that is loaded',
        facts: [...up, ...resident('gpu1', 'r1', LLAMA)],
        want: { kind: 'resident' },
      },
      {
        name: 'waits for a model that is loading already',
        facts: [...up, loadStarted('gpu1', 'r1', LLAMA)],
        want: { kind: 'in-progress' },
      },
      {
        name: 'waits while another model is loading',
        facts: [...up, loadStarted('gpu1', 'r1', QWEN)],
        want: { kind: 'in-progress' },
      },
      {
        name: 'waits while another model is unloading',
        facts: [...up, ...qwen, unloading],
        want: { kind: 'in-progress' },
      },
      {
        name: 'unloads the victim that it is given',
        facts: [...up, ...qwen, ...phi],
        evict: ['r-qwen'],
        want: swap('r-qwen'),
      },
      {
        name: 'unloads both victims when both are needed',
        facts: [...up, ...qwen, ...phi],
        need: gib(24),
        evict: ['r-qwen', 'r-phi'],
        want: swap('r-qwen', 'r-phi'),
      },
      {
        name: 'passes over a victim that is gone',
        facts: [...up, ...phi],
        evict: ['r-qwen'],
        want: swap(),
      },
      {
        name: 'replaces the same model with other options when that is the victim',
        facts: [...up, ...resident('gpu1', 'r1', profileOf('llama3:8b', 8192))],
        evict: ['r1'],
        want: swap('r1'),
      },
      {
        name: 'takes over a foreign copy of the very model',
        facts: [...up, serverState('gpu1', 'up', { foreign: [{ model: 'llama3:8b', bytes: gib(20) }] })],
        want: swap(),
      },
    ],
  )('$name', ({ facts, need = gib(8), evict = [], want }) => {
    expect(planLoad(serverOf(facts), LLAMA, need, evict)).toEqual(want);
  });

  it.each<{
    name: string;
    facts: readonly Fact[];
    need?: number;
    evict?: readonly string[];
    code: string;
    says: RegExp;
  }>([
    {
      name: 'a model larger than the server, with both numbers',
      facts: up,
      need: gib(24) + 1,
      code: 'NO_SERVER_FITS',
      says: new RegExp(
        `llama3:8b needs about ${gib(24) + 1} bytes with num_ctx 4096; server gpu1 has ${gib(24)}`,
      ),
    },
    {
      name: 'a model larger than the server even while it is down',
      facts: [...up, serverState('gpu1', 'down')],
      need: gib(25),
      code: 'NO_SERVER_FITS',
      says: /larger server/,
    },
    {
      name: 'a server that is down',
      facts: [...up, serverState('gpu1', 'down')],
      code: 'CAPACITY_TAKEN',
      says: /gpu1 is down/,
    },
    {
      name: 'a suspect server',
      facts: [...up, serverState('gpu1', 'suspect')],
      code: 'CAPACITY_TAKEN',
      says: /suspect/,
    },
    {
      name: 'a server that never answered',
      facts: [configured(serverSpec('gpu1'))],
      code: 'CAPACITY_TAKEN',
      says: /unknown/,
    },
    {
      name: 'a victim that is in use',
      facts: [...up, ...qwen, onQwen],
      evict: ['r-qwen'],
      code: 'CAPACITY_TAKEN',
      says: /qwen2.5:7b on gpu1 is still in use/,
    },
    {
      name: 'too little room, with both numbers',
      facts: [...up, ...qwen, ...phi],
      code: 'CAPACITY_TAKEN',
      says: new RegExp(`needs about ${gib(8)} bytes; ${gib(4)} would be free on gpu1`),
    },
    {
      name: 'too little room after the eviction',
      facts: [...up, ...qwen, ...phi],
      need: gib(14) + 1,
      evict: ['r-phi'],
      code: 'CAPACITY_TAKEN',
      says: new RegExp(`${gib(14)} would be free`),
    },
    {
      name: 'room that a victim named twice would make twice',
      facts: [...up, ...qwen, ...phi],
      need: gib(20),
      evict: ['r-phi', 'r-phi'],
      code: 'CAPACITY_TAKEN',
      says: new RegExp(`${gib(14)} would be free`),
    },
    {
      name: 'room that a foreign model takes',
      facts: [...up, serverState('gpu1', 'up', { foreign: [{ model: 'mistral', bytes: gib(20) }] })],
      code: 'CAPACITY_TAKEN',
      says: new RegExp(`${gib(4)} would be free`),
    },
    {
      name: 'the same model with other options, although there is room',
      facts: [...up, ...resident('gpu1', 'r1', profileOf('llama3:8b', 8192))],
      code: 'CAPACITY_TAKEN',
      says: /gpu1 holds llama3:8b with other options/,
    },
  ])('refuses $name', ({ facts, need = gib(8), evict = [], code, says }) => {
    const planned = planLoad(serverOf(facts), LLAMA, need, evict);
    expect(planned).toMatchObject({ kind: 'refused', failure: { code } });
    if (planned.kind === 'refused') expect(planned.failure.message).toMatch(says);
  });

  it('refuses models on the CPU server', () => {
    expect(planLoad(serverOf([configured(cpuSpec())], 'cpu'), LLAMA, 0, [])).toMatchObject({
      kind: 'refused',
      failure: { code: 'NO_SERVER_FITS' },
    });
  });

  it('tells how many bytes a model needs that does not fit, so that the scheduler need not ask again', () => {
    for (const [facts, need] of [
      [up, gib(25)],
      [[...up, ...qwen, ...phi], gib(8)],
    ] as const) {
      expect(planLoad(serverOf(facts), LLAMA, need, [])).toMatchObject({
        failure: { details: { needBytes: need } },
      });
    }
  });

  it('takes two names of one model for one', () => {
    const facts = [...up, ...resident('gpu1', 'r1', profileOf('llama3'))];
    expect(planLoad(serverOf(facts), profileOf('llama3:latest'), gib(1), [])).toEqual({ kind: 'resident' });
    expect(planLoad(serverOf(facts), profileOf('llama3:latest', 8192), gib(1), [])).toMatchObject({
      failure: { message: expect.stringMatching(/other options/) },
    });
  });
});

describe('free bytes', () => {
  it.each<{ name: string; facts: readonly Fact[]; want: number }>([
    { name: 'are all of an empty server', facts: up, want: gib(24) },
    {
      name: 'exclude what is loading',
      facts: [...up, loadStarted('gpu1', 'r1', LLAMA, { bytes: gib(9) })],
      want: gib(15),
    },
    { name: 'exclude what is loaded', facts: [...up, ...qwen], want: gib(14) },
    { name: 'exclude what is unloading', facts: [...up, ...qwen, unloading], want: gib(14) },
    {
      name: 'include what is unloaded',
      facts: [
        ...up,
        ...qwen,
        unloading,
        { type: 'residency.unloaded', serverId: 'gpu1', residencyId: 'r-qwen', reason: '', at: NOW },
      ],
      want: gib(24),
    },
    {
      name: 'include what could not be loaded',
      facts: [
        ...up,
        loadStarted('gpu1', 'r1', LLAMA),
        {
          type: 'residency.load-failed',
          serverId: 'gpu1',
          residencyId: 'r1',
          failure: { code: 'MODEL_LOAD_FAILED', message: '' },
          at: NOW,
        },
      ],
      want: gib(24),
    },
    {
      name: 'exclude foreign models',
      facts: [...up, serverState('gpu1', 'up', { foreign: [{ model: 'mistral', bytes: gib(4) }] })],
      want: gib(20),
    },
  ])('$name', ({ facts, want }) => expect(freeBytes(serverOf(facts))).toBe(want));
});

describe('a profile key', () => {
  it('is equal whatever the order of the options', () => {
    const one = profileKey({ model: 'm:1', options: { numCtx: 4096, numGpu: -1, useMmap: true } });
    expect(profileKey({ model: 'm:1', options: { useMmap: true, numGpu: -1, numCtx: 4096 } })).toBe(one);
  });

  it.each([
    [{ numCtx: 8192 }],
    [{ numCtx: 4096, numBatch: 512 }],
    [{ numCtx: 4096, useMmap: false }],
    [{ numCtx: 4096, numGpu: 0 }],
  ])('is another one with options %j', (options) => {
    expect(profileKey({ model: 'm:1', options })).not.toBe(profileKey(profileOf('m:1')));
  });

  it('is another one for another model', () => {
    expect(profileKey(profileOf('m:1'))).not.toBe(profileKey(profileOf('m:2')));
  });
});

/** Published shapes: layers, heads, KV heads, embedding length. */
const SHAPES = [
  {
    model: 'llama3.2:1b',
    weights: 1.23,
    shape: [16, 32, 8, 2048],
    kvKib: 32,
    at4k: 1.35,
    at8k: 1.48,
    at32k: 2.23,
  },
  {
    model: 'llama3.2:3b',
    weights: 1.88,
    shape: [28, 24, 8, 3072],
    kvKib: 112,
    at4k: 2.32,
    at8k: 2.76,
    at32k: 5.38,
  },
  {
    model: 'llama3.1:8b',
    weights: 4.58,
    shape: [32, 32, 8, 4096],
    kvKib: 128,
    at4k: 5.08,
    at8k: 5.58,
    at32k: 8.58,
  },
  {
    model: 'mistral:7b',
    weights: 4.07,
    shape: [32, 32, 8, 4096],
    kvKib: 128,
    at4k: 4.57,
    at8k: 5.07,
    at32k: 8.07,
  },
  {
    model: 'qwen2.5:7b',
    weights: 4.36,
    shape: [28, 28, 4, 3584],
    kvKib: 56,
    at4k: 4.58,
    at8k: 4.8,
    at32k: 6.11,
  },
  {
    model: 'gemma2:9b',
    weights: 5.06,
    shape: [42, 16, 8, 3584],
    kvKib: 294,
    at4k: 6.21,
    at8k: 7.36,
    at32k: 14.25,
  },
  {
    model: 'qwen2.5:14b',
    weights: 8.37,
    shape: [48, 40, 8, 5120],
    kvKib: 192,
    at4k: 9.12,
    at8k: 9.87,
    at32k: 14.37,
  },
  {
    model: 'phi4:14b',
    weights: 8.43,
    shape: [40, 40, 10, 5120],
    kvKib: 200,
    at4k: 9.21,
    at8k: 9.99,
    at32k: 14.68,
  },
  {
    model: 'qwen2.5:32b',
    weights: 18.49,
    shape: [64, 40, 8, 5120],
    kvKib: 256,
    at4k: 19.49,
    at8k: 20.49,
    at32k: 26.49,
  },
  {
    model: 'llama3.1:70b',
    weights: 39.59,
    shape: [80, 64, 8, 8192],
    kvKib: 320,
    at4k: 40.85,
    at8k: 42.1,
    at32k: 49.6,
  },
  {
    model: 'nomic-embed-text',
    weights: 0.26,
    shape: [12, 12, 12, 768],
    kvKib: 36,
    at4k: 0.4,
    at8k: 0.54,
    at32k: null,
  },
] as const;

describe('estimating the memory of a model', () => {
  const info = ([layers, heads, kvHeads, embedding, headDimension]: readonly number[]) => ({
    'general.architecture': 'arch',
    'arch.block_count': layers,
    'arch.attention.head_count': heads,
    'arch.attention.head_count_kv': kvHeads,
    'arch.embedding_length': embedding,
    ...(headDimension === undefined ? {} : { 'arch.attention.key_length': headDimension }),
  });
  const estimate = (weightsGib: number, shape: readonly number[], numCtx: number, slots = 1) =>
    estimateVramBytes({ fileBytes: gib(weightsGib), modelInfo: info(shape), numCtx, slots });

  it.each(SHAPES)(
    'agrees with the published table for $model',
    ({ weights, shape, kvKib, at4k, at8k, at32k }) => {
      const perToken = (estimate(weights, shape, 4097) - estimate(weights, shape, 4096)) / 1024;
      expect(perToken).toBe(kvKib);
      // The table has two digits.
      expect(Math.abs(estimate(weights, shape, 4096) / gib(1) - at4k)).toBeLessThan(0.011);
      expect(Math.abs(estimate(weights, shape, 8192) / gib(1) - at8k)).toBeLessThan(0.011);
      if (at32k !== null)
        expect(Math.abs(estimate(weights, shape, 32_768) / gib(1) - at32k)).toBeLessThan(0.011);
    },
  );

  it('multiplies the cache, not the weights, by the slots', () => {
    const [llama] = SHAPES.filter(({ model }) => model === 'llama3.1:8b');
    expect(estimate(4.58, llama?.shape ?? [], 8192, 4) / gib(1)).toBeCloseTo(4.58 + 4, 2);
  });

  it('takes the head dimension from the metadata where it is not embedding length over heads', () => {
    const gemma = [42, 16, 8, 3584, 256];
    expect((estimate(5.06, gemma, 2) - estimate(5.06, gemma, 1)) / 1024).toBe(336);
  });

  it('takes as many KV heads as heads where the metadata names none', () => {
    const { 'arch.attention.head_count_kv': _, ...without } = info([10, 8, 8, 512]);
    const withAll = estimate(1, [10, 8, 8, 512], 1000);
    expect(estimateVramBytes({ fileBytes: gib(1), modelInfo: without, numCtx: 1000, slots: 1 })).toBe(
      withAll,
    );
  });

  it.each([
    ['general.architecture'],
    ['arch.block_count'],
    ['arch.attention.head_count'],
    ['arch.embedding_length'],
  ])('adds a quarter of the weights where %s is unknown', (missing) => {
    const modelInfo = { ...info([32, 32, 8, 4096]), [missing]: undefined };
    expect(estimateVramBytes({ fileBytes: 400, modelInfo, numCtx: 8192, slots: 1 })).toBe(500);
  });

  it('adds less for a smaller context, and more for more slots, where the metadata is incomplete', () => {
    const unknown = { fileBytes: 800, modelInfo: {} };
    expect(estimateVramBytes({ ...unknown, numCtx: 4096, slots: 1 })).toBe(900);
    expect(estimateVramBytes({ ...unknown, numCtx: 8192, slots: 4 })).toBe(1600);
  });

  it('sums up KV heads that differ from layer to layer, and takes layers without attention for nothing', () => {
    const perLayer = { ...info([4, 8, 8, 512]), 'arch.attention.head_count_kv': [8, 0, 2, 2] };
    const given = { fileBytes: 0, modelInfo: perLayer, numCtx: 1, slots: 1 };
    expect(estimateVramBytes(given)).toBe((8 + 2 + 2) * (64 + 64) * 2);
  });

  it('does not pay for more context than the model was trained with', () => {
    const trained = { ...info([12, 12, 12, 768]), 'arch.context_length': 2048 };
    const bytes = (numCtx: number) =>
      estimateVramBytes({ fileBytes: gib(0.26), modelInfo: trained, numCtx, slots: 1 });
    expect(bytes(8192)).toBe(bytes(2048));
    expect(bytes(1024)).toBeLessThan(bytes(2048));
  });

  it('is a whole number of bytes', () => {
    expect(estimateVramBytes({ fileBytes: 401, modelInfo: {}, numCtx: 8192, slots: 1 })).toBe(502);
  });
});
