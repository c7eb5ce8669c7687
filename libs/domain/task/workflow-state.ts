import type { TaskId, WorkflowId } from '../ids.js';
import type { WorkflowSubmitted } from './scheduler-events.js';
import type { WorkflowPart } from './workflow.js';

/** The part of the book that is about workflows. Values are replaced and never changed, as tasks are. */
export type WorkflowState = {
  /** Null: all of its tasks have ended. */
  readonly workflows: Map<WorkflowId, OpenWorkflow | null>;
  /** Results that open tasks of the same workflow read, and of tasks that may have one yet. */
  readonly results: Map<TaskId, KeptResult>;
};

export type OpenWorkflow = {
  readonly taskIds: readonly TaskId[];
  /** Tasks of which the log has the submission. */
  readonly begun: number;
  readonly over: number;
  /** What was accepted, until all of its tasks have begun. */
  readonly accepted?: WorkflowSubmitted;
};

/** `users`: open tasks that read it. `result` is null until the task completes, and for ever where it does not. */
export type KeptResult = { readonly users: number; readonly result: unknown };

export const workflowAccepted = ({ workflows }: WorkflowState, accepted: WorkflowSubmitted): void => {
  const taskIds = accepted.tasks.map(({ taskId }) => taskId);
  workflows.set(accepted.workflowId, { taskIds, begun: 0, over: 0, accepted });
};

export const taskBegan = ({ workflows, results }: WorkflowState, part: WorkflowPart): void => {
  for (const { taskId } of part.uses) {
    const kept = results.get(taskId);
    results.set(taskId, { users: (kept?.users ?? 0) + 1, result: kept?.result ?? null });
  }
  const workflow = workflows.get(part.workflowId);
  if (!workflow) return;
  const { accepted, ...rest } = { ...workflow, begun: workflow.begun + 1 };
  const isWhole = rest.begun === rest.taskIds.length;
  workflows.set(part.workflowId, isWhole || accepted === undefined ? rest : { ...rest, accepted });
};

/** `result` is null unless the task has completed. What nobody is left to read is dropped. */
export const taskEnded = (
  { workflows, results }: WorkflowState,
  taskId: TaskId,
  part: WorkflowPart,
  result: unknown,
): void => {
  const own = results.get(taskId);
  if (own && result !== null) results.set(taskId, { ...own, result });
  for (const used of part.uses) {
    const kept = results.get(used.taskId);
    if (kept === undefined) continue;
    if (kept.users === 1) results.delete(used.taskId);
    else results.set(used.taskId, { ...kept, users: kept.users - 1 });
  }
  const workflow = workflows.get(part.workflowId);
  if (!workflow) return;
  const over = workflow.over + 1;
  workflows.set(part.workflowId, over === workflow.taskIds.length ? null : { ...workflow, over });
};
