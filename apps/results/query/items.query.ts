import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type { ItemPage, ItemsRequest, ItemView } from '#libs/contracts/queries.js';
import type { Failure } from '#libs/domain/errors.js';
import { Task, TaskItem, TaskStep, type TaskItemRow } from '../database/entities.js';
import type { Included } from '../follow/checkpoint.js';
import { NotServingError } from '../read-gate.js';
import { decodeCursor, encodeCursor } from './cursor.js';
import { bytesOf, REPLY_MAX_BYTES } from './fit.js';
import { QueryFailure } from './query-failure.js';

/** Room for the counts and the cursor beside the items. */
const AROUND_BYTES = 1024;

/** Rows read at once: each may hold as much as an event does. */
const READ_AT_ONCE = 25;

/**
 * Items of a step that were begun, in their order. A cursor is a place in the list, so what ends while somebody turns pages is neither
 * repeated nor passed over.
 */
export const itemPage = async (
  em: SqlEntityManager,
  { taskId, stepId, status, page }: ItemsRequest,
  included: Included,
): Promise<ItemPage> => {
  const task = await em.findOne(
    Task,
    { id: taskId },
    { fields: ['seq', 'endedAt'], disableIdentityMap: true },
  );
  if (!task) throw new QueryFailure('TASK_UNKNOWN', `There is no task '${taskId}'.`, { taskId });
  const step = await stepOf(em, task.seq, taskId, stepId);
  const isOver = task.endedAt !== null;
  const counts = JSON.parse(step.items ?? 'null') as ItemPage['counts'] | null;
  let from = page.after === undefined ? 0 : placeOf(page.after, included);
  const views: ItemView[] = [];
  let bytes = AROUND_BYTES;
  for (;;) {
    const limit = Math.min(READ_AT_ONCE, page.size + 1 - views.length);
    const rows = await em.find(
      TaskItem,
      {
        taskSeq: task.seq,
        position: step.position,
        itemIndex: { $gte: from },
        ...(status === undefined ? {} : { status: { $in: storedAs(status, isOver) } }),
      },
      { orderBy: { itemIndex: 'asc' }, limit, disableIdentityMap: true },
    );
    for (const row of rows) {
      const view = viewOf(row, isOver);
      bytes += bytesOf(view) + 1;
      if (views.length === page.size || (bytes > REPLY_MAX_BYTES && views.length > 0))
        return pageOf(views, counts, encodeCursor(row.itemIndex, included.genesisId));
      views.push(view);
    }
    from = (views.at(-1)?.index ?? 0) + 1;
    if (rows.length < limit) return pageOf(views, counts, null);
  }
};

const pageOf = (
  items: readonly ItemView[],
  counts: ItemPage['counts'] | null,
  next: string | null,
): ItemPage => {
  const { total, completed, failed, running } = counts ?? { total: 0, completed: 0, failed: 0, running: 0 };
  return { counts: { total, completed, failed, running }, items, next };
};

const stepOf = async (em: SqlEntityManager, taskSeq: number, taskId: string, stepId: string) => {
  const steps = await em.find(
    TaskStep,
    { taskSeq },
    { fields: ['position', 'stepId', 'items'], orderBy: { position: 'asc' }, disableIdentityMap: true },
  );
  const step = steps.find((one) => one.stepId === stepId);
  if (step) return step;
  const accepted = steps.map((one) => one.stepId).join(', ');
  throw new QueryFailure(
    'VALIDATION_FAILED',
    `Task ${taskId} has no step '${stepId}'; accepted: ${accepted}.`,
    {
      parameter: 'step',
      value: stepId,
      accepted,
    },
  );
};

const placeOf = (cursor: string, included: Included): number => {
  if (included.seq === 0) throw new NotServingError('nothing of the log is included yet; ask again');
  return decodeCursor(cursor, 'after', included.genesisId);
};

/** What had not run to its end when its task ended was cancelled with it. */
const statusOf = (stored: string, isOver: boolean): ItemView['status'] =>
  isOver && (stored === 'pending' || stored === 'running') ? 'cancelled' : (stored as ItemView['status']);

const storedAs = (status: ItemView['status'], isOver: boolean): ItemView['status'][] => {
  const stored = ['pending', 'running', 'completed', 'failed', 'cancelled'] as const;
  return stored.filter((one) => statusOf(one, isOver) === status);
};

const viewOf = (row: TaskItemRow, isOver: boolean): ItemView => ({
  index: row.itemIndex,
  status: statusOf(row.status, isOver),
  attempts: row.attempts,
  output: row.output ? (JSON.parse(row.output) as unknown) : null,
  error: row.error ? (JSON.parse(row.error) as Failure) : null,
  started_at: row.startedAt ?? null,
  ended_at: row.endedAt ?? null,
});
