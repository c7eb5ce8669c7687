import type { TaskFilter, TaskStatus } from '#libs/contracts/queries.js';
import { indexText } from '../database/index-text.js';

export type Sql = { readonly sql: string; readonly params: readonly (string | number)[] };

/** Conditions on `task t` for everything but the status. */
export const conditionsOf = (filter: TaskFilter): readonly Sql[] => {
  const conditions: Sql[] = [];
  const add = (sql: string, ...params: (string | number)[]): void => {
    conditions.push({ sql, params });
  };
  if (filter.workspace !== undefined) add('t.workspace = ?', indexText(filter.workspace));
  if (filter.template !== undefined) add('t.template_name = ?', indexText(filter.template));
  if (filter.workflowId !== undefined) add('t.workflow_id = ?', filter.workflowId);
  if (filter.parent !== undefined) add('t.parent_task_id = ?', filter.parent);
  if (filter.createdFrom !== undefined) add('t.created_at >= ?', filter.createdFrom);
  if (filter.createdTo !== undefined) add('t.created_at < ?', filter.createdTo);
  for (const [key, value] of Object.entries(filter.labels ?? {})) {
    add(
      't.seq in (select l.task_seq from task_label l where l.key = ? and l.value = ?)',
      indexText(key),
      indexText(value),
    );
  }
  return conditions;
};

/**
 * Sequences of matching tasks in order. Each status is asked for by itself and cut to `limit`, because only then can
 * the index on (status, seq) give the order: two waiting tasks are found at once beside a million completed ones.
 */
export const sequencesSql = (
  filter: TaskFilter,
  range: readonly Sql[],
  order: 'asc' | 'desc',
  limit: number,
): Sql => {
  const common = [...conditionsOf(filter), ...range];
  const branch = (status: TaskStatus | null): Sql => {
    const conditions = status === null ? common : [{ sql: 't.status = ?', params: [status] }, ...common];
    return {
      sql: `select seq from (select t.seq from task t${where(conditions)} order by t.seq ${order} limit ${limit}) as b`,
      params: conditions.flatMap(({ params }) => params),
    };
  };
  const branches = (filter.statuses ?? [null]).map(branch);
  return {
    sql: `select seq from (${branches.map(({ sql }) => sql).join(' union all ')}) as u order by seq ${order} limit ${limit}`,
    params: branches.flatMap(({ params }) => params),
  };
};

export const where = (conditions: readonly Sql[]): string =>
  conditions.length === 0 ? '' : ` where ${conditions.map(({ sql }) => sql).join(' and ')}`;
