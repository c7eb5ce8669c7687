import { StepError } from '../step-error.js';
import { cellText, tableOf, type Column } from './rows.js';

/**
 * CSV by RFC 4180: commas, CRLF, quotes where they are needed. What a spreadsheet would run as a formula gets an apostrophe in front,
 * which it shows as text; a number stays a number.
 */
export const csvOf = (value: unknown, columns: readonly Column[] | undefined): string => {
  const table = tableOf(value, columns);
  if (table === null) {
    if (Array.isArray(value) && value.length === 0) return '';
    throw new StepError(
      'STEP_INPUT_INVALID',
      'value: expected a list of objects, or a list of lists, for csv.',
    );
  }
  const rows = table.head === null ? table.rows : [table.head, ...table.rows];
  return rows.map((row) => `${row.map(field).join(',')}\r\n`).join('');
};

const NUMBER = /^[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?$/;
/** In the wide forms too, which some programs take for the plain ones; spaces before them are passed over. */
const FORMULA = /^(?:[\t\r\n]|[\s\ufeff\u200b]*[=+\-@\uff1d\uff0b\uff0d\uff20])/;

const field = (cell: unknown): string => {
  const text = cellText(cell);
  const isRisky = FORMULA.test(text) && !NUMBER.test(text);
  const safe = isRisky ? `'${text}` : text;
  // The semicolon and the tab part fields in the programs of other countries.
  return isRisky || /[",;\t\r\n]|^\s|\s$/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
