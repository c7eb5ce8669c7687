import { count, exactly, listOf, orNull, text, time, type SchemaObject } from './schema-parts.js';

export const plugins = {
  PluginList: exactly({ items: listOf('Plugin'), problems: listOf('PluginProblem') }),
  PluginProblem: exactly({
    by: { ...text, description: 'The executor that cannot load something, or the worker that is refused.' },
    problem: text,
  }),
  Plugin: exactly({
    name: text,
    version: text,
    description: text,
    needs: { type: 'string', enum: ['cpu', 'model'] },
    input: orNull({ type: 'object', description: 'JSON Schema of its input; null: anything.' }),
    output: orNull({ type: 'object', description: 'JSON Schema of its output; null: anything.' }),
    workers: listOf('PluginWorker'),
  }),
  PluginWorker: exactly({
    id: text,
    version: text,
    in_process: { type: 'boolean', description: 'Runs in an executor, and not in a program of its own.' },
    slots: count,
    runs: { ...count, description: 'What it works on, as it said last.' },
    since: time,
    heard_at: time,
  }),
} satisfies Record<string, SchemaObject>;
