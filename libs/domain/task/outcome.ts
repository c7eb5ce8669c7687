import type { Failure } from '../errors.js';
import type { LeaseId, StepId, TaskId } from '../ids.js';
import { msOf, rfc3339Of } from '../time.js';
import type { ModelUsage } from '../usage.js';
import type { StoredArtifact } from './artifact.js';
import { underWay } from './child-state.js';
import { failTask } from './decide.js';
import { completeTask, cutShort, endTask, isFinishing } from './finish.js';
import { needOf } from './needs.js';
import type { StepFailure, StepSuccess, TaskEvent } from './events.js';
import type { StoppedAttempt } from './stopped-attempt.js';
import { backoffMs, mayRetry } from './retries.js';
import type { ResultMaker } from './step-outcomes.js';
import type { TaskBook } from './task-book.js';
import { activeSteps, withProgress, type ActiveStep, type OpenTask } from './task.js';
import type { Ending } from './finishing-state.js';
import { isLastStep } from './steps-over.js';

export type Outcome =
  | {
      readonly kind: 'completed';
      readonly output: unknown;
      readonly artifacts?: readonly StoredArtifact[];
      readonly usage?: ModelUsage;
    }
  | { readonly kind: 'failed'; readonly failure: Failure }
  | { readonly kind: 'cancelled'; readonly confirmed: boolean };

export type Report = {
  readonly stepId: StepId;
  readonly attempt: number;
  readonly leaseId: LeaseId;
  readonly token: number;
  readonly startedAt: string;
  readonly endedAt: string;
  readonly outcome: Outcome;
};

/** What the shell adds: the time, chance for the jitter (0 to 1), and the task's result, made only when its last step is over. */
export type Circumstances = { readonly at: string; readonly random: number; readonly result: ResultMaker };

/**
 * Takes an executor's report. One whose attempt or token is not current is dropped without a fact: its attempt
 * was given up, and only the current attempt has an effect.
 */
export const recordReport = (
  task: OpenTask | undefined,
  report: Report,
  given: Circumstances,
): readonly TaskEvent[] => {
  const active = task && activeSteps(task).find(({ spec }) => spec.id === report.stepId);
  if (!task || !active || active.attempt !== report.attempt) return [];
  if (active.lease.leaseId !== report.leaseId || active.lease.token !== report.token) return [];
  switch (report.outcome.kind) {
    case 'completed':
      return completed(task, active, { ...report, ...report.outcome }, given);
    case 'failed':
      return failed(task, active, { ...report, failure: report.outcome.failure }, given);
    case 'cancelled':
      if (task.ending === null) return failed(task, active, { ...report, failure: unasked(active) }, given);
      return stopped(
        task,
        task.ending,
        active,
        report.outcome.confirmed ? 'confirmed' : 'unconfirmed',
        given.at,
      );
  }
};

/** Only an ending task has its attempts stopped, so an executor that stopped one by itself did so for reasons of its own. */
const unasked = ({ spec, attempt }: ActiveStep): Failure => ({
  code: 'EXECUTOR_STOPPING',
  message: `The executor stopped attempt ${attempt} of step '${spec.id}', which nobody had asked for.`,
});

/** The allocator gave the lease up because nobody renewed it: the one recovery path for every death. */
export const loseLease = (
  task: OpenTask | undefined,
  { leaseId, token }: { readonly leaseId: LeaseId; readonly token: number },
  given: Circumstances,
): readonly TaskEvent[] => {
  const active = task && activeSteps(task).find(({ lease }) => lease.leaseId === leaseId);
  if (!task || active?.lease.token !== token) return [];
  if (task.ending) return stopped(task, task.ending, active, 'lease-expired', given.at);
  const message = `Lease ${leaseId} on ${active.lease.serverId} was not renewed in time: its executor or its server is gone.`;
  return failed(task, active, { failure: { code: 'LEASE_LOST', message }, endedAt: given.at }, given);
};

/** A task that this one waits for has ended: whatever its edge says of an end that is no completion. */
export const dependencyEnded = (
  task: OpenTask,
  dependency: TaskId,
  book: TaskBook,
  at: string,
): readonly TaskEvent[] => {
  const ended = book.closed.get(dependency);
  if (ended === undefined || ended === 'completed') return [];
  const need = needOf(task, dependency);
  if (need === null) return [];
  const [named, details] =
    need === 'plain'
      ? [dependency, { dependency }]
      : [`'${need.task}' (${dependency})`, { dependency, task: need.task }];
  const message = `Task ${named}, which this task depends on, has ${ended}.`;
  switch (need === 'plain' ? 'fail' : need.onFailure) {
    case 'fail':
      return failTask(task, { code: 'DEPENDENCY_FAILED', message, details }, at);
    case 'skip':
      return skipTask(task, { code: 'DEPENDENCY_SKIPPED', message, details }, at);
    case 'continue':
      return [];
  }
};

