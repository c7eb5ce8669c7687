import type { TaskCancelled, TaskCompleted, TaskFailed, TaskFinishing } from '#libs/domain/task/events.js';
import type { AuditedStep, AuditedTask } from './audited-task.js';
import type { RuleName } from './rules.js';

export type TaskOver = TaskCompleted | TaskFailed | TaskCancelled;

/** What speaks against a task coming to its end now, where the steps that run there begin; null where nothing does. */
export const finishingProblem = (task: AuditedTask, { end: { status } }: TaskFinishing): string | null => {
  const steps = [...task.steps];
  if (!hasStepsAtEnd(task)) return 'has no steps that run then';
  if (task.finishing !== null) return 'had come there before';
  const left = steps.filter(([, step]) => !step.atEnd && isLeft(step, status)).map(([id]) => id);
  if (left.length > 0) return `had not ended with ${left.join(', ')}`;
  return status === 'completed' || hasBegun(task) ? null : 'had not begun';
};

/** Of a task that is complete, all are over; of another one, none runs. */
const isLeft = ({ over, current }: AuditedStep, status: string): boolean =>
  current !== null || (status === 'completed' && over === null);

/** What speaks against this end of a task with steps that run at its end; null where nothing does. */
export const endProblem = (task: AuditedTask, event: TaskOver): string | null => {
  if (!hasStepsAtEnd(task)) return null;
  const cut = event.type === 'task.completed' ? undefined : event.cut;
  if (task.finishing === null)
    return event.type !== 'task.completed' && (cut === 'forced' || !hasBegun(task))
      ? null
      : 'before the steps at its end had run';
  const { status, untilMs } = task.finishing;
  if (cut === 'time' && Date.parse(event.at) < untilMs) return 'because of a time that was not over';
  const atEnd = [...task.steps].filter(([, step]) => step.atEnd);
  const left = atEnd.filter(([, { over }]) => over === null).map(([id]) => id);
  if (cut === undefined && left.length > 0)
    return `before ${left.join(', ')}, which runs at its end, was over`;
  const hasFailed = atEnd.some(([, step]) => step.hasFailed && !step.isDispensable);
  const changed = cut === 'forced' ? 'cancelled' : hasFailed || cut === 'time' ? 'failed' : 'completed';
  const expected = status === 'completed' ? changed : status;
  return event.type === `task.${expected}` ? null : `though it had come to its end as ${status}`;
};

/** What speaks against a task failing for its time in the queue. */
export const expiryProblem = (
  task: AuditedTask,
  { taskId, at }: TaskFailed,
): readonly [RuleName, string] | null => {
  const begun = hasBegun(task);
  if (!begun && task.expiresAtMs !== null && Date.parse(at) >= task.expiresAtMs) return null;
  const why = begun ? 'though an attempt was made' : 'before its time was over';
  return ['EXPIRED_WRONGLY', `task ${taskId} expired at ${at}, ${why}`];
};

const hasBegun = (task: AuditedTask): boolean =>
  [...task.steps.values()].some(({ attempts }) => attempts > 0);

const hasStepsAtEnd = (task: AuditedTask): boolean => [...task.steps.values()].some(({ atEnd }) => atEnd);
