import { addUsage, type ModelUsage } from '#libs/domain/usage.js';
import type { EmbedRequest } from '#libs/model-runner/model-runner.js';
import { CHUNK_MIN_TOKENS, cutText } from '../model/chunks.js';
import { cosine } from '../model/cosine.js';
import { namedTexts, type TextItem } from '../model/named-texts.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { profileOf, samplingOf } from './ollama.steps.js';

/** The input of `ollama_retrieve`, as its schema has checked it, without what is the same for every model step. */
type RetrieveInput = {
  readonly items: readonly TextItem[];
  readonly query: string;
  readonly query_prefix?: string;
  readonly text_prefix?: string;
  readonly chunk_tokens?: number;
  readonly overlap_tokens?: number;
  readonly top?: number;
  readonly min_score?: number;
};

type Passage = {
  readonly name: string;
  /** From 1. */
  readonly part: number;
  readonly of: number;
  readonly text: string;
};

/** A page or so of prose: longer ones speak of several things, and their vector of none of them. */
const CHUNK_TOKENS = 400;
const OVERLAP_SHARE = 8;
const TOP = 5;
/** A book of a thousand pages; beyond that an index that outlives the task is the right tool. */
const PASSAGES_MAX = 5_000;
/** Texts in one request: a small embedding model does these in a second or two, after which progress can be told. */
const BATCH = 64;
/** What a score is shown with: the rest is noise of the model's arithmetic. */
const SCORE_DIGITS = 4;

/**
 * The passages of the items that are nearest to the query, by the cosine of their vectors; best first, and of equal ones the first. The
 * vectors stay in the step: they are many times as large as the texts.
 */
export const ollamaRetrieveStep: StepRunner = async (context) => {
  const input = context.input as unknown as RetrieveInput;
  const passages = passagesOf(input, profileOf(context).options.numCtx);
  const embedder = new Embedder(context);
  const [query = []] = await embedder.embed([`${input.query_prefix ?? ''}${input.query}`]);
  const found: { readonly passage: Passage; readonly score: number }[] = [];
  for (let n = 0; n < passages.length; n += BATCH) {
    context.progress('embedding the passages', n, passages.length);
    const batch = passages.slice(n, n + BATCH);
    const vectors = await embedder.embed(batch.map(({ text }) => `${input.text_prefix ?? ''}${text}`));
    for (const [at, passage] of batch.entries())
      found.push({ passage, score: Number(cosine(query, vectors[at] ?? []).toFixed(SCORE_DIGITS)) });
  }
  const nearest = found
    .filter(({ score }) => score >= (input.min_score ?? -1))
    .toSorted((a, b) => b.score - a.score)
    .slice(0, input.top ?? TOP);
  return {
    output: {
      passages: nearest.map(({ passage, score }, n) => ({ number: n + 1, ...passage, score })),
      looked_at: passages.length,
    },
    ...(embedder.usage === null ? {} : { usage: embedder.usage }),
  };
};

const passagesOf = (input: RetrieveInput, numCtx: number): readonly Passage[] => {
  // What the model adds to a text, and the prefix, have to fit beside it.
  const most = Math.max(CHUNK_MIN_TOKENS, Math.floor(numCtx / 2));
  const chunk = input.chunk_tokens ?? Math.min(CHUNK_TOKENS, most);
  if (chunk > most)
    throw new StepError(
      'STEP_INPUT_INVALID',
      `chunk_tokens: ${chunk} is not accepted; expected ${CHUNK_MIN_TOKENS} to ${most}, half of options.num_ctx.`,
    );
  const overlap = Math.min(input.overlap_tokens ?? Math.floor(chunk / OVERLAP_SHARE), Math.floor(chunk / 2));
  const passages = namedTexts(input.items).flatMap(({ name, text }) => {
    const chunks = cutText(text, chunk, overlap);
    return chunks.map((part, at) => ({ name, part: at + 1, of: chunks.length, text: part }));
  });
  if (passages.length <= PASSAGES_MAX) return passages;
  throw new StepError(
    'STEP_INPUT_INVALID',
    `items: make ${passages.length} passages of ${chunk} tokens at most; accepted: up to ${PASSAGES_MAX}. Raise chunk_tokens, or look through less.`,
    { passages: passages.length, chunkTokens: chunk },
  );
};

/** The requests of one attempt, whose usage adds up. */
class Embedder {
  usage: ModelUsage | null = null;

  constructor(private readonly context: StepContext) {}

  async embed(texts: readonly string[]): Promise<readonly (readonly number[])[]> {
    const { context } = this;
    const request: EmbedRequest = {
      kind: 'embed',
      profile: profileOf(context),
      sampling: samplingOf(context.input),
      input: texts,
      truncate: true,
    };
    const model = await context.model();
    const answer = await model.run(request, { onToken: () => undefined }, context.signal);
    this.usage = this.usage === null ? answer.usage : addUsage(this.usage, answer.usage);
    const vectors = answer.embeddings ?? [];
    if (vectors.length === texts.length) return vectors;
    throw new StepError(
      'MODEL_ERROR',
      `The model gave ${vectors.length} vectors for ${texts.length} texts; is it one for embeddings?`,
    );
  }
}
