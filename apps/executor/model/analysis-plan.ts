import type { GenerateRequest } from '#libs/model-runner/model-runner.js';
import { StepError } from '../step-error.js';
import { CHUNK_MIN_TOKENS, cutText, tokensAtMost } from './chunks.js';
import { namedTexts, type TextItem } from './named-texts.js';

/** The input of `ollama_analyze`, as its schema has checked it, without what is the same for every model step. */
export type AnalyzeInput = {
  readonly items: readonly TextItem[];
  readonly prompt: string;
  readonly system?: string;
  readonly think?: GenerateRequest['think'];
  readonly combine_prompt?: string;
  readonly chunk_tokens?: number;
  readonly overlap_tokens?: number;
};

export type Piece = {
  readonly name: string;
  /** From 1. */
  readonly part: number;
  readonly of: number;
  readonly text: string;
};

export type AnalysisPlan = {
  readonly pieces: readonly Piece[];
  readonly combinePrompt: string;
  /** Tokens of the context, and those of it that an answer may have. */
  readonly context: number;
  readonly answer: number;
  /** Tokens of text that a combining call may have. */
  readonly combineRoom: number;
};

/** One after the other under one lease: hours, where each takes half a minute. */
export const CALLS_MAX = 1_000;
const PIECES_MAX = 500;

/** What the chat template of a model and the headings of a piece need, generously. */
const FRAME_TOKENS = 96;
/** An answer gets an eighth of the context unless `num_predict` says otherwise, so that several of them fit into a call that combines them. */
const ANSWER_SHARE = 8;
const ANSWER_MAX_TOKENS = 2_048;
/** Chunks that have no more room for themselves than this are not worth asking about. */
const ROOM_MIN_TOKENS = 128;
const OVERLAP_SHARE = 20;

/** What is asked, and in how many pieces. Throws where prompt, answer and text cannot stand in the context together. */
export const analysisPlan = (input: AnalyzeInput, numCtx: number, numPredict: number): AnalysisPlan => {
  const answer = numPredict > 0 ? numPredict : Math.min(Math.ceil(numCtx / ANSWER_SHARE), ANSWER_MAX_TOKENS);
  const combinePrompt = input.combine_prompt ?? defaultCombine(input.prompt);
  const room = roomFor(input.prompt, 'prompt', input, { numCtx, answer });
  const chunk = within(input.chunk_tokens ?? room, CHUNK_MIN_TOKENS, room, 'chunk_tokens');
  const overlapMax = Math.floor(chunk / 2);
  const overlap = within(
    input.overlap_tokens ?? Math.floor(chunk / OVERLAP_SHARE),
    0,
    overlapMax,
    'overlap_tokens',
  );
  const pieces = namedTexts(input.items).flatMap(({ name, text }) => {
    const chunks = cutText(text, chunk, overlap);
    return chunks.map((part, at) => ({ name, part: at + 1, of: chunks.length, text: part }));
  });
  if (pieces.length > PIECES_MAX) {
    const message = `items: make ${pieces.length} chunks of ${chunk} tokens at most; accepted: up to ${PIECES_MAX} chunks. Raise options.num_ctx, or ask about less.`;
    throw new StepError('STEP_INPUT_INVALID', message, { chunks: pieces.length, chunkTokens: chunk });
  }
  const combineRoom =
    pieces.length === 1 && input.combine_prompt === undefined
      ? room
      : roomFor(combinePrompt, 'combine_prompt', input, { numCtx, answer });
  return { pieces, combinePrompt, context: numCtx, answer, combineRoom };
};

const roomFor = (
  prompt: string,
  field: string,
  { system = '' }: AnalyzeInput,
  { numCtx, answer }: { readonly numCtx: number; readonly answer: number },
): number => {
  const asked = tokensAtMost(prompt) + tokensAtMost(system) + FRAME_TOKENS;
  const room = numCtx - answer - asked;
  if (room >= ROOM_MIN_TOKENS) return room;
  const message = `${field}: the context of ${numCtx} tokens (options.num_ctx) has no room for text beside ${asked} of ${field} and system and ${answer} of the answer (options.num_predict); accepted: at least ${ROOM_MIN_TOKENS} left.`;
  throw new StepError('STEP_INPUT_INVALID', message, { numCtx, asked, answer });
};

const within = (value: number, min: number, max: number, field: string): number => {
  if (value >= min && value <= max) return value;
  throw new StepError(
    'STEP_INPUT_INVALID',
    `${field}: ${value} is not accepted; expected ${min} to ${max} tokens here.`,
  );
};

const defaultCombine = (prompt: string): string =>
  `A text was looked at in parts. For each part there is an answer below to this request:\n\n${prompt}\n\nWrite the one answer for the whole text from them.`;

/** What stands above the text of a piece. */
export const headingOf = ({ name, part, of }: Piece): string =>
  of === 1 ? name : `${name}, part ${part} of ${of}`;
