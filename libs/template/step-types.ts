import { isPluginType } from '#libs/domain/plugin-type.js';
import type { JsonSchema, TemplateStep } from './compiled-template.js';
import { FILE_STEP_TYPES } from './file-step-types.js';
import { FORMAT_OUTPUT_SCHEMA } from './format-output.schema.js';
import { HTTP_REQUEST_SCHEMA } from './http-request.schema.js';
import { WAITING_STEP_TYPES } from './waiting-step-types.js';
import { OLLAMA_OPTIONS_SCHEMA } from './ollama-options.schema.js';

/** A kind of step: what it needs to run, and what may stand under its `with`. */
export type StepType = {
  readonly name: string;
  readonly description: string;
  /** `model`: a slot of a loaded model; its input has `model` and may have `options`. `cpu`: a CPU slot. `nothing`: it only waits. */
  readonly needs: 'cpu' | 'model' | 'nothing';
  /** JSON Schema (2020-12) of the filled-in input. */
  readonly input: JsonSchema;
  /** Fields of the input that hold a JSON Schema of the author's, which is checked as such. */
  readonly schemaFields?: readonly string[];
  /** Fields of the input that are read before anything is filled in. */
  readonly literalFields?: readonly string[];
  /** Fields of the input in which secrets may stand; none where it is absent. */
  readonly secretFields?: readonly string[];
  /** Texts of the input that must have a secret in them, because they would stand in the log otherwise. */
  readonly secretOnly?: readonly (readonly string[])[];
  /** What later steps see as `steps.<id>.output`. */
  readonly output: string;
};

/** A day is far beyond any test; ten minutes keep a slot from being parked. */
const NOOP_DELAY_MAX_MS = 600_000;

const model: JsonSchema = {
  type: 'string',
  minLength: 1,
  maxLength: 256,
  pattern: '^[^\\s]+$',
  description: 'Model name with its tag',
};
const images: JsonSchema = {
  type: 'array',
  items: { type: 'string', minLength: 1 },
  maxItems: 64,
  description: 'Pictures, base64 without a data: prefix',
};
const format: JsonSchema = {
  anyOf: [{ const: 'json' }, { type: 'object' }],
  description: "'json' or a JSON Schema of the answer",
};
const repairs: JsonSchema = {
  type: 'integer',
  minimum: 0,
  maximum: 3,
  description:
    'How often it is asked again when the answer does not fit the schema in `format`; 1 when absent',
};
const think: JsonSchema = { anyOf: [{ type: 'boolean' }, { enum: ['low', 'medium', 'high'] }] };

const message: JsonSchema = {
  type: 'object',
  properties: {
    role: { enum: ['system', 'user', 'assistant', 'tool'] },
    content: { type: 'string' },
    images,
  },
  required: ['role', 'content'],
  additionalProperties: false,
};

const object = (
  required: readonly string[],
  properties: Readonly<Record<string, JsonSchema>>,
): JsonSchema => ({
  type: 'object',
  properties,
  required,
  additionalProperties: false,
});

const namedText: JsonSchema = {
  anyOf: [
    { type: 'string' },
    {
      type: 'object',
      properties: {
        name: { type: 'string', minLength: 1, maxLength: 256 },
        path: { type: 'string', minLength: 1 },
        text: { type: 'string' },
      },
      required: ['text'],
    },
  ],
};

