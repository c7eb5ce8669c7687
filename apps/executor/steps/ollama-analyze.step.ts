import { addUsage, type ModelUsage } from '#libs/domain/usage.js';
import type { GenerateRequest, ModelAnswer } from '#libs/model-runner/model-runner.js';
import {
  analysisPlan,
  CALLS_MAX,
  headingOf,
  type AnalysisPlan,
  type AnalyzeInput,
  type Piece,
} from '../model/analysis-plan.js';
import { CHUNK_MIN_TOKENS, cutText, tokensAtMost } from '../model/chunks.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { profileOf, samplingOf } from './ollama.steps.js';

/** Of all partial answers together, so much is shown (128 KiB): what a step gives travels in one message. */
const PARTS_SHOWN_TOKENS = 64 * 1024;

type Part = Piece & { readonly answer: string };

/** Asks about each chunk of each item, then makes one answer of the answers; all under one lease. */
export const ollamaAnalyzeStep: StepRunner = async (context) => {
  const profile = profileOf(context);
  const sampling = samplingOf(context.input);
  const input = context.input as unknown as AnalyzeInput;
  const plan = analysisPlan(input, profile.options.numCtx, Number(sampling['num_predict'] ?? 0));
  const calls = new Calls(context, {
    kind: 'generate',
    profile,
    sampling: { ...sampling, num_predict: plan.answer },
    prompt: '',
    ...(input.system === undefined ? {} : { system: input.system }),
    ...(input.think === undefined ? {} : { think: input.think }),
  });
  const isAlone = plan.pieces.length === 1 && input.combine_prompt === undefined;
  const parts: Part[] = [];
  for (const [n, piece] of plan.pieces.entries()) {
    context.progress(headingOf(piece), n, plan.pieces.length);
    parts.push(...(await asked(calls, piece, input.prompt, plan, isAlone)));
  }
  // A chunk that had to be cut again has become several.
  const whole =
    isAlone && parts.length === 1 ? (parts[0]?.answer ?? '') : await combined(calls, parts, plan, context);
  return {
    output: {
      text: whole,
      parts: shownParts(parts),
      chunks: parts.length,
      calls: calls.made,
      shortened: calls.shortened,
    },
    ...(calls.usage === null ? {} : { usage: calls.usage }),
  };
};

/** The calls of one attempt, counted. */
class Calls {
  made = 0;
  shortened = 0;
  usage: ModelUsage | null = null;

  constructor(
    private readonly context: StepContext,
    private readonly request: GenerateRequest,
  ) {}

  async ask(prompt: string, isLast: boolean): Promise<ModelAnswer> {
    if (this.made >= CALLS_MAX)
      throw new StepError(
        'STEP_INPUT_INVALID',
        `items: ${CALLS_MAX} calls did not do; ask about less, or raise options.num_ctx.`,
      );
    this.made += 1;
    const model = await this.context.model();
    // Only the answer that counts is told as it comes; of the others, that they are made.
    const onToken = ({ text, thinking }: { text: string; thinking?: string }): void =>
      isLast ? this.context.token(text, thinking) : undefined;
    const answer = await model.run({ ...this.request, prompt }, { onToken }, this.context.signal);
    this.usage = this.usage === null ? answer.usage : addUsage(this.usage, answer.usage);
    return answer;
  }
}

/**
 * The answer about a piece. Where the server counts more tokens than were estimated, so that something may have fallen out of the
 * context, the piece is cut in two and asked about again.
 */
const asked = async (
  calls: Calls,
  piece: Piece,
  prompt: string,
  plan: AnalysisPlan,
  isLast: boolean,
): Promise<readonly Part[]> => {
  const answer = await calls.ask(`${prompt}\n\n${headingOf(piece)}:\n\n${piece.text}`, isLast);
  const size = tokensAtMost(piece.text);
  const fits = answer.usage.tokensIn + plan.answer <= plan.context;
  if (fits || size <= CHUNK_MIN_TOKENS) return [{ ...piece, answer: answer.text }];
  const parts: Part[] = [];
  for (const text of cutText(piece.text, Math.ceil(size / 2), 0))
    parts.push(...(await asked(calls, { ...piece, text }, prompt, plan, false)));
  return parts;
};

/** Combines as many answers as fit at a time, until there is one. */
const combined = async (
  calls: Calls,
  parts: readonly Part[],
  plan: AnalysisPlan,
  context: StepContext,
): Promise<string> => {
  let texts = parts.map((part) => `${headingOf(part)}:\n${part.answer.trim()}`);
  for (;;) {
    const groups = grouped(texts, plan.combineRoom, calls);
    const next: string[] = [];
    for (const [n, group] of groups.entries()) {
      context.progress('combining the answers', n, groups.length);
      const answer = await calls.ask(`${plan.combinePrompt}\n\n${group}`, groups.length === 1);
      if (groups.length === 1) return answer.text;
      next.push(answer.text.trim());
    }
    texts = next;
  }
};

const BETWEEN = '\n\n';

/** At least two to a group, or it would never end: an answer that takes more than half of the room loses its end. */
const grouped = (texts: readonly string[], room: number, calls: Calls): readonly string[] => {
  const limit = texts.length === 1 ? room : Math.floor(room / 2) - tokensAtMost(BETWEEN);
  const groups: string[] = [];
  for (const text of texts) {
    const [fitting = ''] = cutText(text, limit, 0);
    if (fitting.length < text.length) calls.shortened += 1;
    const last = groups.at(-1);
    const both = last === undefined ? undefined : `${last}${BETWEEN}${fitting}`;
    if (both !== undefined && tokensAtMost(both) <= room) groups[groups.length - 1] = both;
    else groups.push(fitting);
  }
  return groups;
};

const shownParts = (parts: readonly Part[]): readonly object[] => {
  const tokensEach = Math.floor(PARTS_SHOWN_TOKENS / parts.length);
  return parts.map(({ name, part, of, answer }) => {
    const shown = cutText(answer, tokensEach, 0)[0] ?? '';
    return { name, part, of, text: shown, ...(shown.length < answer.length ? { truncated: true } : {}) };
  });
};