/** Nothing of it runs, because it waited; and one that is asked to stop is over already. */
const skipTask = (task: OpenTask, skipped: Failure, at: string): readonly TaskEvent[] =>
  task.ending
    ? []
    : [{ type: 'task.cancelled', taskId: task.id, reason: 'skipped', skipped, stopped: [], at }];

const completed = (
  task: OpenTask,
  active: ActiveStep,
  ended: Pick<StepSuccess, 'startedAt' | 'endedAt' | 'output' | 'artifacts' | 'usage'>,
  given: Circumstances,
): readonly TaskEvent[] => {
  // A step that has waited in vain is over; its task fails for it all the same.
  const isFailing = task.ending?.kind === 'failed' && !task.finishing;
  const last = !isFailing && isLastStep(task, active.spec.id);
  // Who forces a cancel does not want what follows a completion.
  if (task.ending && (!last || task.ending.force))
    return stopped(task, task.ending, active, 'ended-first', given.at);
  const step: StepSuccess = {
    ...attemptOf(active),
    output: ended.output,
    ...(ended.artifacts ? { artifacts: ended.artifacts } : {}),
    ...(ended.usage ? { usage: ended.usage } : {}),
    startedAt: ended.startedAt,
    endedAt: ended.endedAt,
  };
  if (!last) return [{ type: 'step.completed', taskId: task.id, step }];
  const { attempt, output } = step;
  const after = withProgress(task, step.stepId, { status: 'done', attempt, output });
  const over = completeTask(task, { step }, after, given);
  if (!('unmade' in over)) return over;
  // Completing without its result would lose what the task was for.
  if (task.ending) return stopped(task, task.ending, active, 'ended-first', given.at);
  return failedForGood(task, failureOf(active, { ...ended, failure: over.unmade }), over.unmade, given.at);
};

const failed = (
  task: OpenTask,
  active: ActiveStep,
  ended: { startedAt?: string; endedAt: string; failure: Failure },
  given: Circumstances,
): readonly TaskEvent[] => {
  if (task.ending) return stopped(task, task.ending, active, 'ended-first', given.at);
  const step = failureOf(active, ended);
  if (mayRetry(active, ended.failure.code)) {
    const waitMs = backoffMs(active.spec.retry, active.attempt, given.random);
    return [{ type: 'step.failed', taskId: task.id, step, retryAt: rfc3339Of(msOf(given.at) + waitMs) }];
  }
  return active.spec.onFailure === 'continue' || active.spec.atEnd
    ? abandoned(task, step, given)
    : failedForGood(task, step, ended.failure, given.at);
};

/** The task goes on without the step, or is complete without it. Of the steps at its end, all are let run. */
const abandoned = (task: OpenTask, step: StepFailure, given: Circumstances): readonly TaskEvent[] => {
  const { stepId, attempt, failure } = step;
  if (!isLastStep(task, stepId)) return [{ type: 'step.abandoned', taskId: task.id, step }];
  const after = withProgress(task, stepId, { status: 'failed', attempt, failure });
  const over = completeTask(task, { abandoned: step }, after, given);
  return 'unmade' in over ? failedForGood(task, step, over.unmade, given.at) : over;
};

const failedForGood = (
  task: OpenTask,
  step: StepFailure,
  failure: Failure,
  at: string,
): readonly TaskEvent[] =>
  underWay(task) === 1
    ? endTask(task, { status: 'failed', failure, step, stopped: [] }, at)
    : [{ type: 'task.failing', taskId: task.id, failure, step, at }];

const stopped = (
  task: OpenTask,
  ending: Ending,
  active: ActiveStep,
  how: StoppedAttempt['how'],
  at: string,
): readonly TaskEvent[] => {
  const { stepId, attempt, leaseId } = attemptOf(active);
  const step: StoppedAttempt = { stepId, attempt, leaseId, how };
  if (underWay(task) > 1) return [{ type: 'step.stopped', taskId: task.id, step, at }];
  if (isFinishing(task)) return cutShort(task, ending, [step], at);
  if (ending.kind === 'cancelled')
    return endTask(task, { status: 'cancelled', reason: ending.reason, stopped: [step] }, at);
  const { kind: _, force: __, ...blame } = ending;
  return endTask(task, { status: 'failed', ...blame, stopped: [step] }, at);
};

const failureOf = (
  active: ActiveStep,
  ended: { readonly startedAt?: string; readonly endedAt: string; readonly failure: Failure },
): StepFailure => ({
  ...attemptOf(active),
  failure: ended.failure,
  ...(ended.startedAt === undefined ? {} : { startedAt: ended.startedAt }),
  endedAt: ended.endedAt,
});

const attemptOf = (active: ActiveStep) => ({
  stepId: active.spec.id,
  attempt: active.attempt,
  leaseId: active.lease.leaseId,
  serverId: active.lease.serverId,
});
