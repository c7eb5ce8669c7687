import {
  WORKFLOW_TASK_STATUSES,
  type WorkflowStatus,
  type WorkflowTaskStatus,
  type WorkflowTaskView,
} from '#libs/contracts/workflow-queries.js';

type Judged = Pick<WorkflowTaskView, 'name' | 'needs' | 'status'>;

/**
 * How a workflow stands, from its tasks. A task that has failed makes it fail, unless every task that needs it is told to pass over
 * that (`skip`, `continue`) and there is one; the same for tasks that somebody cancelled.
 */
export const workflowStatus = (tasks: readonly Judged[]): WorkflowStatus => {
  const is = (...statuses: readonly WorkflowTaskStatus[]): boolean =>
    tasks.some(({ status }) => statuses.includes(status));
  if (is('queued', 'running', 'waiting'))
    return tasks.every(({ status }) => status === 'queued') ? 'queued' : 'running';
  const edges = tasks.flatMap(({ needs }) => needs);
  const needed = new Set(edges.map(({ task }) => task));
  const minded = new Set(edges.flatMap((edge) => (edge.on_failure === 'fail' ? edge.task : [])));
  const counts = tasks.filter(({ name }) => !needed.has(name) || minded.has(name));
  if (counts.some(({ status }) => status === 'failed')) return 'failed';
  return counts.some(({ status }) => status === 'cancelled') ? 'cancelled' : 'completed';
};

export const countByStatus = (
  tasks: readonly Pick<Judged, 'status'>[],
): Readonly<Record<WorkflowTaskStatus, number>> => {
  const counts = Object.fromEntries(WORKFLOW_TASK_STATUSES.map((status) => [status, 0])) as Record<
    WorkflowTaskStatus,
    number
  >;
  for (const { status } of tasks) counts[status] += 1;
  return counts;
};
