import type { SqlEntityManager } from '@mikro-orm/sqlite';
import type {
  AttemptView,
  LastError,
  FinishingView,
  MovedView,
  ResourceUsage,
  StepView,
  TaskStatus,
  TaskView,
  WaitingView,
} from '#libs/contracts/queries.js';
import type { Failure } from '#libs/domain/errors.js';
import type { ModelUsage } from '#libs/domain/usage.js';
import {
  Attempt,
  Task,
  TaskStep,
  type AttemptRow,
  type TaskRow,
  type TaskStepRow,
} from '../database/entities.js';
import { groupBy } from '../group-by.js';
import type { ItemsState } from '../task-doc.js';
import { mergedUsage, NO_USAGE, withModel, withUsage } from '../usage-sum.js';

/** The tasks at these sequences, in the order given, as a person sees them. */
export const readTaskViews = async (em: SqlEntityManager, seqs: readonly number[]): Promise<TaskView[]> => {
  if (seqs.length === 0) return [];
  const tasks = await em.find(Task, { seq: { $in: [...seqs] } }, { disableIdentityMap: true });
  const taskSeq = { $in: [...seqs] };
  const steps = await em.find(
    TaskStep,
    { taskSeq },
    { orderBy: { taskSeq: 'asc', position: 'asc' }, disableIdentityMap: true },
  );
  // Those of items are as many as the list is long.
  const attempts = await em.find(
    Attempt,
    { taskSeq, $not: { stepId: { $like: '%[%' } } },
    { orderBy: { seq: 'asc' }, disableIdentityMap: true },
  );
  const vramBytes = await readVramBytes(em, attempts);
  const failedItems = await readFailedItems(em, steps);
  const stepsOf = groupBy(steps, (step) => step.taskSeq);
  const attemptsOf = groupBy(attempts, (attempt) => attempt.taskSeq);
  const views = new Map(
    tasks.map((task) => [
      task.seq,
      {
        ...viewOf(task, stepsOf.get(task.seq) ?? [], attemptsOf.get(task.seq) ?? [], vramBytes),
        last_error: lastErrorOf(task, [
          ...(attemptsOf.get(task.seq) ?? []),
          ...(failedItems.get(task.seq) ?? []),
        ]),
      },
    ]),
  );
  return seqs.flatMap((seq) => views.get(seq) ?? []);
};

/** The latest failed attempt of an item, for each task with items. */
const readFailedItems = async (
  em: SqlEntityManager,
  steps: readonly TaskStepRow[],
): Promise<ReadonlyMap<number, readonly AttemptRow[]>> => {
  const failed = new Map<number, readonly AttemptRow[]>();
  for (const { taskSeq, items } of steps) {
    if (!items || failed.has(taskSeq)) continue;
    const which = { taskSeq, outcome: 'failed', stepId: { $like: '%[%' } };
    failed.set(
      taskSeq,
      await em.find(Attempt, which, { orderBy: { seq: 'desc' }, limit: 1, disableIdentityMap: true }),
    );
  }
  return failed;
};

/** What the models of attempts took, by lease, as the allocator saw it: for attempts that did not say so themselves. */
const readVramBytes = async (
  em: SqlEntityManager,
  attempts: readonly AttemptRow[],
): Promise<ReadonlyMap<string, number>> => {
  const leases = attempts.filter(({ model, usage }) => model !== null && !usage?.includes('"vramBytes"'));
  if (leases.length === 0) return new Map();
  const rows = await em.execute<{ lease_id: string; vram_bytes: number | string }[]>(
    `select l.lease_id, r.vram_bytes from lease l join residency r on r.residency_id = l.residency_id
     where r.vram_bytes is not null and l.lease_id in (${leases.map(() => '?').join(', ')})`,
    leases.map(({ leaseId }) => leaseId),
  );
  return new Map(rows.map((row) => [row.lease_id, Number(row.vram_bytes)]));
};

