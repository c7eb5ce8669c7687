import type { StepFailure, StepSuccess } from '#libs/domain/task/events.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import type { StoppedAttempt } from '#libs/domain/task/stopped-attempt.js';
import type { ModelUsage } from '#libs/domain/usage.js';
import { itemAttemptOver } from './item-view.projection.js';
import { json, withStep, type AttemptState, type ItemState, type TaskDoc } from './task-doc.js';

/** How attempts end, and what that makes of their steps. */

/** Changes an attempt that runs; one that has ended stays as it ended. */
const withAttempt = (
  doc: TaskDoc,
  which: { readonly stepId: string; readonly attempt: number },
  change: Partial<AttemptState>,
): TaskDoc => ({
  ...doc,
  attempts: doc.attempts.map((attempt) => (isRunning(attempt, which) ? { ...attempt, ...change } : attempt)),
});

const isRunning = (
  { stepId, attempt, outcome }: AttemptState,
  which: { readonly stepId: string; readonly attempt: number },
): boolean => stepId === which.stepId && attempt === which.attempt && outcome === 'running';

/** An attempt is over: its step is as it says, or the item that it was made for. What does not run was over before. */
const over = (
  doc: TaskDoc,
  which: { readonly stepId: string; readonly attempt: number },
  attempt: Partial<AttemptState>,
  change: Pick<ItemState, 'status'> & Partial<Pick<ItemState, 'output' | 'error' | 'endedAt'>>,
  usage?: ModelUsage,
): TaskDoc => {
  const item = itemRefOf(which.stepId);
  if (item && !doc.attempts.some((one) => isRunning(one, which))) return doc;
  const after = withAttempt(doc, which, attempt);
  if (item) return itemAttemptOver(after, item, change, usage);
  const { status, output } = change;
  return withStep(after, which.stepId, { status, ...(output === undefined ? {} : { output }) });
};

export const succeeded = (doc: TaskDoc, step: StepSuccess): TaskDoc => {
  const { startedAt, endedAt, usage } = step;
  return over(
    doc,
    step,
    { outcome: 'completed', startedAt, endedAt, usage: usage ? json(usage) : null },
    { status: 'completed', output: json(step.output ?? null), endedAt },
    usage,
  );
};

export const failed = (doc: TaskDoc, step: StepFailure, status: 'failed' | 'pending' = 'failed'): TaskDoc => {
  const { endedAt } = step;
  const error = json(step.failure);
  return over(
    doc,
    step,
    { outcome: 'failed', startedAt: step.startedAt ?? null, endedAt, error },
    { status, error, ...(status === 'failed' ? { endedAt } : {}) },
  );
};

/** With an item its step has failed. */
export const blamed = (doc: TaskDoc, step: StepFailure): TaskDoc => {
  const item = itemRefOf(step.stepId);
  return item ? withStep(failed(doc, step), item.of, { status: 'failed' }) : failed(doc, step);
};

export const stopped = (doc: TaskDoc, attempts: readonly StoppedAttempt[], at: string): TaskDoc =>
  attempts.reduce(
    (before, attempt) =>
      over(before, attempt, { outcome: 'cancelled', endedAt: at }, { status: 'cancelled', endedAt: at }),
    doc,
  );
