import type { TaskId, WorkspaceId } from '../ids.js';
import { cancelTask, isRefused } from './decide.js';
import type { TaskEvent } from './events.js';
import type { TaskBook } from './task-book.js';
import { type OpenTask } from './task.js';
import { isKept } from './progress.js';

/** Which open tasks are meant: all of what is given must fit. */
export type TaskChoice = {
  readonly workspace?: WorkspaceId;
  readonly template?: string;
  /** All of these. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Both inclusive. */
  readonly priorityMin?: number;
  readonly priorityMax?: number;
  /** One of these. */
  readonly statuses?: readonly OpenStatus[];
};

export const OPEN_STATUSES = ['queued', 'running'] as const;
export type OpenStatus = (typeof OPEN_STATUSES)[number];

export type TasksCancelled = {
  readonly events: readonly TaskEvent[];
  /** Over at once. */
  readonly cancelled: readonly TaskId[];
  /** Asked to stop; over when their attempts are. */
  readonly stopping: readonly TaskId[];
  /** Whether there are more that fit. */
  readonly more: boolean;
};

/** Cancels what fits, oldest first, each by an event of its own. Those that are ending already, or have come to their end, are left alone and not counted. */
export const cancelTasks = (
  choice: TaskChoice,
  reason: string,
  book: TaskBook,
  given: { readonly at: string; readonly tasksMax: number },
): TasksCancelled => {
  const [cancelled, stopping]: [TaskId[], TaskId[]] = [[], []];
  const events: TaskEvent[] = [];
  for (const task of book.open.values()) {
    if (task.ending !== null || task.finishing || !fits(task, choice)) continue;
    if (events.length >= given.tasksMax) return { events, cancelled, stopping, more: true };
    const decided = cancelTask(task.id, reason, book, given.at);
    if (isRefused(decided)) continue;
    events.push(...decided);
    (decided[0]?.type === 'task.cancelled' ? cancelled : stopping).push(task.id);
  }
  return { events, cancelled, stopping, more: false };
};

/** As clients see it: running while an attempt is under way and once a step has run to its end or its items are known, queued otherwise. */
export const openStatusOf = (task: OpenTask): OpenStatus =>
  task.finishing ||
  task.steps.some(
    ({ progress }) =>
      progress.status === 'active' ||
      progress.status === 'each' ||
      ((progress.status === 'done' || progress.status === 'failed') && !isKept(progress)),
  )
    ? 'running'
    : 'queued';

const fits = (task: OpenTask, choice: TaskChoice): boolean =>
  (choice.workspace ?? task.workspace) === task.workspace &&
  (choice.template ?? task.template.name) === task.template.name &&
  task.priority >= (choice.priorityMin ?? 0) &&
  task.priority <= (choice.priorityMax ?? Number.POSITIVE_INFINITY) &&
  (choice.statuses?.includes(openStatusOf(task)) ?? true) &&
  Object.entries(choice.labels ?? {}).every(
    ([name, value]) => Object.hasOwn(task.labels, name) && task.labels[name] === value,
  );
