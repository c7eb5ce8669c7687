import type { ResourceUsage } from '#libs/contracts/queries.js';
import type { ModelUsage } from '#libs/domain/usage.js';

export const NO_USAGE: ResourceUsage = {
  models: [],
  load_ms: 0,
  prompt_ms: 0,
  generation_ms: 0,
  tokens_in: 0,
  tokens_out: 0,
  vram_bytes_max: null,
};

export const withModel = (sum: ResourceUsage, model: string | null | undefined): ResourceUsage =>
  !model || sum.models.includes(model) ? sum : { ...sum, models: [...sum.models, model] };

export const withUsage = (sum: ResourceUsage, usage: ModelUsage): ResourceUsage =>
  mergedUsage(sum, {
    models: [usage.model],
    load_ms: usage.loadMs,
    prompt_ms: usage.promptMs,
    generation_ms: usage.generationMs,
    tokens_in: usage.tokensIn,
    tokens_out: usage.tokensOut,
    vram_bytes_max: usage.vramBytes ?? null,
  });

export const mergedUsage = (a: ResourceUsage, b: ResourceUsage): ResourceUsage => ({
  models: [...new Set([...a.models, ...b.models])],
  load_ms: a.load_ms + b.load_ms,
  prompt_ms: a.prompt_ms + b.prompt_ms,
  generation_ms: a.generation_ms + b.generation_ms,
  tokens_in: a.tokens_in + b.tokens_in,
  tokens_out: a.tokens_out + b.tokens_out,
  vram_bytes_max:
    a.vram_bytes_max === null || b.vram_bytes_max === null
      ? (a.vram_bytes_max ?? b.vram_bytes_max)
      : Math.max(a.vram_bytes_max, b.vram_bytes_max),
});
