import type { JsonSchema } from './compiled-template.js';

/**
 * The options of Ollama's native API (v0.24), by its own names. An unknown name is refused here, because Ollama itself
 * passes over it in silence and a misspelt `temprature` would only show in the answers.
 */

/** Options that decide which loaded model serves the request; a change of one of them reloads it. */
const RUNNER_OPTIONS = {
  num_ctx: { type: 'integer', minimum: 4, maximum: 10_000_000, description: 'Context window in tokens' },
  num_batch: { type: 'integer', minimum: 1, maximum: 65_536, description: 'Prompt tokens per batch' },
  num_gpu: {
    type: 'integer',
    minimum: -1,
    maximum: 10_000,
    description: 'Layers on the GPU; -1: all that fit',
  },
  main_gpu: { type: 'integer', minimum: 0, maximum: 64, description: 'Index of the GPU' },
  use_mmap: { type: 'boolean', description: 'Map the model file into memory' },
  num_thread: { type: 'integer', minimum: 0, maximum: 1024, description: 'CPU threads; 0: as many as cores' },
} as const satisfies Record<string, JsonSchema>;

const SAMPLING_OPTIONS = {
  num_keep: { type: 'integer' },
  seed: { type: 'integer' },
  num_predict: { type: 'integer', minimum: -2, description: 'Tokens to generate at most; -1: no limit' },
  top_k: { type: 'integer', minimum: 0 },
  top_p: { type: 'number', minimum: 0, maximum: 1 },
  min_p: { type: 'number', minimum: 0, maximum: 1 },
  typical_p: { type: 'number', minimum: 0, maximum: 1 },
  repeat_last_n: { type: 'integer', minimum: -1 },
  temperature: { type: 'number', minimum: 0 },
  repeat_penalty: { type: 'number' },
  presence_penalty: { type: 'number' },
  frequency_penalty: { type: 'number' },
  stop: {
    anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' }, maxItems: 64 }],
    description: 'Texts that end the answer',
  },
} as const satisfies Record<string, JsonSchema>;

export const OLLAMA_OPTIONS_SCHEMA: JsonSchema = {
  type: 'object',
  properties: { ...RUNNER_OPTIONS, ...SAMPLING_OPTIONS },
  additionalProperties: false,
  description: 'Options of the Ollama API',
};

export const RUNNER_OPTION_NAMES: ReadonlySet<string> = new Set(Object.keys(RUNNER_OPTIONS));
