import type { StepId, TaskId } from '../ids.js';
import { isPluginType } from '../plugin-type.js';
import { needsMet } from '../task/needs.js';
import { hasBegun } from '../task/begun.js';
import type { Requirement } from '../task/requirement.js';
import type { StartPromise } from '../task/start-promise.js';
import type { TaskSubmitted } from '../task/events.js';
import type { TaskBook } from '../task/task-book.js';
import { type OpenTask } from '../task/task.js';
import { isKept } from '../task/progress.js';
import { msOf, rfc3339Of } from '../time.js';
import type { WaitBounds } from './wait-bounds.js';

/** By when the steps of a submission that run first start at the latest; null where they wait for something else than a slot, or may not run, or it is not known how often. */
export const promiseFor = (
  submission: Omit<TaskSubmitted, 'type'>,
  book: TaskBook,
  bounds: WaitBounds,
): StartPromise | null => {
  if (
    submission.runAt !== undefined ||
    submission.dependsOn.some((id) => book.closed.get(id) !== 'completed')
  )
    return null;
  const { taskId, priority, steps } = submission;
  const kept = new Set(submission.kept?.map(({ stepId }) => stepId));
  return promiseOf(
    { taskId, priority, steps, kept, readyAtMs: msOf(submission.submittedAt) },
    { book, bounds },
  );
};

/** The same of a task that is queued once more behind all others; null also where something of it has started. */
export const promiseAgain = (
  task: OpenTask,
  nowMs: number,
  book: TaskBook,
  bounds: WaitBounds,
): StartPromise | null => {
  const runAtMs = task.runAt === null ? 0 : msOf(task.runAt);
  if (hasBegun(task) || runAtMs > nowMs || !needsMet(task, book.closed)) return null;
  const kept = new Set(task.steps.filter(({ progress }) => isKept(progress)).map(({ spec }) => spec.id));
  const steps = task.steps.map(({ spec }) => spec);
  const { id: taskId, priority } = task;
  return promiseOf({ taskId, priority, steps, kept, readyAtMs: nowMs }, { book, bounds });
};

type Asking = {
  readonly taskId: TaskId;
  readonly priority: number;
  readonly steps: TaskSubmitted['steps'];
  readonly kept: ReadonlySet<StepId>;
  readonly readyAtMs: number;
};
type Given = { readonly book: TaskBook; readonly bounds: WaitBounds };

const promiseOf = ({ steps, kept, ...asking }: Asking, { book, bounds }: Given): StartPromise | null => {
  const boundOf = (requirement: Requirement) => bounds.promise({ ...asking, requirement }, book.policy);
  const begins = steps.filter(
    ({ id, needs, atEnd }) => !atEnd && !kept.has(id) && needs.every((need) => kept.has(need)),
  );
  if (begins.some(({ conditional, forEach, waits }) => conditional || forEach || waits)) return null;
  // Whether there is a worker is up to people.
  if (begins.some(({ stepType }) => isPluginType(stepType))) return null;
  const first = begins
    .map(({ requirement }) => boundOf(requirement))
    .toSorted((a, b) => b.startByMs - a.startByMs)[0];
  if (first === undefined) return null;
  const { startByMs, allowanceMs, aheadMs, attemptMs, swapMs } = first;
  return {
    startBy: rfc3339Of(Math.ceil(startByMs)),
    allowanceMs,
    aheadMs: Math.ceil(aheadMs),
    attemptMs: Math.ceil(attemptMs),
    swapMs: Math.ceil(swapMs),
  };
};
