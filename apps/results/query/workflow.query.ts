import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { PageRequest, TaskFilter, TaskStatus } from '#libs/contracts/queries.js';
import type {
  WorkflowPage,
  WorkflowSummary,
  WorkflowTaskStatus,
  WorkflowTaskView,
  WorkflowView,
} from '#libs/contracts/workflow-queries.js';
import { Workflow, type WorkflowRow } from '../database/entities.js';
import { indexText } from '../database/index-text.js';
import type { Included } from '../follow/checkpoint.js';
import { groupBy } from '../group-by.js';
import { countByStatus, workflowStatus } from '../workflow-status.js';
import type { WorkflowGraph } from '../workflow-view.projection.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { QueryFailure } from './query-failure.js';

/** One workflow, its tasks in their order. At most 1,000 tasks with 5,000 edges, so it fits into a message. */
export const workflowView = async (em: SqlEntityManager, id: string): Promise<WorkflowView> => {
  const row = await em.findOne(Workflow, { id }, { disableIdentityMap: true });
  if (row === null)
    throw new QueryFailure('WORKFLOW_UNKNOWN', `There is no workflow '${id}'.`, { workflowId: id });
  const [view] = await viewsOf(em, [row]);
  return view as WorkflowView;
};

/** Newest first, without their tasks. */
export const workflowPage = async (
  em: SqlEntityManager,
  { workspace }: Pick<TaskFilter, 'workspace'>,
  { size, after }: PageRequest,
  { genesisId }: Included,
): Promise<WorkflowPage> => {
  const before = after === undefined ? {} : { seq: { $lt: decodeCursor(after, 'after', genesisId) } };
  const rows = await em.find(
    Workflow,
    { ...(workspace === undefined ? {} : { workspace: indexText(workspace) }), ...before },
    { orderBy: { seq: 'desc' }, limit: size + 1, disableIdentityMap: true },
  );
  const shown = rows.slice(0, size);
  const last = shown.at(-1);
  const items = (await viewsOf(em, shown)).map(withoutTasks);
  return { items, next: last && rows.length > size ? encodeCursor(last.seq, genesisId) : null };
};

const withoutTasks = (view: WorkflowView): WorkflowSummary => {
  const { tasks: _, ...summary } = view;
  return summary;
};

const viewsOf = async (em: SqlEntityManager, rows: readonly WorkflowRow[]): Promise<WorkflowView[]> => {
  const states = groupBy(await taskStates(em, rows), ({ workflow_id: id }) => id);
  return rows.map((row) => {
    const byId = new Map(states.get(row.id)?.map((state) => [state.id, state]));
    const tasks = (JSON.parse(row.tasks) as WorkflowGraph).map((task): WorkflowTaskView => ({
      ...task,
      ...standing(byId.get(task.id)),
    }));
    const starts = tasks.flatMap(({ started_at: at }) => at ?? []).toSorted();
    const ends = tasks.flatMap(({ ended_at: at }) => at ?? []).toSorted();
    return {
      id: row.id,
      name: row.name ?? null,
      workspace: row.workspace,
      status: workflowStatus(tasks),
      labels: JSON.parse(row.labels) as WorkflowView['labels'],
      created_at: row.createdAt,
      started_at: starts[0] ?? null,
      ended_at: ends.length === tasks.length ? (ends.at(-1) ?? null) : null,
      task_counts: countByStatus(tasks),
      tasks,
    };
  });
};

type TaskState = {
  readonly id: string;
  readonly workflow_id: string;
  readonly status: TaskStatus;
  readonly started_at: string | null;
  readonly ended_at: string | null;
  readonly error_start: string | null;
};

/** Of an error only its beginning, in which its code stands: a page can be about tens of thousands of tasks. */
const ERROR_START_CHARS = 64;
const CODE = /^\{"code":"([A-Z_]+)"/;

const taskStates = async (em: SqlEntityManager, rows: readonly WorkflowRow[]): Promise<TaskState[]> =>
  rows.length === 0
    ? []
    : await em.execute<TaskState[]>(
        `select t.id, t.workflow_id, t.status, t.started_at, t.ended_at, substr(t.error, 1, ${ERROR_START_CHARS}) as error_start
         from task t where t.workflow_id in (${rows.map(() => '?').join(', ')})`,
        rows.map(({ id }) => id),
      );

/** A task whose submission is not included yet is about to be. */
const standing = (
  state: TaskState | undefined,
): Pick<WorkflowTaskView, 'status' | 'started_at' | 'ended_at' | 'error_code'> => {
  if (state === undefined) return { status: 'queued', started_at: null, ended_at: null, error_code: null };
  const errorCode = CODE.exec(state.error_start ?? '')?.[1] ?? null;
  const status: WorkflowTaskStatus = errorCode === 'DEPENDENCY_SKIPPED' ? 'skipped' : state.status;
  return { status, started_at: state.started_at, ended_at: state.ended_at, error_code: errorCode };
};