const viewOf = (
  task: TaskRow,
  steps: readonly TaskStepRow[],
  attempts: readonly AttemptRow[],
  vramBytes: ReadonlyMap<string, number>,
): TaskView => ({
  id: task.id,
  workspace: task.workspace,
  status: task.status as TaskStatus,
  priority: task.priority,
  template: { name: task.templateName, version: task.templateVersion },
  parameters: parsed<TaskView['parameters']>(task.parameters),
  depends_on: parsed<readonly string[]>(task.dependsOn),
  workflow_id: task.workflowId ?? null,
  labels: parsed<TaskView['labels']>(task.labels),
  created_at: task.createdAt,
  run_at: task.runAt ?? null,
  deadline_at: task.deadlineAt ?? null,
  queue_ttl_ms: task.queueTtlMs ?? null,
  rerun_of: task.rerunOf ?? null,
  parent:
    task.parentTaskId && task.parentStepId
      ? { task_id: task.parentTaskId, step_id: task.parentStepId }
      : null,
  started_at: task.startedAt ?? null,
  ended_at: task.endedAt ?? null,
  cancel_requested_at: task.cancelRequestedAt ?? null,
  moved: parsedOrNull<MovedView>(task.moved),
  finishing: parsedOrNull<FinishingView>(task.finishing),
  result: parsedOrNull(task.result),
  error: parsedOrNull<Failure>(task.error),
  last_error: null,
  steps: steps.map(stepView),
  attempts: attempts.map(attemptView),
  resource_usage: usageOf(steps, attempts, vramBytes),
  last_seq: task.lastSeq,
});

/** The failure of a task stands in its last attempt too, where one was to blame; that of its end names the step. */
const lastErrorOf = (task: TaskRow, attempts: readonly AttemptRow[]): LastError | null => {
  const failure = parsedOrNull<Failure>(task.error);
  const blamed = attempts
    .toSorted((a, b) => a.seq - b.seq)
    .findLast(
      ({ error, stepId }) =>
        error !== null && ((task.error ?? error) === error || failure?.details?.['stepId'] === stepId),
    );
  const told = failure ?? parsedOrNull<Failure>(blamed?.error);
  if (told === null) return null;
  const { code, message } = told;
  return {
    code,
    message,
    step_id: blamed?.stepId ?? null,
    attempt: blamed?.attempt ?? null,
    server_id: blamed?.serverId ?? null,
    at: blamed?.endedAt ?? task.endedAt ?? null,
  };
};

const stepView = (step: TaskStepRow): StepView => ({
  id: step.stepId,
  type: step.stepType,
  needs: parsed<readonly string[]>(step.needs),
  status: step.status as StepView['status'],
  output: parsedOrNull(step.output),
  items: countsOf(parsedOrNull<ItemsState>(step.items)),
  waiting: parsedOrNull<WaitingView>(step.waiting),
  finally: (step.atEnd ?? null) !== null,
  error: parsedOrNull<Pick<StepView, 'error'>>(step.atEnd)?.error ?? null,
});

const countsOf = (items: ItemsState | null): StepView['items'] => {
  if (items === null) return null;
  const { total, completed, failed, running } = items;
  return { total, completed, failed, running };
};

const attemptView = (attempt: AttemptRow): AttemptView => ({
  step_id: attempt.stepId,
  attempt: attempt.attempt,
  server_id: attempt.serverId,
  lease_id: attempt.leaseId,
  dispatched_at: attempt.dispatchedAt,
  started_at: attempt.startedAt ?? null,
  ended_at: attempt.endedAt ?? null,
  outcome: attempt.outcome as AttemptView['outcome'],
  error: parsedOrNull<Failure>(attempt.error),
  usage: parsedOrNull<ModelUsage>(attempt.usage),
});

const usageOf = (
  steps: readonly TaskStepRow[],
  attempts: readonly AttemptRow[],
  vramBytes: ReadonlyMap<string, number>,
): ResourceUsage => {
  let sum = NO_USAGE;
  for (const attempt of attempts) {
    const usage = parsedOrNull<ModelUsage>(attempt.usage);
    const bytes = usage?.vramBytes ?? vramBytes.get(attempt.leaseId);
    sum = withModel(usage ? withUsage(sum, usage) : sum, usage ? null : attempt.model);
    if (bytes !== undefined) sum = { ...sum, vram_bytes_max: Math.max(sum.vram_bytes_max ?? 0, bytes) };
  }
  for (const { items } of steps) {
    const usage = parsedOrNull<ItemsState>(items)?.usage;
    if (usage) sum = mergedUsage(sum, usage);
  }
  return sum;
};

const parsed = <T>(json: string): T => JSON.parse(json) as T;
const parsedOrNull = <T = unknown>(json: string | null | undefined): T | null =>
  json === null || json === undefined ? null : (JSON.parse(json) as T);
