import type { SqlEntityManager } from '@mikro-orm/sqlite';
import {
  TASK_STATUSES,
  type StatusCounts,
  type TaskFilter,
  type TaskStatus,
} from '#libs/contracts/queries.js';
import { indexText } from '../database/index-text.js';
import { conditionsOf, where, type Sql } from './task-filter.js';

/** Tasks by status and by template. Labels, workflows and times are counted task by task; everything else is kept counted. */
export const statusCounts = async (em: SqlEntityManager, filter: TaskFilter): Promise<StatusCounts> => {
  const { sql, params } = isKept(filter) ? keptSql(filter) : countingSql(filter);
  const rows = await em.execute<{ template_name: string; status: TaskStatus; tasks: number | string }[]>(
    sql,
    [...params],
  );
  const byStatus = Object.fromEntries(TASK_STATUSES.map((status) => [status, 0])) as Record<
    TaskStatus,
    number
  >;
  for (const row of rows) byStatus[row.status] += Number(row.tasks);
  return {
    total: Object.values(byStatus).reduce((sum, tasks) => sum + tasks, 0),
    by_status: byStatus,
    by_template: rows.map((row) => ({
      template: row.template_name,
      status: row.status,
      count: Number(row.tasks),
    })),
  };
};

const isKept = ({ labels = {}, workflowId, parent, createdFrom, createdTo }: TaskFilter): boolean =>
  Object.keys(labels).length === 0 &&
  workflowId === undefined &&
  parent === undefined &&
  createdFrom === undefined &&
  createdTo === undefined;

const keptSql = (filter: TaskFilter): Sql => {
  const conditions = statusIs(filter);
  if (filter.workspace !== undefined)
    conditions.push({ sql: 't.workspace = ?', params: [indexText(filter.workspace)] });
  if (filter.template !== undefined)
    conditions.push({ sql: 't.template_name = ?', params: [indexText(filter.template)] });
  return grouped('task_count', 'sum(t.tasks)', [...conditions, { sql: 't.tasks <> 0', params: [] }]);
};

const countingSql = (filter: TaskFilter): Sql =>
  grouped('task', 'count(*)', [...statusIs(filter), ...conditionsOf(filter)]);

const grouped = (table: string, tasks: string, conditions: readonly Sql[]): Sql => ({
  sql: `select t.template_name, t.status, ${tasks} as tasks from ${table} t${where(conditions)}
    group by t.template_name, t.status order by t.template_name, t.status`,
  params: conditions.flatMap(({ params }) => params),
});

const statusIs = ({ statuses }: TaskFilter): Sql[] =>
  statuses === undefined
    ? []
    : [{ sql: `t.status in (${statuses.map(() => '?').join(', ')})`, params: statuses }];
