import type { SimModel } from './hardware.js';

const GIB = 2 ** 30;
const KIB = 2 ** 10;

/** Context of every request unless a model was trained for less. */
const NUM_CTX = 8_192;

/**
 * Weights: the size of the Q4_K_M file that Ollama publishes (nomic-embed-text: F16). Cache per token: 2 · layers · KV
 * heads · head dimension · 2 bytes (f16), from the published shape of each model, in the comment.
 */
const model = (name: string, weightGib: number, kvKibPerToken: number, numCtx = NUM_CTX): SimModel => ({
  model: name,
  weightBytes: weightGib * GIB,
  kvBytesPerToken: kvKibPerToken * KIB,
  numCtx,
});

export const MODELS = {
  llama1b: model('llama3.2:1b', 1.23, 32), // 16 layers · 8 heads · 64
  llama3b: model('llama3.2:3b', 1.88, 112), // 28 · 8 · 128
  llama8b: model('llama3.1:8b', 4.58, 128), // 32 · 8 · 128
  mistral7b: model('mistral:7b', 4.07, 128), // 32 · 8 · 128
  qwen7b: model('qwen2.5:7b', 4.36, 56), // 28 · 4 · 128
  gemma9b: model('gemma2:9b', 5.06, 294), // 42 · 8 · 224, the head dimension as Ollama counts it (embedding / heads)
  qwen14b: model('qwen2.5:14b', 8.37, 192), // 48 · 8 · 128
  phi14b: model('phi4:14b', 8.43, 200), // 40 · 10 · 128
  qwen32b: model('qwen2.5:32b', 18.49, 256), // 64 · 8 · 128
  llama70b: model('llama3.1:70b', 39.59, 320), // 80 · 8 · 128
  nomicEmbed: model('nomic-embed-text', 0.26, 36, 2_048), // 12 · 12 · 64; trained for 2,048 tokens
} as const satisfies Record<string, SimModel>;
