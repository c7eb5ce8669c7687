import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { TaskStatus } from '#libs/contracts/queries.js';
import type { AttemptState, ItemsState, StepState, TaskDoc } from '../task-doc.js';
import { groupBy } from '../group-by.js';
import { Attempt, Task, TaskStep, type AttemptRow, type TaskStepRow } from './entities.js';

/** Ids in one query; a batch is no longer. */
const IDS_MAX = 500;

/** The tasks with these ids as the projection has to know them: small, without outputs and ended attempts. */
export const readTaskDocs = async (em: SqlEntityManager, ids: readonly string[]): Promise<TaskDoc[]> => {
  const docs: TaskDoc[] = [];
  for (let from = 0; from < ids.length; from += IDS_MAX) {
    docs.push(...(await readSome(em, ids.slice(from, from + IDS_MAX))));
  }
  return docs;
};

const readSome = async (em: SqlEntityManager, ids: readonly string[]): Promise<TaskDoc[]> => {
  const tasks = await em.find(
    Task,
    { id: { $in: [...ids] } },
    { fields: TASK_FIELDS, disableIdentityMap: true },
  );
  if (tasks.length === 0) return [];
  const taskSeq = { $in: tasks.map(({ seq }) => seq) };
  const steps = await em.find(
    TaskStep,
    { taskSeq },
    { fields: STEP_FIELDS, orderBy: { taskSeq: 'asc', position: 'asc' }, disableIdentityMap: true },
  );
  const running = await em.find(
    Attempt,
    { taskSeq, outcome: 'running' },
    { orderBy: { seq: 'asc' }, disableIdentityMap: true },
  );
  const stepsOf = groupBy(steps, (step) => step.taskSeq);
  const runningOf = groupBy(running, (attempt) => attempt.taskSeq);
  return tasks.map((task) => ({
    seq: task.seq,
    id: task.id,
    workspace: task.workspace,
    templateName: task.templateName,
    state: {
      status: task.status as TaskStatus,
      priority: task.priority,
      startedAt: task.startedAt ?? null,
      endedAt: task.endedAt ?? null,
      cancelRequestedAt: task.cancelRequestedAt ?? null,
      moved: task.moved ?? null,
      finishing: task.finishing ?? null,
      result: null,
      error: null,
      lastSeq: task.lastSeq,
    },
    steps: (stepsOf.get(task.seq) ?? []).map(stepOf),
    attempts: (runningOf.get(task.seq) ?? []).map(attemptOf),
    items: [],
  }));
};

const TASK_FIELDS = [
  'seq',
  'id',
  'workspace',
  'templateName',
  'status',
  'priority',
  'startedAt',
  'endedAt',
  'cancelRequestedAt',
  'moved',
  'finishing',
  'lastSeq',
] as const;
const STEP_FIELDS = ['taskSeq', 'position', 'stepId', 'status', 'items', 'waiting', 'atEnd'] as const;

const stepOf = (
  row: Pick<TaskStepRow, 'position' | 'stepId' | 'status' | 'items' | 'waiting' | 'atEnd'>,
): StepState => ({
  position: row.position,
  stepId: row.stepId,
  status: row.status as StepState['status'],
  output: null,
  items: row.items ? (JSON.parse(row.items) as ItemsState) : null,
  waiting: row.waiting ?? null,
  atEnd: row.atEnd ?? null,
});

const attemptOf = (row: AttemptRow): AttemptState => ({
  seq: row.seq,
  stepId: row.stepId,
  attempt: row.attempt,
  serverId: row.serverId,
  leaseId: row.leaseId,
  model: row.model ?? null,
  dispatchedAt: row.dispatchedAt,
  startedAt: row.startedAt ?? null,
  endedAt: row.endedAt ?? null,
  outcome: row.outcome as AttemptState['outcome'],
  error: row.error ?? null,
  usage: row.usage ?? null,
});
