import type { SimModel } from './catalogue.js';
import { between, seededRandom, seedOf, type Random } from '#libs/simulation/random.js';
import type { RunOptions } from './runner-options.js';
import { schemaValue } from './schema-value.js';
import { cutAtStop, proseTokens, tokensOf } from './sim-text.js';

/**
 * What the simulated model says: decided by the model, the prompt and the seed, so that the same request has the same
 * answer. Prose is exactly `num_predict` tokens long where the request names it, so that a test gets the length that
 * it asks for; JSON ends when it is whole and is cut off where `num_predict` is too small for it.
 */
export type Answer = {
  readonly tokens: readonly string[];
  readonly doneReason: 'stop' | 'length';
};

/** Tokens of an answer whose length the request leaves open: around the 338 that people's chats have on average, scaled down. */
const PROSE_TOKENS = [40, 160] as const;
/** A thought is short here; what matters is that it comes before the answer. */
const THOUGHT_TOKENS = 12;

export const answerFor = (model: SimModel, prompt: string, options: RunOptions, format: unknown): Answer => {
  const random = seededRandom(seedOf(model.name, prompt, options.seed));
  const limit = options.numPredict > 0 ? options.numPredict : Infinity;
  if (isFormat(format)) return jsonAnswer(format, random, limit);
  const open = Math.round(between(random, ...PROSE_TOKENS));
  const tokens = proseTokens(random, Number.isFinite(limit) ? limit : open);
  const kept = cutAtStop(tokens, options.stop);
  return {
    tokens: kept,
    doneReason: kept.length === tokens.length && Number.isFinite(limit) ? 'length' : 'stop',
  };
};

export const thoughtFor = (model: SimModel, prompt: string): readonly string[] =>
  proseTokens(seededRandom(seedOf('thought', model.name, prompt)), THOUGHT_TOKENS);

export type ToolCall = {
  readonly id: string;
  readonly function: { readonly index: number; readonly name: string; readonly arguments: unknown };
};

/** The first tool that the last message names is called, with arguments that fit its schema. */
export const toolCallFor = (tools: unknown, lastMessage: string): ToolCall | undefined => {
  if (!Array.isArray(tools)) return undefined;
  for (const tool of tools as {
    readonly function?: { readonly name?: unknown; readonly parameters?: unknown };
  }[]) {
    const name = tool.function?.name;
    if (typeof name !== 'string' || !lastMessage.includes(name)) continue;
    const random = seededRandom(seedOf('tool', name, lastMessage));
    const id = `call_${Math.floor(random() * 36 ** 8)
      .toString(36)
      .padStart(8, '0')}`;
    return {
      id,
      function: { index: 0, name, arguments: schemaValue(tool.function?.parameters ?? {}, random) },
    };
  }
  return undefined;
};

const isFormat = (format: unknown): boolean =>
  format === 'json' || (typeof format === 'object' && format !== null);

const jsonAnswer = (format: unknown, random: Random, limit: number): Answer => {
  const value = format === 'json' ? { answer: proseTokens(random, 6).join('') } : schemaValue(format, random);
  const tokens = tokensOf(JSON.stringify(value));
  return tokens.length > limit
    ? { tokens: tokens.slice(0, limit), doneReason: 'length' }
    : { tokens, doneReason: 'stop' };
};

/** The real server refuses a format that is neither, with the words of its JSON decoder. */
export const checkFormat = (format: unknown): { readonly error: string } | undefined => {
  if (format === undefined || format === null || format === '' || isFormat(format)) return undefined;
  const shown = JSON.stringify(JSON.stringify(format));
  return { error: `invalid format: ${shown}; expected "json" or a valid JSON Schema object` };
};
