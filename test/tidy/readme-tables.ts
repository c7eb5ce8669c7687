import { PROMISES, RULES } from '#libs/audit/rules.js';
import { EVENT_CATALOGUE } from '#libs/contracts/event-catalogue.js';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { ERRORS } from '#libs/domain/errors.js';
import { POLICY_FIELDS } from '#libs/policy-file/policy-fields.js';
import type { JsonSchema } from '#libs/template/compiled-template.js';
import { STEP_TYPES } from '#libs/template/step-types.js';
import { durationTextOf } from '#libs/domain/duration.js';
import type { Settings } from '#libs/runtime/settings.js';

const NEEDED = { model: 'a model', cpu: 'a CPU slot', nothing: 'nothing' } as const;

/** The README's tables, made from the code that they describe. `npm run docs` writes them, a test compares them. */
export type Tables = Readonly<Record<string, string>>;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string => {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
};

const cell = (value: string): string => value.replaceAll('|', '\\|').replaceAll('\n', ' ');

export const readmeTables = (services: Readonly<Record<string, Settings>>): Tables => ({
  errors: table(
    ['code', 'HTTP', 'retry', 'meaning'],
    Object.entries(ERRORS).map(([code, { http, retry, title }]) => [
      `\`${code}\``,
      String(http),
      retry,
      title,
    ]),
  ),
  events: table(
    ['type', 'stream', 'subject', 'says'],
    EVENT_CATALOGUE.map(({ type, stream, subject, says }) => [
      `\`${type}\``,
      stream,
      `\`${cell(subject)}\``,
      cell(says),
    ]),
  ),
  rules: table(
    ['finding', 'means', 'broken promise'],
    Object.entries(RULES).map(([rule, { promise, says }]) => [`\`${rule}\``, cell(says), PROMISES[promise]]),
  ),
  policy: table(
    ['setting', 'default', 'meaning'],
    POLICY_FIELDS.map(({ name, key, unit, meaning }) => {
      const value = DEFAULT_POLICY[key];
      return [`\`${name}\``, `\`${unit === 'duration' ? durationTextOf(value) : value}\``, cell(meaning)];
    }),
  ),
  'step-types': table(
    ['type', 'needs', 'does', 'input (needed in bold)', 'output'],
    [...STEP_TYPES.values()].map(({ name, needs, description, input, output }) => [
      `\`${name}\``,
      NEEDED[needs],
      cell(description),
      fieldsOf(input).join(', '),
      cell(output),
    ]),
  ),
  settings: table(['variable', 'default', 'accepted', 'meaning', 'read by'], settingRows(services)),
});

const fieldsOf = (input: JsonSchema): readonly string[] => {
  const needed = (input['required'] ?? []) as readonly string[];
  return Object.keys(input['properties'] ?? {}).map((name) =>
    needed.includes(name) ? `**\`${name}\`**` : `\`${name}\``,
  );
};

const settingRows = (services: Readonly<Record<string, Settings>>): readonly (readonly string[])[] => {
  const rows = new Map<string, { cells: string[]; readers: string[] }>();
  for (const [service, settings] of Object.entries(services)) {
    for (const { env, fallback, accepts, meaning } of Object.values(settings)) {
      const known = rows.get(env);
      if (known) known.readers.push(service);
      else
        rows.set(env, {
          cells: [`\`${env}\``, fallback ? `\`${cell(fallback)}\`` : '–', cell(accepts), cell(meaning)],
          readers: [service],
        });
    }
  }
  const all = Object.keys(services).length;
  return [...rows.values()].map(({ cells, readers }) => [
    ...cells,
    readers.length >= all ? 'all' : readers.join(', '),
  ]);
};

/** Replaces what stands between `<!-- table:name -->` and `<!-- /table -->`. Throws when a table has no place. */
export const withTables = (readme: string, tables: Tables): string => {
  let result = readme;
  for (const [name, content] of Object.entries(tables)) {
    const open = `<!-- table:${name} -->`;
    const start = result.indexOf(open);
    const end = result.indexOf('<!-- /table -->', start);
    if (start < 0 || end < 0) throw new Error(`README.md has no place '${open} … <!-- /table -->'`);
    result = `${result.slice(0, start + open.length)}\n${content}\n${result.slice(end)}`;
  }
  return result;
};
