import type { TaskId } from '#libs/domain/ids.js';
import type { TaskMoved } from '#libs/domain/task/move-events.js';
import { whyNotQueued, type AuditedTask } from './audited-task.js';
import type { RuleName } from './rules.js';

type Open = ReadonlyMap<TaskId, AuditedTask>;

/** What speaks against a task being moved; null where nothing does. */
export const moveProblem = (
  task: AuditedTask,
  event: TaskMoved,
  open: Open,
): readonly [RuleName, string] | null => {
  const problem = whyNotQueued(task, event.at) ?? referenceProblem(task, event, open);
  return problem === null ? null : ['MOVED_WRONGLY', `task ${event.taskId} was moved though ${problem}`];
};

const referenceProblem = (
  task: AuditedTask,
  { taskId, to, at: when }: TaskMoved,
  open: Open,
): string | null => {
  if (!('taskId' in to)) return null;
  const other = open.get(to.taskId);
  if (other === undefined) return `${to.taskId}, ${to.kind} which it was put, was not open`;
  if (to.taskId === taskId) return `the place was ${to.kind} itself`;
  if (other.workspace !== task.workspace) return `${to.taskId} is of workspace ${other.workspace}`;
  const problem = whyNotQueued(other, when);
  return problem === null ? null : `of ${to.taskId}, ${to.kind} which it was put, ${problem}`;
};
