import type { StartPromise } from '../task/start-promise.js';
import type { TaskSubmitted } from '../task/events.js';
import type { TaskBook } from '../task/task-book.js';
import { msOf, rfc3339Of } from '../time.js';
import type { WaitBounds } from './wait-bounds.js';

/** By when the steps of a submission that run first start at the latest; null where they wait for something else than a slot, or may not run. */
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
  const readyAtMs = msOf(submission.submittedAt);
  const kept = new Set(submission.kept?.map(({ stepId }) => stepId));
  const steps = submission.steps.filter(
    ({ id, needs }) => !kept.has(id) && needs.every((need) => kept.has(need)),
  );
  if (steps.some(({ conditional }) => conditional)) return null;
  const first = steps
    .map(({ requirement }) => bounds.promise(requirement, submission.priority, readyAtMs, book.policy))
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
