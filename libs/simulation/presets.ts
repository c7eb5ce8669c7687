import type { Gpu, Hardware, Host } from './hardware.js';

const GIB = 2 ** 30;

/**
 * Cold reads from an NVMe disk, fitted to published load times of 8B to 70B files (4.9, 7.9, 19.6 and 40.5 GB in 2.1,
 * 3.3, 7.4 and 15.2 s over PCIe 4; 3.2, 5.1, 11.8 and 24.1 s over PCIe 3; CraftRigs 2026-03) with the start of the runner
 * before each: the speeds at which the largest deviation is the least.
 */
export const NVME_PCIE4_BYTES_PER_S = 3.2e9;
export const NVME_PCIE3_BYTES_PER_S = 1.87e9;

/** Reads from the page cache: 8 to 10 GB/s is the rule of thumb for DDR4 (author of llama-swap). */
const WARM_BYTES_PER_S = 9e9;

/** What the page cache gets of main memory; the rest is for processes and their buffers (estimate). */
const CACHE_SHARE = 0.6;

const host = (ramGib: number): Host => ({
  pageCacheBytes: CACHE_SHARE * ramGib * GIB,
  diskBytesPerS: NVME_PCIE4_BYTES_PER_S,
  warmBytesPerS: WARM_BYTES_PER_S,
});

/** Tokens per second with llama 8B Q4_K_M, one request, 1,024 tokens generated and 1,024 read (XiongjieDai's benchmark, llama.cpp of May 2024). */
const gpu = (name: string, vramGib: number, generate: number, prompt: number): Gpu => ({
  name,
  vramBytes: vramGib * GIB,
  generateTokensPerS: generate,
  promptTokensPerS: prompt,
});

const RTX_4090 = gpu('RTX 4090', 24, 127.7, 6_899);
/**
 * Not in that benchmark. Scaled from the RTX 3070 (70.9 and 2,284) by the makers' data sheets: generation by memory
 * bandwidth (360 of 448 GB/s), prompts by single precision arithmetic (12.7 of 20.3 TFLOPS).
 */
const RTX_3060 = gpu('RTX 3060 12 GB', 12, 57, 1_429);
const A100 = gpu('A100 PCIe 80 GB', 80, 138.3, 5_800);
const L40S = gpu('L40S', 48, 113.6, 5_909);

/** OLLAMA_NUM_PARALLEL of whoever has set it: four slots make about three times of one, and more make little more. */
const SLOTS = 4;

const machine = (name: string, ramGib: number, gpus: readonly Gpu[], slots: number): Hardware => ({
  name,
  host: host(ramGib),
  servers: gpus.map((gpuOfServer, index) => ({ serverId: `gpu${index + 1}`, gpu: gpuOfServer, slots })),
});

/** The machines to compare schedulers on, by GiB of VRAM. */
export const hardwarePresets = (slots: number = SLOTS): readonly Hardware[] => [
  machine('1x24', 64, [RTX_4090], slots),
  machine('2x24', 128, [RTX_4090, RTX_4090], slots),
  machine('24+12', 128, [RTX_4090, RTX_3060], slots),
  machine('1x80', 64, [A100], slots),
  machine('4x48', 256, [L40S, L40S, L40S, L40S], slots),
];
