import type { Hardware, SimModel as Model } from '#libs/simulation/hardware.js';
import { generateTokensPerS, promptTokensPerS } from '#libs/simulation/speeds.js';
import type { SimModel } from '#libs/testing/ollama-simulator/catalogue.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { liveLoadMs } from './live-trace.js';

export type LiveServers = {
  readonly all: readonly OllamaSimulator[];
  /** Text of the servers file. */
  readonly file: string;
  readonly stop: () => Promise<void>;
};

/** One simulated Ollama per server of the hardware, each with the models at the speed of its GPU, in real time. */
export const startLiveServers = async (
  { servers }: Hardware,
  models: readonly Model[],
): Promise<LiveServers> => {
  const all = await Promise.all(
    servers.map(({ gpu, slots }, place) =>
      startOllamaSimulator({
        models: models.map((model) =>
          installed(model, generateTokensPerS(gpu, model), promptTokensPerS(gpu, model)),
        ),
        vramBytes: gpu.vramBytes,
        parallel: slots,
        modelsMax: 9,
        seed: place + 1,
      }),
    ),
  );
  const lines = servers.map(
    ({ serverId, gpu, slots }, place) =>
      `  - { id: ${serverId}, url: '${all[place]?.url}', vram: ${gpu.vramBytes}B, slots: ${slots} }`,
  );
  return {
    all,
    file: ['servers:', ...lines, ''].join('\n'),
    stop: async () => void (await Promise.all(all.map((server) => server.stop()))),
  };
};

/** Bytes of the cache of a token and layer, with one head of 1,024 in 16 bits, keys and values. */
const LAYER_BYTES = 2 * 1_024 * 2;

const installed = (model: Model, generate: number, prompt: number): SimModel => ({
  name: model.model,
  sizeBytes: Math.round(model.weightBytes),
  capabilities: ['completion'],
  architecture: 'llama',
  parameterCount: 8_000_000_000,
  parameterSize: '8B',
  quantization: 'Q4_K_M',
  layers: Math.round(model.kvBytesPerToken / LAYER_BYTES),
  embeddingLength: 4_096,
  heads: 32,
  kvHeads: 1,
  headLength: 1_024,
  contextLength: 131_072,
  vocabulary: 128_256,
  generateTokensPerS: generate,
  promptTokensPerS: prompt,
  loadMs: liveLoadMs(model.weightBytes),
});
