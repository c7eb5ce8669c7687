import { cellText, isObject } from './rows.js';

/** Text stays as it is; an object becomes lines of `field: value`, a list one line for each item, or one block for each object. */
export const plainTextOf = (value: unknown, title: string | undefined): string =>
  `${title === undefined ? '' : `${title}\n\n`}${bodyOf(value)}`;

const bodyOf = (value: unknown): string => {
  if (isObject(value)) return blockOf(value);
  if (!Array.isArray(value)) return ended(cellText(value));
  if (value.some(isObject))
    return value.map((item) => (isObject(item) ? blockOf(item) : ended(cellText(item)))).join('\n');
  return value.map((item) => ended(cellText(item))).join('');
};

const blockOf = (value: Readonly<Record<string, unknown>>): string =>
  Object.entries(value)
    .map(([name, field]) => ended(`${name}: ${cellText(field)}`))
    .join('');

const ended = (text: string): string => (text.endsWith('\n') ? text : `${text}\n`);
