import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import type {
  ChatMessage,
  ChatRequest,
  EmbedRequest,
  GenerateRequest,
  ModelAnswer,
  ModelRequest,
  SamplingOptions,
} from '#libs/model-runner/model-runner.js';
import { structuredAnswer } from '../model/structured-answer.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepResult, StepRunner } from '../step-runner.js';

type Input = Readonly<Record<string, unknown>>;

/** Options that decide which loaded model a request may use; they come from the lease's profile, never from the input. */
const RUNNER_OPTIONS = new Set(['num_ctx', 'num_batch', 'num_gpu', 'main_gpu', 'use_mmap', 'num_thread']);

export const samplingOf = (input: Input): SamplingOptions => {
  const options = (input['options'] ?? {}) as Readonly<
    Record<string, number | string | boolean | readonly string[]>
  >;
  return Object.fromEntries(Object.entries(options).filter(([name]) => !RUNNER_OPTIONS.has(name)));
};

/** Copies the fields that are there; the step type's schema has checked their shapes. */
const pick = <T, K extends keyof T & string>(input: Input, names: readonly K[]): Partial<Pick<T, K>> =>
  Object.fromEntries(
    names.filter((name) => input[name] !== undefined).map((name) => [name, input[name]]),
  ) as Partial<Pick<T, K>>;

const GENERATE_FIELDS = ['system', 'suffix', 'images', 'format', 'think'] as const;
const CHAT_FIELDS = ['tools', 'format', 'think'] as const;
const EMBED_FIELDS = ['dimensions', 'truncate'] as const;

export const profileOf = ({ requirement }: StepContext): ModelProfile => {
  if (requirement.kind === 'model') return requirement.profile;
  throw new StepError(
    'STEP_INPUT_INVALID',
    'This step type runs a model, but the task asked for a CPU slot.',
  );
};

const run = async (context: StepContext, request: ModelRequest): Promise<ModelAnswer> => {
  const model = await context.model();
  const onToken = ({ text, thinking }: { text: string; thinking?: string }): void =>
    context.token(text, thinking);
  return await model.run(request, { onToken }, context.signal);
};

const textOutput = (answer: ModelAnswer, more: object): StepResult => ({
  output: {
    text: answer.text,
    done_reason: answer.doneReason,
    ...(answer.thinking ? { thinking: answer.thinking } : {}),
    ...(answer.toolCalls ? { tool_calls: answer.toolCalls } : {}),
    ...more,
  },
  usage: answer.usage,
});

/** Asked again when the answer is not what the schema in `format` says; how often before it is given up. */
const REPAIRS_DEFAULT = 1;

const answered = async (
  context: StepContext,
  request: GenerateRequest | ChatRequest,
): Promise<StepResult> => {
  const { format, repairs = REPAIRS_DEFAULT } = context.input;
  if (typeof format !== 'object' || format === null) {
    const answer = await run(context, request);
    return textOutput(answer, format === undefined ? {} : { json: parsed(answer) });
  }
  const ask = async (next: GenerateRequest | ChatRequest): Promise<ModelAnswer> => await run(context, next);
  const { answer, ...more } = await structuredAnswer(request, format, {
    ask,
    repairsMax: Number(repairs),
    progress: context.progress,
  });
  return textOutput(answer, more);
};

/** An answer that was to be JSON and is not, is of no use to the steps that read it. Another attempt may do better. */
const parsed = (answer: ModelAnswer): unknown => {
  try {
    return JSON.parse(answer.text);
  } catch {
    throw new StepError(
      'MODEL_ERROR',
      `The answer was to be JSON and is not (ended by '${answer.doneReason}', ${answer.text.length} characters). ` +
        'Raise options.num_predict if it was cut off.',
    );
  }
};

export const ollamaGenerateStep: StepRunner = async (context) => {
  const { input } = context;
  return await answered(context, {
    kind: 'generate',
    profile: profileOf(context),
    sampling: samplingOf(input),
    prompt: typeof input['prompt'] === 'string' ? input['prompt'] : '',
    ...pick<GenerateRequest, (typeof GENERATE_FIELDS)[number]>(input, GENERATE_FIELDS),
  });
};

export const ollamaChatStep: StepRunner = async (context) => {
  const { input } = context;
  return await answered(context, {
    kind: 'chat',
    profile: profileOf(context),
    sampling: samplingOf(input),
    messages: input['messages'] as readonly ChatMessage[],
    ...pick<ChatRequest, (typeof CHAT_FIELDS)[number]>(input, CHAT_FIELDS),
  });
};

export const ollamaEmbedStep: StepRunner = async (context) => {
  const { input } = context;
  const texts = typeof input['input'] === 'string' ? [input['input']] : (input['input'] as readonly string[]);
  const answer = await run(context, {
    kind: 'embed',
    profile: profileOf(context),
    sampling: samplingOf(input),
    input: texts,
    ...pick<EmbedRequest, (typeof EMBED_FIELDS)[number]>(input, EMBED_FIELDS),
  });
  return { output: { embeddings: answer.embeddings ?? [], count: texts.length }, usage: answer.usage };
};
