import { StepError } from '../step-error.js';

export type Column = string | { readonly field: string; readonly title?: string };

export type Table = {
  /** Null for lists without names. */
  readonly head: readonly string[] | null;
  readonly rows: readonly (readonly unknown[])[];
};

/** As many as a spreadsheet still shows; more is a data set. */
const COLUMNS_MAX = 1_000;

/** A list of objects, or a list of lists, as a table; null for anything else. Throws where the items are of both kinds. */
export const tableOf = (value: unknown, columns: readonly Column[] | undefined): Table | null => {
  if (!Array.isArray(value) || value.length === 0) {
    if (!Array.isArray(value)) return null;
    return columns === undefined ? null : { head: columns.map(titleOf), rows: [] };
  }
  if (Array.isArray(value[0])) return ofLists(value, columns);
  return isObject(value[0]) ? ofObjects(value, columns) : null;
};

const ofLists = (value: readonly unknown[], columns: readonly Column[] | undefined): Table => ({
  head: columns === undefined ? null : columns.map(titleOf),
  rows: value.map((row, n) => {
    if (!Array.isArray(row)) throw wrongRow(n, row, 'a list, as the first one');
    if (columns !== undefined && row.length > columns.length)
      throw wrongRow(n, row, `at most ${columns.length} cells, because there are so many columns`);
    return row as readonly unknown[];
  }),
});

const ofObjects = (value: readonly unknown[], columns: readonly Column[] | undefined): Table => {
  const objects = value.map((row, n) => {
    if (!isObject(row)) throw wrongRow(n, row, 'an object, as the first one');
    return row;
  });
  const fields = columns?.map(fieldOf) ?? [...new Set(objects.flatMap((row) => Object.keys(row)))];
  if (fields.length > COLUMNS_MAX)
    throw new StepError(
      'STEP_INPUT_INVALID',
      `value: has ${fields.length} fields; accepted: up to ${COLUMNS_MAX} columns.`,
    );
  return {
    head: columns?.map(titleOf) ?? fields,
    rows: objects.map((row) => fields.map((field) => (Object.hasOwn(row, field) ? row[field] : null))),
  };
};

/** A cell as text: nothing for null, JSON for what has parts. */
export const cellText = (cell: unknown): string => {
  if (cell === null || cell === undefined) return '';
  return typeof cell === 'string' ? cell : JSON.stringify(cell);
};

export const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const fieldOf = (column: Column): string => (typeof column === 'string' ? column : column.field);
const titleOf = (column: Column): string =>
  typeof column === 'string' ? column : (column.title ?? column.field);

const wrongRow = (n: number, row: unknown, accepted: string): StepError =>
  new StepError(
    'STEP_INPUT_INVALID',
    `value[${n}]: ${cellText(row).slice(0, 80)} is not accepted; expected ${accepted}.`,
  );
