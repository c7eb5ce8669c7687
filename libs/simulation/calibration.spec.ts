import { describe, expect, it } from '@jest/globals';
import { vramBytesOf, type Gpu, type Hardware, type SimModel } from './hardware.js';
import { MODELS } from './models.js';
import { hardwarePresets, NVME_PCIE3_BYTES_PER_S, NVME_PCIE4_BYTES_PER_S } from './presets.js';
import { seededRandom } from './random.js';
import { leastLoadMs } from './speeds.js';
import { VirtualClock } from './virtual-clock.js';
import { startServers } from './virtual-machine.js';

/** The engine against what was measured elsewhere; the figures and their sources stand beside each table. */
const TOLERANCE = 0.15;
const GIB = 2 ** 30;

const gpuOf = (generateTokensPerS: number, promptTokensPerS: number): Gpu => ({
  name: 'measured',
  vramBytes: 1_000 * GIB,
  generateTokensPerS,
  promptTokensPerS,
});

const machineOf = (gpu: Gpu, diskBytesPerS = NVME_PCIE4_BYTES_PER_S, slots = 8): Hardware => ({
  name: 'calibration',
  host: { pageCacheBytes: 1_000 * GIB, diskBytesPerS, warmBytesPerS: 9e9 },
  servers: [{ serverId: 'gpu1', gpu, slots }],
});

const loadMs = (hardware: Hardware, model: SimModel, seed: number): number => {
  const clock = new VirtualClock();
  const [server] = startServers(hardware, clock, seededRandom(seed));
  server?.load(model, () => {});
  clock.run();
  return clock.nowMs;
};

/** Milliseconds that the requests take together, all begun at once on models that are loaded. */
const requestsMs = (
  hardware: Hardware,
  requests: readonly {
    readonly model: SimModel;
    readonly promptTokens: number;
    readonly outputTokens: number;
  }[],
): number => {
  const clock = new VirtualClock();
  const [server] = startServers(hardware, clock, seededRandom(1));
  for (const model of new Set(requests.map((request) => request.model))) server?.load(model, () => {});
  clock.run();
  const from = clock.nowMs;
  for (const { model, ...work } of requests) server?.start(model.model, work, { onDone: () => {} });
  clock.run();
  return clock.nowMs - from;
};

const expectWithin = (found: number, measured: number): void => {
  expect(found / measured).toBeGreaterThanOrEqual(1 - TOLERANCE);
  expect(found / measured).toBeLessThanOrEqual(1 + TOLERANCE);
};

describe('loads from a cold NVMe disk, mean of 200 seeds', () => {
  const SEEDS = 200;
  // Gigabytes of the file, seconds over PCIe 3 and over PCIe 4: CraftRigs, 2026-03, RTX 4090.
  it.each([
    ['8B', 4.9, 3.2, 2.1],
    ['13B', 7.9, 5.1, 3.3],
    ['33B', 19.6, 11.8, 7.4],
    ['70B', 40.5, 24.1, 15.2],
  ])('loads a %s as fast as measured', (name, gigabytes, pcie3S, pcie4S) => {
    const model: SimModel = { model: name, weightBytes: gigabytes * 1e9, kvBytesPerToken: 0, numCtx: 8_192 };
    const meanS = (diskBytesPerS: number): number => {
      let sumMs = 0;
      for (let seed = 0; seed < SEEDS; seed += 1) {
        sumMs += loadMs(machineOf(gpuOf(100, 5_000), diskBytesPerS), model, seed);
      }
      return sumMs / SEEDS / 1_000;
    };
    expectWithin(meanS(NVME_PCIE3_BYTES_PER_S), pcie3S);
    expectWithin(meanS(NVME_PCIE4_BYTES_PER_S), pcie4S);
  });

  it('is never faster than the least', () => {
    for (const hardware of hardwarePresets()) {
      for (const model of Object.values(MODELS)) {
        const leastMs = leastLoadMs(hardware.host, model);
        for (let seed = 0; seed < 5; seed += 1) {
          expect(loadMs(hardware, model, seed)).toBeGreaterThanOrEqual(leastMs);
        }
      }
    }
  });
});

