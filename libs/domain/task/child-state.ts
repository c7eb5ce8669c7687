import type { TaskId } from '../ids.js';
import type { ChildEnd, ParentPart } from './child-part.js';
import type { TaskEvent } from './events.js';
import { activeSteps, waitingIn, withProgress, type OpenTask } from './task.js';

/** A child has ended: the step that waits for it knows how. Copies; what does not wait for it stays as it is. */
export const withChildEnded = (parent: OpenTask, part: ParentPart, event: TaskEvent): OpenTask => {
  const waiting = waitingIn(parent, part.stepId);
  const ended = childEndIn(event);
  if (ended === null || waiting?.waiting.kind !== 'task') return parent;
  if (waiting.waiting.childTaskId !== event.taskId) return parent;
  return withProgress(parent, part.stepId, { ...waiting, ended });
};

const childEndIn = (event: TaskEvent): ChildEnd | null => {
  switch (event.type) {
    case 'task.completed':
      return { status: 'completed', result: event.result, at: event.at };
    case 'task.failed':
      return { status: 'failed', failure: event.failure, at: event.at };
    case 'task.cancelled':
      return { status: 'cancelled', reason: event.reason, at: event.at };
    default:
      return null;
  }
};

/** Children of a task that have not ended. */
export const openChildren = (task: OpenTask): readonly TaskId[] =>
  task.steps.flatMap(({ progress }) =>
    progress.status === 'waiting' && progress.waiting.kind === 'task' && progress.ended === undefined
      ? progress.waiting.childTaskId
      : [],
  );

/** What has to stop before the task can end: attempts that hold a lease, and children. */
export const underWay = (task: OpenTask): number => activeSteps(task).length + openChildren(task).length;
