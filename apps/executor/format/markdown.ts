import { cellText, isObject, tableOf, type Column } from './rows.js';

/** Text stays as it is (it may be Markdown), a list of objects or lists becomes a table, an object one of two columns, other lists become lists. */
export const markdownOf = (
  value: unknown,
  columns: readonly Column[] | undefined,
  title: string | undefined,
): string => {
  const head = title === undefined ? '' : `# ${escaped(title.replace(/\s+/g, ' ').trim())}\n\n`;
  return `${head}${bodyOf(value, columns)}`;
};

const bodyOf = (value: unknown, columns: readonly Column[] | undefined): string => {
  if (typeof value === 'string') return value.endsWith('\n') ? value : `${value}\n`;
  const table = tableOf(value, columns);
  if (table) return drawn(table.head ?? longest(table.rows).map((_, n) => String(n + 1)), table.rows);
  if (isObject(value)) return drawn(['field', 'value'], Object.entries(value));
  if (Array.isArray(value)) return value.map((item) => `- ${cell(item)}\n`).join('');
  return `${cell(value)}\n`;
};

const drawn = (head: readonly string[], rows: readonly (readonly unknown[])[]): string =>
  [head, head.map(() => null), ...rows]
    .map((row, n) => (n === 1 ? head.map(() => '---') : head.map((_, place) => cell(row[place]))))
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');

const longest = (rows: readonly (readonly unknown[])[]): readonly unknown[] =>
  rows.reduce((most, row) => (row.length > most.length ? row : most), []);

/** A row is one line, and nothing in a cell ends it or is read as Markdown or HTML. */
const cell = (value: unknown): string => escaped(cellText(value)).replace(/\r\n|\r|\n/g, '<br>');

const escaped = (text: string): string => text.replaceAll('&', '&amp;').replace(/[\\`*_[\]<>|~#!]/g, '\\$&');
