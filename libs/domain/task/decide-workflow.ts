import type { WorkflowId } from '../ids.js';
import { cancelTask, isRefused, refuse, repeatOf, unknownTemplate, type Refused } from './decide.js';
import type { TaskEvent, TaskSubmitted } from './events.js';
import { withPinnedChildren } from './child-versions.js';
import type { WorkflowSubmitted, WorkflowTask } from './scheduler-events.js';
import type { TaskBook } from './task-book.js';

export type WorkflowOutcome =
  | readonly (TaskEvent | WorkflowSubmitted)[]
  | Refused
  | { readonly repeatedOf: WorkflowId };

/** Accepts a workflow with all of its tasks, or refuses it. Repeated, it finds the first, as a single task does. */
export const submitWorkflow = (
  submission: Omit<WorkflowSubmitted, 'type'>,
  book: TaskBook,
  limits: { readonly openTasksMax: number },
): WorkflowOutcome => {
  const { workflowId, tasks } = submission;
  if (book.workflows.has(workflowId)) return { repeatedOf: workflowId };
  const repeated = repeatOf(submission, book);
  if (repeated) return repeated;
  for (const { template } of tasks) {
    const unknown = unknownTemplate(template, book);
    if (unknown) return unknown;
  }
  const room = limits.openTasksMax - book.open.size;
  if (tasks.length > room) {
    return refuse(
      'QUEUE_FULL',
      `The workflow has ${tasks.length} tasks, ${book.open.size} are open, and ${limits.openTasksMax} are allowed; wait until some have ended.`,
    );
  }
  const pinned: WorkflowTask[] = [];
  for (const task of tasks) {
    const children = withPinnedChildren(task.steps, book);
    if ('refused' in children) return children;
    pinned.push({ ...task, ...children });
  }
  const workflow: WorkflowSubmitted = { type: 'workflow.submitted', ...submission, tasks: pinned };
  return outOfOrder(workflow, book) ?? [workflow, ...submissionsOf(workflow)];
};

/** The submissions that follow from an accepted workflow, from the task at this place on. */
export const submissionsOf = (workflow: WorkflowSubmitted, from = 0): readonly TaskSubmitted[] => {
  const { workflowId, workspace, submittedAt } = workflow;
  return workflow.tasks.slice(from).map(({ task, taskId, needs, uses, ...facts }) => ({
    type: 'task.submitted',
    taskId,
    workspace,
    ...facts,
    dependsOn: needs.map((need) => need.taskId),
    submittedAt,
    workflow: { workflowId, task, needs, uses },
  }));
};

/** Who made the command has put the tasks in order and given each an id of its own. Nothing may be open for ever where that is not so. */
const outOfOrder = ({ tasks }: WorkflowSubmitted, book: TaskBook): Refused | null => {
  const before = new Set<string>();
  for (const { task, taskId, needs, uses } of tasks) {
    const late = [...needs, ...uses].find((other) => !before.has(other.taskId));
    if (late)
      return refuse('WORKFLOW_INVALID', `Task '${task}' comes before '${late.task}', which it needs.`);
    if (before.has(taskId) || book.open.has(taskId) || book.closed.has(taskId))
      return refuse('TASK_EXISTS', `Task '${task}' has the id ${taskId}, which another task has.`);
    before.add(taskId);
  }
  return tasks.length === 0 ? refuse('WORKFLOW_INVALID', 'The workflow has no tasks.') : null;
};

/**
 * Cancels all that is open, the last in order first: what waits for a cancelled task is then over already and does not
 * count as failed. A task that is being stopped is not asked again.
 */
export const cancelWorkflow = (
  workflowId: WorkflowId,
  reason: string,
  book: TaskBook,
  at: string,
): readonly TaskEvent[] | Refused => {
  const workflow = book.workflows.get(workflowId);
  if (workflow === undefined) return refuse('WORKFLOW_UNKNOWN', `There is no workflow '${workflowId}'.`);
  if (workflow === null)
    return refuse(
      'WORKFLOW_ALREADY_OVER',
      `All tasks of workflow ${workflowId} have ended; there is nothing left to cancel.`,
    );
  return workflow.taskIds
    .filter((taskId) => book.open.has(taskId))
    .toReversed()
    .flatMap((taskId) => {
      const decision = cancelTask(taskId, reason, book, at);
      return isRefused(decision) ? [] : decision;
    });
};
