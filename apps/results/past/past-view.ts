import { setImmediate } from 'node:timers/promises';
import type { ExplainReply } from '#libs/contracts/explain.js';
import type { TaskId } from '#libs/domain/ids.js';
import { costsOf } from '#libs/domain/policy/costs.js';
import { explainTask, type StepExplanation } from '#libs/domain/policy/explain.js';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import { snapshotOf } from '#libs/domain/policy/snapshot-of.js';
import { predictionRecord } from '#libs/domain/task/prediction-errors.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { PastState } from './past-state.js';

/** Tasks that are put in order before others get a turn: about a millisecond. */
const TURN_TASKS = 100;

/**
 * Why a task was where it was, from the scheduler's view of that moment, by the functions that the scheduler answers with. What the
 * scheduler had in its hands and not yet in the log, such as a load that was asked for, is not there.
 */
export const explainThen = async (
  { book, ledger }: PastState,
  knownBytes: ReadonlyMap<string, number>,
  { taskId, atMs }: { readonly taskId: TaskId; readonly atMs: number },
): Promise<ExplainReply> => {
  const { seq } = book;
  const status = book.closed.get(taskId);
  if (status !== undefined) return { kind: 'over', seq, atMs, status };
  const task = book.open.get(taskId);
  if (task === undefined) return { kind: 'unknown' };
  const index = new TaskIndex(book, costsOf(book.paces, ledger));
  let left = TURN_TASKS;
  for (const id of book.open.keys()) {
    index.refresh(id, atMs);
    left -= 1;
    if (left > 0) continue;
    left = TURN_TASKS;
    await setImmediate();
  }
  // Granted and not dispatched: the scheduler had them in its hands.
  for (const { leases } of ledger.servers.values())
    for (const lease of leases.values())
      if (index.ready.find(lease.taskId, lease.stepId)?.attempt === lease.attempt)
        index.hold(lease.taskId, lease.stepId, atMs);
  const asked = { asked: new Map<string, number>(), loadsAsked: new Set<string>(), knownBytes };
  const snapshot = snapshotOf({ book, index, ledger }, asked, atMs);
  const steps = explainTask(task, { book, index, snapshot, forecast: forecastOf(snapshot) });
  return {
    kind: 'open',
    seq,
    atMs,
    priority: task.priority,
    moved: task.moved,
    steps: steps.map((step) => asPromised(step, task.id, index, atMs)),
    predictions: predictionRecord(book.predictionErrors, atMs),
  };
};

/** A bound that is made now is not the one that was told then: only those that stand in the log are. */
const asPromised = (
  step: StepExplanation,
  taskId: TaskId,
  { bounds }: TaskIndex,
  atMs: number,
): StepExplanation => {
  if (step.state !== 'waiting' || step.bound === undefined) return step;
  if (bounds.boundOf(taskId, step.stepId)?.readyAtMs !== atMs) return step;
  const { bound: _, ...rest } = step;
  return rest;
};
