import { openChildren } from '#libs/domain/task/child-state.js';
import { beginChild, decideChild, stopChildren, type WantedChild } from '#libs/domain/task/child-tasks.js';
import type { Progress } from '#libs/domain/task/progress.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { OpenTask, Step } from '#libs/domain/task/task.js';
import { TEMPLATE } from './builders.js';
import { CHILD_STEPS, childIdOf, DEEP_STEPS } from './task-actions.js';

/** The attempt that is due, or the one that was made last. */
export const attemptDue = (progress: Progress | undefined): number => {
  if (progress === undefined) return 1;
  if (progress.status === 'skipped' || progress.status === 'waiting' || progress.status === 'each') return 1;
  return progress.status === 'pending' ? progress.attempts + 1 : progress.attempt;
};

/** Children of what somebody submitted have a child of their own, and that has a step at its end. */
const wantedChild = (task: OpenTask, { spec, progress }: Step, at: string): WantedChild => {
  const attempt = attemptDue(progress);
  const steps = task.parent === undefined ? CHILD_STEPS : DEEP_STEPS;
  const planned = { ok: true, template: TEMPLATE, parameters: {}, steps } as const;
  return {
    step: spec,
    attempt,
    childTaskId: childIdOf(task.id, spec.id, attempt),
    planned,
    priority: null,
    at,
  };
};

type World = { readonly book: TaskBook; append(events: readonly TaskEvent[]): void };

/** As the scheduler does at once: what is not wanted any more is stopped, and what has ended is taken over. */
export const decideChildrenOf = (world: World, taskId: string, at: string): void => {
  const parent = world.book.open.get(taskId);
  if (parent) world.append(stopChildren(parent, world.book, at));
  const task = world.book.open.get(taskId);
  const result = () => ({ ok: true, result: { result: taskId } }) as const;
  if (task) world.append(decideChild(task, { at, random: 0.5, result }));
};

/** As the scheduler does at once for a step whose turn has come. */
export const beginChildOf = (
  world: World,
  task: OpenTask,
  step: Step,
  { at, openTasksMax }: { readonly at: string; readonly openTasksMax: number },
): void => world.append(beginChild(task, wantedChild(task, step, at), world.book, { openTasksMax }));

export const childrenOf = (book: TaskBook, taskId: string): readonly string[] => {
  const task = book.open.get(taskId);
  return task === undefined ? [] : openChildren(task);
};
