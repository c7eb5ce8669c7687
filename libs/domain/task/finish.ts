import type { Failure } from '../errors.js';
import type { TaskId } from '../ids.js';
import { msOf, rfc3339Of } from '../time.js';
import { hasBegun } from './begun.js';
import type { CutShort, LastStep, MainEnd, TaskEvent } from './events.js';
import type { Ending, Finishing } from './finishing-state.js';
import type { ItemsOutput } from './items.js';
import { stepOutcomes, type ResultMaker } from './step-outcomes.js';
import type { StoppedAttempt } from './stopped-attempt.js';
import { activeSteps, type OpenTask, type Step } from './task.js';

/** How long the steps at its end may take together; null for a task without. */
export const endLimitMs = ({ steps }: OpenTask): number | null =>
  steps.find(({ spec }) => spec.atEnd)?.spec.atEnd?.limitMs ?? null;

/**
 * The task is over, or all of its steps but those at its end, which begin then. Where nothing has begun there is nothing to bring to an
 * end; and who forces a cancel waits for none of them.
 */
export const endTask = (
  task: OpenTask,
  end: MainEnd,
  at: string,
  force = task.ending?.force,
): readonly TaskEvent[] => {
  const limitMs = endLimitMs(task);
  if (limitMs === null || (end.status !== 'completed' && !hasBegun(task))) return [over(task.id, end, at)];
  if (force) return [over(task.id, end, at, 'forced')];
  return [{ type: 'task.finishing', taskId: task.id, end, until: rfc3339Of(msOf(at) + limitMs), at }];
};

const over = (taskId: TaskId, end: MainEnd, at: string, cut?: CutShort): TaskEvent => {
  const short = cut === undefined ? {} : { cut };
  switch (end.status) {
    case 'completed': {
      const { last, result } = end;
      if (last === undefined) throw new Error(`task ${taskId} is to be complete without a last step`);
      return { type: 'task.completed', taskId, ...last, result, at };
    }
    case 'failed': {
      const { status: _, ...why } = end;
      return { type: 'task.failed', taskId, ...why, ...short, at };
    }
    case 'cancelled': {
      const { status: _, ...why } = end;
      return { type: 'task.cancelled', taskId, ...why, ...short, at };
    }
  }
};

/** `after`: the task with its last step over. A result that cannot be made is a failure of its own. */
export const completeTask = (
  task: OpenTask,
  last: LastStep,
  after: OpenTask,
  { at, result }: { readonly at: string; readonly result: ResultMaker },
): readonly TaskEvent[] | { readonly unmade: Failure } => {
  if (task.finishing) return [finished(after, task.finishing, last, at)];
  const made = result(stepOutcomes(after));
  return made.ok
    ? endTask(task, { status: 'completed', result: made.result, last }, at)
    : { unmade: made.failure };
};

/** The last of the steps at its end is over: the task ends as it had ended before, unless one of these has failed. */
const finished = (after: OpenTask, { end }: Finishing, last: LastStep, at: string): TaskEvent => {
  const taskId = after.id;
  if (end.status === 'failed')
    return { type: 'task.failed', taskId, failure: end.failure, stopped: [], last, at };
  if (end.status === 'cancelled')
    return { type: 'task.cancelled', taskId, reason: end.reason, stopped: [], last, at };
  const failure = failureAtEnd(after);
  return failure === null
    ? { type: 'task.completed', taskId, ...last, result: end.result, at }
    : { type: 'task.failed', taskId, failure, stopped: [], last, at };
};

/** Why a task that had done what it was for has failed at its end; null where it has not. */
const failureAtEnd = ({ steps }: OpenTask): Failure | null => {
  for (const { spec, progress } of steps) {
    const why =
      spec.atEnd && spec.onFailure !== 'continue' ? whyFailed(spec.forEach !== undefined, progress) : null;
    if (why === null) continue;
    const message = `Everything was done, and then step '${spec.id}', which runs at the end, failed: ${why.message}`;
    return {
      code: 'FINALLY_FAILED',
      message,
      details: { stepId: spec.id, ...(why.code ? { code: why.code } : {}) },
    };
  }
  return null;
};

const whyFailed = (
  hasItems: boolean,
  progress: Step['progress'],
): { readonly code?: string; readonly message: string } | null => {
  if (progress.status === 'failed') return progress.failure;
  if (!hasItems || progress.status !== 'done') return null;
  const { failed, total } = progress.output as ItemsOutput;
  return failed === 0 ? null : { message: `${failed} of its ${total} items did.` };
};

export type FinishingTask = OpenTask & { readonly finishing: Finishing };

export const isFinishing = (task: OpenTask): task is FinishingTask => task.finishing !== undefined;

/** The steps at its end are cut short: by who forced a cancel, or by their time. `stopped`: the last one that ran. */
export const cutShort = (
  { id: taskId, finishing: { end } }: FinishingTask,
  ending: Ending,
  stopped: readonly StoppedAttempt[],
  at: string,
): readonly TaskEvent[] => {
  const cut: CutShort = ending.kind === 'failed' ? 'time' : 'forced';
  if (end.status === 'failed')
    return [{ type: 'task.failed', taskId, failure: end.failure, stopped, cut, at }];
  if (end.status === 'completed' && ending.kind === 'failed')
    return [{ type: 'task.failed', taskId, failure: ending.failure, stopped, cut, at }];
  const { reason } = end.status === 'cancelled' ? end : (ending as Extract<Ending, { kind: 'cancelled' }>);
  return [{ type: 'task.cancelled', taskId, reason, stopped, cut, at }];
};

/** Their time is over: those that run are stopped, and no other begins. */
export const outOfTime = (task: FinishingTask, at: string): readonly TaskEvent[] => {
  if (task.ending) return [];
  const { until } = task.finishing;
  const message = `The steps at the end of the task were not over at ${until}, when their time was.`;
  const failure: Failure = { code: 'FINALLY_TIMED_OUT', message };
  return activeSteps(task).length === 0
    ? cutShort(task, { kind: 'failed', failure }, [], at)
    : [{ type: 'task.failing', taskId: task.id, failure, at }];
};