const ALL: readonly StepType[] = [
  {
    name: 'noop',
    description: 'Does nothing, for measuring and for tests: waits, fails as asked, answers with `echo`.',
    needs: 'cpu',
    input: object([], {
      delay_ms: { type: 'integer', minimum: 0, maximum: NOOP_DELAY_MAX_MS },
      echo: { description: 'anything' },
      fail: object([], {
        code: { type: 'string', description: 'A code of the error table' },
        message: { type: 'string', maxLength: 1000 },
        times: { type: 'integer', minimum: 0, description: 'Attempts that fail; all of them when absent' },
      }),
    }),
    output: 'the value of `echo`, or null',
  },
  {
    name: 'ollama_generate',
    description: 'One prompt, one answer, by `/api/generate`.',
    needs: 'model',
    input: object(['model', 'prompt'], {
      model,
      prompt: { type: 'string' },
      system: { type: 'string' },
      suffix: { type: 'string' },
      images,
      format,
      repairs,
      think,
      options: OLLAMA_OPTIONS_SCHEMA,
    }),
    schemaFields: ['format'],
    output:
      '{text, done_reason, thinking?, json?, repairs?}; `json` is the parsed answer when `format` is given, and fits it when that is a JSON Schema',
  },
  {
    name: 'ollama_chat',
    description: 'A conversation so far, and its next message, by `/api/chat`.',
    needs: 'model',
    input: object(['model', 'messages'], {
      model,
      messages: { type: 'array', items: message, minItems: 1, maxItems: 10_000 },
      tools: { type: 'array', items: { type: 'object' }, maxItems: 256 },
      format,
      repairs,
      think,
      options: OLLAMA_OPTIONS_SCHEMA,
    }),
    schemaFields: ['format'],
    output: '{text, done_reason, thinking?, tool_calls?, json?, repairs?}',
  },
  {
    name: 'ollama_embed',
    description: 'One vector per text, by `/api/embed`.',
    needs: 'model',
    input: object(['model', 'input'], {
      model,
      input: {
        anyOf: [
          { type: 'string' },
          { type: 'array', items: { type: 'string' }, minItems: 1, maxItems: 2048 },
        ],
      },
      dimensions: { type: 'integer', minimum: 1, maximum: 65_536 },
      truncate: { type: 'boolean' },
      options: OLLAMA_OPTIONS_SCHEMA,
    }),
    output: '{embeddings: number[][], count}',
  },
  {
    name: 'ollama_analyze',
    description:
      'One answer about texts of any length: asked about each chunk by `/api/generate`, then made one.',
    needs: 'model',
    input: object(['model', 'items', 'prompt'], {
      model,
      items: {
        type: 'array',
        minItems: 1,
        maxItems: 256,
        items: namedText,
        description: 'Texts, {name, text}, or files as `read_files` gives them',
      },
      prompt: { type: 'string', minLength: 1, description: 'What is asked about each chunk' },
      system: { type: 'string' },
      combine_prompt: { type: 'string', minLength: 1, description: 'What is asked about the answers' },
      think,
      chunk_tokens: { type: 'integer', minimum: 32, maximum: 10_000_000 },
      overlap_tokens: { type: 'integer', minimum: 0, maximum: 10_000_000 },
      options: OLLAMA_OPTIONS_SCHEMA,
    }),
    output: '{text, parts: [{name, part, of, text, truncated?}], chunks, calls, shortened}',
  },
  {
    name: 'ollama_retrieve',
    description:
      'The passages of texts that are nearest to a question, by `/api/embed` and the cosine of the vectors.',
    needs: 'model',
    input: object(['model', 'items', 'query'], {
      model,
      items: {
        type: 'array',
        minItems: 1,
        maxItems: 256,
        items: namedText,
        description: 'Texts, {name, text}, or files as `read_files` gives them',
      },
      query: { type: 'string', minLength: 1, maxLength: 65_536 },
      query_prefix: {
        type: 'string',
        maxLength: 1_024,
        description: "What the model wants in front of a question, such as 'search_query: '",
      },
      text_prefix: {
        type: 'string',
        maxLength: 1_024,
        description: "What the model wants in front of a passage, such as 'search_document: '",
      },
      chunk_tokens: { type: 'integer', minimum: 32, maximum: 10_000_000 },
      overlap_tokens: { type: 'integer', minimum: 0, maximum: 10_000_000 },
      top: {
        type: 'integer',
        minimum: 1,
        maximum: 100,
        description: 'Passages that are given at most; 5 when absent',
      },
      min_score: { type: 'number', minimum: -1, maximum: 1, description: 'Passages below it are left out' },
      options: OLLAMA_OPTIONS_SCHEMA,
    }),
    output: '{passages: [{number, name, part, of, text, score}], looked_at}',
  },
  {
    name: 'http_request',
    description: 'One HTTP request, to the public internet and to what `ORCHESTRA_HTTP_ALLOW` names.',
    needs: 'cpu',
    input: HTTP_REQUEST_SCHEMA,
    secretFields: ['url', 'headers', 'query', 'json', 'text', 'form'],
    output: '{status, headers, json, text or base64, url, truncated, duration_ms}',
  },
  {
    name: 'notify',
    description: 'Sends one message to a channel of the notifications file.',
    needs: 'cpu',
    input: object(['channel', 'title'], {
      channel: { type: 'string', minLength: 1, maxLength: 64, description: 'Name in the notifications file' },
      title: { type: 'string', minLength: 1, maxLength: 250 },
      text: { type: 'string', maxLength: 10_000 },
      link: { type: 'string', maxLength: 2048, pattern: '^https?://', description: 'Where it leads' },
      wait: { type: 'boolean', description: 'Go on when it has arrived, and fail when it was given up' },
    }),
    output: '{id, channel, status, attempts}',
  },
  {
    name: 'transform',
    description: 'Another shape of what is there: `value` filled in, and held to the JSON Schema `check`.',
    needs: 'cpu',
    input: object(['value'], {
      value: { description: 'anything' },
      check: { type: 'object', description: 'JSON Schema' },
    }),
    schemaFields: ['check'],
    output: 'the filled-in `value`',
  },
  {
    name: 'format_output',
    description: 'A value as text for people or programs: JSON, Markdown, plain text or CSV.',
    needs: 'cpu',
    input: FORMAT_OUTPUT_SCHEMA,
    output: '{text, media_type, bytes}',
  },
  ...FILE_STEP_TYPES,
  ...WAITING_STEP_TYPES,
];

/**
 * A step type of others, as far as a template can know it: its workers say what input they accept, and an executor checks that before
 * they get it. Whether it needs a model has to stand in the template, because a task is planned when no worker may be there.
 */
const PLUGIN_TYPES = {
  cpu: {
    name: 'a plugin',
    description: 'A step type of somebody else.',
    needs: 'cpu',
    input: { type: 'object' },
    output: 'what the plugin says',
  },
  model: {
    name: 'a plugin with a model',
    description: 'A step type of somebody else that uses a model.',
    needs: 'model',
    input: { type: 'object', properties: { model, options: OLLAMA_OPTIONS_SCHEMA }, required: ['model'] },
    output: 'what the plugin says',
  },
} as const satisfies Readonly<Record<'cpu' | 'model', StepType>>;

/** The type of a step: one of this program, or one of others; undefined for what is neither. */
export const stepTypeOf = (step: Pick<TemplateStep, 'type' | 'slot'>): StepType | undefined =>
  STEP_TYPES.get(step.type) ?? (isPluginType(step.type) ? PLUGIN_TYPES[step.slot ?? 'cpu'] : undefined);

export const STEP_TYPES: ReadonlyMap<string, StepType> = new Map(ALL.map((type) => [type.name, type]));
