import type { JsonSchema } from './compiled-template.js';

const duration: JsonSchema = {
  type: 'string',
  pattern: '^\\d+(?:\\.\\d+)?\\s*(?:ms|s|m|h|d)$',
  description: 'A duration such as 90s, 10m or 2h',
};
const names = (description: string): JsonSchema => ({
  type: 'array',
  items: { type: 'string', minLength: 1, maxLength: 128 },
  maxItems: 50,
  description,
});
/** A question may quote a document; a document as large as an event may be is in `text`. */
const MESSAGE_MAX_CHARS = 20_000;

/** What everything has in common that people are asked. */
const ASKED: Readonly<Record<string, JsonSchema>> = {
  message: { type: 'string', minLength: 1, maxLength: MESSAGE_MAX_CHARS, description: 'What is asked' },
  assignees: names('Names of those who are asked; anybody when absent'),
  timeout: duration,
  remind_every: duration,
  escalate_after: duration,
  escalate_to: names('Names of those who are asked too after `escalate_after`'),
};

const CHOICE = '^[a-z][a-z0-9_-]{0,62}$';

/** A template by its name alone, or a version of it: `summarize`, `summarize@3`, `summarize@6f22c56a0f375ed3`. */
export const TEMPLATE_REF_PATTERN =
  '^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?(?:@(?:latest|[1-9][0-9]{0,8}|[0-9a-f]{16}))?$';

/** Steps that wait and hold nothing meanwhile: no executor, no lease, no slot. */
export const WAITING_STEP_TYPES = [
  {
    name: 'delay',
    description: 'Waits for a time: so long from its turn on (`for`), or until a moment (`until`, RFC 3339).',
    needs: 'nothing' as const,
    input: {
      type: 'object',
      properties: { for: duration, until: { type: 'string', maxLength: 40, description: 'RFC 3339' } },
      additionalProperties: false,
    },
    output: '{until}',
  },
  {
    name: 'approval',
    description: 'Waits until somebody approves, rejects, or takes another of its `choices`.',
    needs: 'nothing' as const,
    input: {
      type: 'object',
      properties: {
        ...ASKED,
        text: { description: 'What is to be approved: a text, or any data' },
        edit: { type: 'boolean', description: 'Whether who answers may change `text`' },
        choices: {
          type: 'array',
          items: { type: 'string', pattern: CHOICE },
          maxItems: 20,
          description: 'Named answers besides approve and reject',
        },
        on_reject: { enum: ['fail', 'continue'] },
        on_timeout: { type: 'string', description: 'fail, approve, reject or one of `choices`' },
      },
      required: ['message'],
      additionalProperties: false,
    },
    output: '{decision: approved, rejected or chosen, choice, text, by, at, comment, timed_out}',
  },
  {
    name: 'human_input',
    description: 'Waits until somebody fills in the form that the JSON Schema `schema` describes.',
    needs: 'nothing' as const,
    input: {
      type: 'object',
      properties: {
        ...ASKED,
        schema: { type: 'object', description: 'JSON Schema of the answer' },
        initial: { description: 'What the form shows at first' },
        default: { description: 'The answer where nobody gives one in time' },
        on_timeout: { enum: ['fail', 'default'] },
      },
      required: ['message', 'schema'],
      additionalProperties: false,
    },
    schemaFields: ['schema'],
    output: '{data, by, at, comment, timed_out}',
  },
  {
    name: 'task',
    description: 'Submits a task of another template, its child, and waits for its end.',
    needs: 'nothing' as const,
    input: {
      type: 'object',
      properties: {
        template: {
          type: 'string',
          pattern: TEMPLATE_REF_PATTERN,
          description: 'Name of a template, alone or with @ and a version',
        },
        parameters: { type: 'object', description: 'What its template asks for' },
        priority: { type: 'integer', minimum: 1, maximum: 10, description: 'That of this task when absent' },
      },
      required: ['template'],
      additionalProperties: false,
    },
    literalFields: ['template'],
    output: '{output, task_id, status}; `output` is the result of the child',
  },
];