describe('several requests of one model', () => {
  // RTX 3090, 8B Q4_0, tokens per second of all requests together: llama.cpp PR 15802.
  it.each([
    [1, 155],
    [2, 280],
    [3, 391],
    [4, 470],
    [5, 510],
    [6, 542],
    [8, 584],
  ])('generates with %i requests as many tokens as measured', (requests, tokensPerS) => {
    const outputTokens = 512;
    const one = { model: MODELS.llama8b, promptTokens: 0, outputTokens };
    const tookMs = requestsMs(
      machineOf(gpuOf(155, 3_865)),
      Array.from({ length: requests }, () => one),
    );
    expectWithin((requests * outputTokens * 1_000) / tookMs, tokensPerS);
  });
});

describe('one request alone', () => {
  // Tokens per second of llama 8B Q4_K_M, generated and read: XiongjieDai's benchmark.
  it.each([
    ['1x24', 127.7, 6_899],
    ['2x24', 127.7, 6_899],
    ['24+12', 127.7, 6_899],
    ['1x80', 138.3, 5_800],
    ['4x48', 113.6, 5_909],
  ])('runs the 8B on %s as fast as measured', (name, generate, read) => {
    const hardware = hardwarePresets().find((preset) => preset.name === name);
    if (hardware === undefined) throw new Error(`no preset '${name}'`);
    const model = MODELS.llama8b;
    expectWithin(
      1_024_000 / requestsMs(hardware, [{ model, promptTokens: 0, outputTokens: 1_024 }]),
      generate,
    );
    expectWithin(1_024_000 / requestsMs(hardware, [{ model, promptTokens: 1_024, outputTokens: 0 }]), read);
  });

  // The same for 70B, with the speeds of the 8B as input: only the scaling by bytes is tested.
  it.each([
    ['RTX A6000', 102.2, 3_622, 14.6, 467],
    ['A100 PCIe', 138.3, 5_800, 22.1, 727],
    ['A100 SXM', 133.4, 5_864, 24.3, 797],
    ['H100 PCIe', 144.5, 7_760, 25.0, 984],
  ])(
    'reads a prompt with the 70B on %s as fast as measured, and generates more slowly',
    (_, generate8, read8, generate, read) => {
      const hardware = machineOf(gpuOf(generate8, read8));
      const model = MODELS.llama70b;
      const generated = 1_024_000 / requestsMs(hardware, [{ model, promptTokens: 0, outputTokens: 1_024 }]);
      expectWithin(1_024_000 / requestsMs(hardware, [{ model, promptTokens: 1_024, outputTokens: 0 }]), read);
      expect(generated / generate).toBeLessThanOrEqual(1);
      expect(generated / generate).toBeGreaterThanOrEqual(0.63);
    },
  );
});

describe('models beside each other', () => {
  it.each([1, 2, 3])('shares the GPU among %i of them', (count) => {
    const hardware = machineOf(gpuOf(100, 5_000));
    const requests = Array.from({ length: count }, (_, index) => ({
      model: { ...MODELS.llama8b, model: `copy ${index}` },
      promptTokens: 0,
      outputTokens: 200,
    }));
    expectWithin(requestsMs(hardware, requests), 2_000 * count);
  });
});

describe('what models occupy', () => {
  // GiB at 8k context and one slot, by Ollama's own formula.
  it.each([
    ['llama1b', 1.48],
    ['llama3b', 2.76],
    ['llama8b', 5.58],
    ['mistral7b', 5.07],
    ['qwen7b', 4.8],
    ['gemma9b', 7.36],
    ['qwen14b', 9.87],
    ['phi14b', 9.99],
    ['qwen32b', 20.49],
    ['llama70b', 42.1],
  ] as const)('agrees for %s', (name, gib) => {
    expect(vramBytesOf(MODELS[name], 1) / GIB).toBeCloseTo(gib, 1);
  });
});
