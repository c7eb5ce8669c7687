import { createHash } from 'crypto';

/** A model of the simulated server: what it is, how large, how fast on the simulated machine. */
export type SimModel = {
  readonly name: string;
  readonly sizeBytes: number;
  readonly capabilities: readonly ('completion' | 'embedding' | 'tools' | 'insert' | 'thinking' | 'vision')[];
  readonly architecture: string;
  readonly parameterCount: number;
  readonly parameterSize: string;
  readonly quantization: string;
  readonly layers: number;
  readonly embeddingLength: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headLength: number;
  readonly contextLength: number;
  readonly vocabulary: number;
  /** Tokens per second of one request alone on the GPU. */
  readonly generateTokensPerS: number;
  readonly promptTokensPerS: number;
  /** Milliseconds to start a runner and read the weights, before chance adds to it; absent means from the size. */
  readonly loadMs?: number;
};

const LLAMA = { architecture: 'llama', vocabulary: 128_256, contextLength: 131_072 } as const;
const TEXT = ['completion', 'tools'] as const;

/**
 * Shapes as published by the models' makers; sizes as Ollama's library lists them. Speeds are those of an RTX 3090
 * with an 8B model of 4.58 GiB (112 tokens/s, prompt 3,865/s), scaled by weight bytes and by parameters.
 */
export const DEFAULT_CATALOGUE: readonly SimModel[] = [
  {
    name: 'smollm2:135m',
    sizeBytes: 270_898_672,
    capabilities: TEXT,
    architecture: 'llama',
    parameterCount: 134_515_008,
    parameterSize: '134.52M',
    quantization: 'F16',
    layers: 30,
    embeddingLength: 576,
    heads: 9,
    kvHeads: 3,
    headLength: 64,
    contextLength: 8_192,
    vocabulary: 49_152,
    generateTokensPerS: 420,
    promptTokensPerS: 60_000,
  },
  {
    name: 'llama3.2:1b',
    sizeBytes: 1_321_098_329,
    capabilities: TEXT,
    ...LLAMA,
    parameterCount: 1_235_814_432,
    parameterSize: '1.2B',
    quantization: 'Q8_0',
    layers: 16,
    embeddingLength: 2_048,
    heads: 32,
    kvHeads: 8,
    headLength: 64,
    generateTokensPerS: 310,
    promptTokensPerS: 24_000,
  },
  {
    name: 'llama3.2:3b',
    sizeBytes: 2_019_393_189,
    capabilities: TEXT,
    ...LLAMA,
    parameterCount: 3_212_749_888,
    parameterSize: '3.2B',
    quantization: 'Q4_K_M',
    layers: 28,
    embeddingLength: 3_072,
    heads: 24,
    kvHeads: 8,
    headLength: 128,
    generateTokensPerS: 220,
    promptTokensPerS: 9_600,
  },
  {
    name: 'qwen2.5:7b',
    sizeBytes: 4_683_087_332,
    capabilities: [...TEXT, 'insert'],
    architecture: 'qwen2',
    parameterCount: 7_615_616_512,
    parameterSize: '7.6B',
    quantization: 'Q4_K_M',
    layers: 28,
    embeddingLength: 3_584,
    heads: 28,
    kvHeads: 4,
    headLength: 128,
    contextLength: 32_768,
    vocabulary: 152_064,
    generateTokensPerS: 117,
    promptTokensPerS: 4_070,
  },
  {
    name: 'llama3.1:8b',
    sizeBytes: 4_920_753_328,
    capabilities: TEXT,
    ...LLAMA,
    parameterCount: 8_030_261_312,
    parameterSize: '8.0B',
    quantization: 'Q4_K_M',
    layers: 32,
    embeddingLength: 4_096,
    heads: 32,
    kvHeads: 8,
    headLength: 128,
    generateTokensPerS: 112,
    promptTokensPerS: 3_865,
  },
  {
    name: 'qwen3:4b',
    sizeBytes: 2_497_293_918,
    capabilities: [...TEXT, 'thinking'],
    architecture: 'qwen3',
    parameterCount: 4_022_468_096,
    parameterSize: '4.0B',
    quantization: 'Q4_K_M',
    layers: 36,
    embeddingLength: 2_560,
    heads: 32,
    kvHeads: 8,
    headLength: 128,
    contextLength: 40_960,
    vocabulary: 151_936,
    generateTokensPerS: 180,
    promptTokensPerS: 7_700,
  },
  {
    name: 'nomic-embed-text:latest',
    sizeBytes: 274_302_450,
    capabilities: ['embedding'],
    architecture: 'nomic-bert',
    parameterCount: 136_727_040,
    parameterSize: '137M',
    quantization: 'F16',
    layers: 12,
    embeddingLength: 768,
    heads: 12,
    kvHeads: 12,
    headLength: 64,
    contextLength: 2_048,
    vocabulary: 30_522,
    generateTokensPerS: 400,
    promptTokensPerS: 60_000,
  },
];

/** `name` means `name:latest`. */
export const tagged = (name: string): string => (name.includes(':') ? name : `${name}:latest`);

/** What the real server accepts as a name: optional host and namespace, a model and an optional tag. */
export const isModelName = (name: string): boolean =>
  /^([\w.-]+(:\d+)?\/)?([\w-]+\/)?[\w][\w.-]{0,79}(:[\w][\w.-]{0,79})?$/.test(name);

export const digestOf = (model: SimModel): string =>
  createHash('sha256')
    .update(`${model.architecture}/${model.parameterCount}/${model.quantization}/${model.sizeBytes}`)
    .digest('hex');

export const can = (model: SimModel, capability: SimModel['capabilities'][number]): boolean =>
  model.capabilities.includes(capability);

/** Raw GGUF keys, as far as an estimate of memory needs them. */
export const modelInfo = (model: SimModel): Readonly<Record<string, string | number>> => ({
  'general.architecture': model.architecture,
  'general.parameter_count': model.parameterCount,
  'general.quantization_version': 2,
  [`${model.architecture}.attention.head_count`]: model.heads,
  [`${model.architecture}.attention.head_count_kv`]: model.kvHeads,
  [`${model.architecture}.attention.key_length`]: model.headLength,
  [`${model.architecture}.attention.value_length`]: model.headLength,
  [`${model.architecture}.block_count`]: model.layers,
  [`${model.architecture}.context_length`]: model.contextLength,
  [`${model.architecture}.embedding_length`]: model.embeddingLength,
  [`${model.architecture}.vocab_size`]: model.vocabulary,
});

export const details = (model: SimModel) => ({
  parent_model: '',
  format: 'gguf',
  family: model.architecture,
  families: [model.architecture],
  parameter_size: model.parameterSize,
  quantization_level: model.quantization,
});

/** What a model needs on the GPU: its file and the keys and values of all slots, at 2 bytes each. */
export const predictedBytes = (model: SimModel, numCtx: number, parallel: number): number => {
  const context = Math.min(numCtx, model.contextLength);
  return model.sizeBytes + 2 * model.layers * model.kvHeads * model.headLength * context * parallel * 2;
};
