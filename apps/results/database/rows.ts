import type { SqlEntityManager } from '@mikro-orm/sqlite';

/**
 * Multi-row statements, generated once per table and the same for SQLite and PostgreSQL. An ORM's unit of work writes
 * one row at a time; these reach nine times its speed because a statement is parsed and planned once for many rows.
 */
export type Column<Row> = {
  readonly name: string;
  /** PostgreSQL takes the columns of a bare VALUES list for text unless told. */
  readonly type: 'text' | 'bigint';
  readonly of: (row: Row) => string | number | null;
};

/** Rows in one statement; more do not make it faster (500 and 2,000 were equal when measured). */
const ROWS_MAX = 500;
/** Text in one statement. Rows can hold outputs of 960 KiB each, and a statement is one string in memory. */
const TEXT_CHARS_MAX = 8 * 1024 * 1024;

/** `onConflict` is what follows `on conflict`, such as `do nothing`. */
export const insertRows = async <Row>(
  em: SqlEntityManager,
  table: string,
  columns: readonly Column<Row>[],
  onConflict: string,
  rows: readonly Row[],
): Promise<void> => {
  const names = columns.map(({ name }) => name).join(', ');
  for (const values of chunks(rows, columns)) {
    const sql = `insert into ${table} as t (${names}) values ${lists(values.length / columns.length, columns.length)} on conflict ${onConflict}`;
    await em.execute(sql, values, 'run');
  }
};

/** Updates rows by their key, which is the first column. `where` may compare `t` (stored) with `v` (new). */
export const updateRows = async <Row>(
  em: SqlEntityManager,
  table: string,
  keys: readonly Column<Row>[],
  columns: readonly (Column<Row> & { readonly set?: (value: string) => string })[],
  rows: readonly Row[],
  where = '',
): Promise<void> => {
  const all = [...keys, ...columns];
  const value = (index: number): string => `cast(v.column${index + 1} as ${all[index]?.type ?? 'text'})`;
  const sets = columns.map(({ name, set }, index) => {
    const given = value(keys.length + index);
    return `${name} = ${set ? set(given) : given}`;
  });
  const match = keys.map(({ name }, index) => `t.${name} = ${value(index)}`);
  for (const values of chunks(rows, all)) {
    const list = lists(values.length / all.length, all.length);
    const sql = `update ${table} as t set ${sets.join(', ')} from (values ${list}) as v where ${match.join(' and ')}${where}`;
    await em.execute(sql, values, 'run');
  }
};

/** A value once known stays: `null` in an update means that the event said nothing of it. */
export const keepIfNull =
  (name: string) =>
  (value: string): string =>
    `coalesce(${value}, t.${name})`;

type Value = string | number | null;

const chunks = function* <Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Generator<Value[]> {
  let values: Value[] = [];
  let chars = 0;
  for (const row of rows) {
    for (const column of columns) {
      const value = column.of(row);
      values.push(value);
      if (typeof value === 'string') chars += value.length;
    }
    if (values.length >= ROWS_MAX * columns.length || chars >= TEXT_CHARS_MAX) {
      yield values;
      values = [];
      chars = 0;
    }
  }
  if (values.length > 0) yield values;
};

const lists = (rows: number, columns: number): string => {
  const one = `(${Array.from({ length: columns }, () => '?').join(', ')})`;
  return Array.from({ length: rows }, () => one).join(', ');
};
