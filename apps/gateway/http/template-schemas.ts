import { anything, count, exactly, text, texts, type SchemaObject } from './schema-parts.js';

const parameters: SchemaObject = { type: 'object', additionalProperties: { type: 'object' } };
const templateProblem = exactly({ file: text, line: count, column: count, path: text, message: text });

export const templates = {
  TemplateList: exactly({
    items: { type: 'array', items: exactly({ name: text, version: text, description: text, parameters }) },
    problems: { type: 'array', items: templateProblem },
  }),
  Template: exactly({
    name: text,
    version: text,
    description: text,
    parameters,
    parameters_schema: { type: 'object', description: 'JSON Schema (2020-12).' },
    steps: {
      type: 'array',
      items: exactly(
        {
          id: text,
          type: text,
          needs: texts,
          when: { ...text, description: 'One expression; the step is left out where it is false.' },
          foreach: {
            description: 'A list, or one expression that gives one; the step runs for each item of it.',
          },
          concurrency: { ...count, description: 'How many items run at once.' },
          retry: exactly({ attempts_max: count, backoff_ms: count, on: texts }, ['on']),
          on_failure: { const: 'continue', description: 'Absent: the task fails with the step.' },
          timeout: { ...text, description: 'Longest that one attempt may take, such as `10m`.' },
          no_progress: { ...text, description: 'Longest that nothing may be heard of an attempt.' },
          with: { type: 'object' },
        },
        ['when', 'foreach', 'concurrency', 'on_failure', 'timeout', 'no_progress'],
      ),
    },
    output: anything,
  }),
  Validated: exactly({ valid: { const: true }, name: text, version: text, parameters: { type: 'object' } }, [
    'parameters',
  ]),
} satisfies Record<string, SchemaObject>;
