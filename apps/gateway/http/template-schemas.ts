import {
  anything,
  count,
  exactly,
  orNull,
  ref,
  text,
  texts,
  time,
  type SchemaObject,
} from './schema-parts.js';

const parameters: SchemaObject = { type: 'object', additionalProperties: { type: 'object' } };
const templateProblem = exactly({ file: text, line: count, column: count, path: text, message: text });

const retry = exactly({ attempts_max: count, backoff_ms: count, on: texts }, ['on']);
const cpuSlot = exactly({ kind: { const: 'cpu' } });
const modelSlot = exactly({ kind: { const: 'model' }, model: text, options: { type: 'object' } });

const dryStep = exactly(
  {
    id: text,
    type: text,
    needs: texts,
    retry,
    on_failure: { const: 'continue' },
    timeout: text,
    no_progress: text,
    plugin_missing: text,
    stage: { ...count, minimum: 1, description: 'Steps of one stage may run beside each other.' },
    finally: {
      type: 'boolean',
      description: 'Whether it runs when all others have ended, however they did.',
    },
    slot: { oneOf: [cpuSlot, modelSlot, { type: 'null' }], description: 'Null: it waits, and takes none.' },
    foreach: exactly({
      items: { type: ['integer', 'null'], description: 'Null: the list depends on other steps.' },
      concurrency: count,
    }),
    when: exactly({
      expression: text,
      holds: { type: ['boolean', 'null'], description: 'Null: it depends on other steps.' },
    }),
    input: { description: 'Expressions that wait for other steps stand as they were written.' },
    child: {
      ...exactly({
        template: text,
        version: orNull(text),
        steps: { ...texts, description: 'Ids of its steps.' },
        run: { ...orNull(ref('DryRun')), description: 'Null: its parameters depend on other steps.' },
      }),
      description: 'What a step of type `task` submits.',
    },
  },
  ['child', 'on_failure', 'timeout', 'no_progress', 'plugin_missing', 'when', 'foreach'],
);

const templateStep = exactly(
  {
    id: text,
    type: text,
    needs: texts,
    when: { ...text, description: 'One expression; the step is left out where it is false.' },
    foreach: {
      description: 'A list, or one expression that gives one; the step runs for each item of it.',
    },
    concurrency: { ...count, description: 'How many items run at once.' },
    retry,
    on_failure: { const: 'continue', description: 'Absent: the task fails with the step.' },
    timeout: { ...text, description: 'Longest that one attempt may take, such as `10m`.' },
    no_progress: { ...text, description: 'Longest that nothing may be heard of an attempt.' },
    slot: {
      const: 'model',
      description: 'Of a step type of others. Absent: a CPU slot, or as its type says.',
    },
    plugin_missing: {
      ...text,
      description:
        'How long it waits for a worker of its type, from 10s; fail: ten seconds. Absent: as long as it takes.',
    },
    with: { type: 'object' },
  },
  ['when', 'foreach', 'concurrency', 'on_failure', 'timeout', 'no_progress', 'slot', 'plugin_missing'],
);

export const templates = {
  TemplateList: exactly({
    items: { type: 'array', items: exactly({ name: text, version: text, description: text, parameters }) },
    problems: { type: 'array', items: templateProblem },
    warnings: {
      type: 'array',
      items: templateProblem,
      description: 'What is no mistake, but hardly meant.',
    },
  }),
  Template: exactly(
    {
      name: text,
      version: text,
      description: text,
      parameters,
      parameters_schema: { type: 'object', description: 'JSON Schema (2020-12).' },
      steps: {
        type: 'array',
        items: templateStep,
      },
      finally: {
        type: 'array',
        items: templateStep,
        description: 'Steps that run when all others have ended, however they did. Absent: none.',
      },
      finally_timeout: { ...text, description: 'What those may take together, such as `10m`.' },
      output: anything,
      outputs: {
        type: 'object',
        additionalProperties: { type: 'object' },
        description: 'Named values with their types, in the place of `output`.',
      },
    },
    ['outputs', 'finally', 'finally_timeout'],
  ),
  Validated: exactly(
    {
      valid: { const: true },
      name: text,
      version: text,
      warnings: { type: 'array', items: templateProblem },
      parameters: { type: 'object' },
    },
    ['parameters'],
  ),
  TemplateVersions: exactly({
    name: text,
    items: {
      type: 'array',
      items: exactly({
        number: {
          ...count,
          minimum: 1,
          description: 'Counts the versions of this name; `name@3` is the third.',
        },
        version: { ...text, description: 'Hash of its content.' },
        registered_at: time,
        current: { type: 'boolean', description: 'Whether the folder has this version now.' },
      }),
    },
  }),
  TemplateDiff: exactly({
    name: text,
    from: text,
    to: text,
    changes: {
      type: 'array',
      items: exactly(
        { path: text, kind: { enum: ['added', 'removed', 'changed'] }, before: anything, after: anything },
        ['before', 'after'],
      ),
    },
  }),
  DryRun: exactly({
    name: text,
    version: text,
    parameters: { type: 'object' },
    steps: { type: 'array', items: dryStep },
    result: { description: 'Expressions that wait for steps stand as they were written.' },
  }),
} satisfies Record<string, SchemaObject>;
