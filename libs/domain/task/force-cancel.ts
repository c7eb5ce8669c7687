import type { TaskId } from '../ids.js';
import { underWay } from './child-state.js';
import { cancelTask, notOpen, type Decision } from './decide.js';
import { cutShort, endLimitMs, endTask, isFinishing } from './finish.js';
import type { TaskBook } from './task-book.js';

/** Cancels a task together with the steps at its end: those do not begin, or are stopped. Without any it is a cancel like others. */
export const forceCancel = (taskId: TaskId, reason: string, book: TaskBook, at: string): Decision => {
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'there is nothing left to cancel');
  if (endLimitMs(task) === null) return cancelTask(taskId, reason, book, at);
  if (underWay(task) > 0)
    return task.ending?.force ? [] : [{ type: 'task.cancel-requested', taskId, reason, force: true, at }];
  return isFinishing(task)
    ? cutShort(task, { kind: 'cancelled', reason }, [], at)
    : endTask(task, { status: 'cancelled', reason, stopped: [] }, at, true);
};
