import { REFERENCE_BYTES, type Gpu, type Host, type SimModel } from './hardware.js';

/**
 * How fast a GPU is with a model. Both speeds fall with the bytes of the weights: generation reads them all for each
 * token, and a prompt computes with each of them. Measured 70B models generate up to 36 % faster than that.
 */
export const generateTokensPerS = (gpu: Gpu, model: SimModel): number =>
  (gpu.generateTokensPerS * REFERENCE_BYTES) / model.weightBytes;

export const promptTokensPerS = (gpu: Gpu, model: SimModel): number =>
  (gpu.promptTokensPerS * REFERENCE_BYTES) / model.weightBytes;

/** Both speeds of one request alone. */
export const modelSpeeds = (
  gpu: Gpu,
  model: SimModel,
): { readonly generateTokensPerS: number; readonly promptTokensPerS: number } => ({
  generateTokensPerS: generateTokensPerS(gpu, model),
  promptTokensPerS: promptTokensPerS(gpu, model),
});

/** Starting a runner: lognormal with this median, cut to this range (estimate from reports of loads of small models). */
export const SPAWN_MS = { median: 800, sigma: 0.3, least: 500, most: 1_500 };

/** Ending a runner, and the time until the driver shows its memory as free (server/sched.go waits for it; 0.5 to 1.5 s are typical). */
export const UNLOAD_MS = { process: 200, driverLeast: 500, driverMost: 1_500 };

/** No load is faster: the quickest start, and all bytes from the page cache. */
export const leastLoadMs = (host: Host, model: SimModel): number =>
  SPAWN_MS.least + (model.weightBytes / Math.max(host.warmBytesPerS, host.diskBytesPerS)) * 1_000;
