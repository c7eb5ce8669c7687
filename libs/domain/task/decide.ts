// The reader's tour: previous: apps/gateway/tasks.controller.ts, which made the command; next:
// libs/event-log/jetstream/writer.ts, which appends what is decided here.
import { isInterruption, isRetryable, type ErrorCode, type Failure } from '../errors.js';
import type { LeaseId, StepId, TaskId } from '../ids.js';
import { msOf, rfc3339Of } from '../time.js';
import type { ModelUsage } from '../usage.js';
import type {
  LeaseRef,
  RetrySpec,
  StepFailure,
  StepSuccess,
  StoppedAttempt,
  TaskEvent,
  TaskSubmitted,
} from './events.js';
import { IDEMPOTENCY_KEPT_MS, idempotencyKey, templateKey, type TaskBook } from './task-book.js';
import { activeSteps, isLastStep, needsDone, type ActiveStep, type Ending, type OpenTask } from './task.js';

/** Facts to append (none: nothing new, such as a repeated request), or why not. */
export type Decision = readonly TaskEvent[] | Refused;
export type Refused = { readonly refused: Failure };

export const isRefused = (decision: object): decision is Refused => 'refused' in decision;

const refuse = (code: ErrorCode, message: string, details?: Readonly<Record<string, unknown>>): Refused => ({
  refused: { code, message, ...(details ? { details } : {}) },
});

export type SubmitOutcome = readonly TaskEvent[] | Refused | { readonly repeatedOf: TaskId };

/**
 * Accepts a submission. The same task id or the same idempotency key with the same request finds the first
 * submission, so that a client, a gateway and a redelivery may all try again.
 */
export const submitTask = (
  submission: Omit<TaskSubmitted, 'type'>,
  book: TaskBook,
  limits: { readonly openTasksMax: number },
): SubmitOutcome => {
  if (book.open.has(submission.taskId) || book.closed.has(submission.taskId))
    return { repeatedOf: submission.taskId };
  if (submission.idempotency) {
    const known = firstUse(submission.workspace, submission.idempotency.key, submission.submittedAt, book);
    if (known?.requestHash === submission.idempotency.requestHash) return { repeatedOf: known.taskId };
    if (known) {
      return refuse(
        'IDEMPOTENCY_KEY_REUSED',
        `Idempotency-Key '${submission.idempotency.key}' was used for task ${known.taskId} with another request; ` +
          'use a new key, or send exactly the first request again.',
        { taskId: known.taskId },
      );
    }
  }
  if (!book.templates.has(templateKey(submission.template))) {
    return refuse(
      'TEMPLATE_VERSION_UNKNOWN',
      `Template ${templateKey(submission.template)} has not been registered; register it, then submit again.`,
    );
  }
  if (book.open.size >= limits.openTasksMax) {
    return refuse(
      'QUEUE_FULL',
      `${book.open.size} tasks are open and ${limits.openTasksMax} are allowed; wait until some have ended.`,
    );
  }
  const blocked = submission.dependsOn
    .map((id) => dependencyProblem(id, book))
    .find((problem) => problem !== null);
  return blocked ?? [{ type: 'task.submitted', ...submission }];
};

/** Whether a key is remembered must not depend on who else submitted: pruning only happens with other submissions. */
const firstUse = (workspace: string, key: string, at: string, book: TaskBook) => {
  const known = book.idempotency.get(idempotencyKey(workspace, key));
  return known && msOf(at) - msOf(known.at) <= IDEMPOTENCY_KEPT_MS ? known : undefined;
};

const dependencyProblem = (id: TaskId, book: TaskBook): Refused | null => {
  const ended = book.closed.get(id);
  if (ended === 'completed' || book.open.has(id)) return null;
  if (ended === undefined) {
    return refuse(
      'DEPENDENCY_UNKNOWN',
      `depends_on names '${id}', which is not a task; use ids that a submission returned.`,
    );
  }
  return refuse(
    'DEPENDENCY_FAILED',
    `depends_on names '${id}', which has ${ended}; only a task that can complete is accepted.`,
  );
};

export const changePriority = (taskId: TaskId, priority: number, book: TaskBook, at: string): Decision => {
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'its priority cannot change any more');
  return task.priority === priority ? [] : [{ type: 'task.priority-changed', taskId, priority, at }];
};

/**
 * A task with nothing running is over at once. A running one is only asked to stop: the slot is not free until the
 * executor says so, and handing it out earlier would overcommit the server. Asking twice adds nothing.
 */
export const cancelTask = (taskId: TaskId, reason: string, book: TaskBook, at: string): Decision => {
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'there is nothing left to cancel');
  if (activeSteps(task).length === 0) return [{ type: 'task.cancelled', taskId, reason, stopped: [], at }];
  return task.ending ? [] : [{ type: 'task.cancel-requested', taskId, reason, at }];
};

const notOpen = (taskId: TaskId, book: TaskBook, consequence: string): Refused => {
  const ended = book.closed.get(taskId);
  return ended === undefined
    ? refuse('TASK_UNKNOWN', `There is no task '${taskId}'.`)
    : refuse('TASK_ALREADY_OVER', `Task ${taskId} has ${ended}; ${consequence}.`, { status: ended });
};

/** Starts an attempt under a lease, if the step is still to be run as it was when the lease was asked for. */
export const dispatchStep = (
  task: OpenTask | undefined,
  dispatch: {
    readonly stepId: StepId;
    readonly attempt: number;
    readonly lease: LeaseRef;
    readonly input: Readonly<Record<string, unknown>>;
    readonly at: string;
  },
): readonly TaskEvent[] => {
  const step = task?.steps.find(({ spec }) => spec.id === dispatch.stepId);
  if (!task || !step || task.ending || step.progress.status !== 'pending') return [];
  if (step.progress.attempts + 1 !== dispatch.attempt || !needsDone(task, step.spec.needs)) return [];
  const { stepType, requirement } = step.spec;
  return [{ type: 'step.dispatched', taskId: task.id, stepType, requirement, ...dispatch }];
};

/** A step that can never run, or whose input cannot be made: the task fails, once what is running has stopped. */
export const failTask = (task: OpenTask, failure: Failure, at: string): readonly TaskEvent[] => {
  if (task.ending) return [];
  const active = activeSteps(task);
  if (active.length === 0) return [{ type: 'task.failed', taskId: task.id, failure, stopped: [], at }];
  return [{ type: 'task.failing', taskId: task.id, failure, at }];
};

export type Outcome =
  | { readonly kind: 'completed'; readonly output: unknown; readonly usage?: ModelUsage }
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

/** What the shell adds: the time, chance for the jitter (0 to 1), and the task's result, made only for its last step. */
export type Circumstances = { readonly at: string; readonly random: number; readonly result: () => unknown };

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
  leaseId: LeaseId,
  given: Circumstances,
): readonly TaskEvent[] => {
  const active = task && activeSteps(task).find(({ lease }) => lease.leaseId === leaseId);
  if (!task || !active) return [];
  if (task.ending) return stopped(task, task.ending, active, 'lease-expired', given.at);
  const message = `Lease ${leaseId} on ${active.lease.serverId} was not renewed in time: its executor or its server is gone.`;
  return failed(task, active, { failure: { code: 'LEASE_LOST', message }, endedAt: given.at }, given);
};

/** A task that this one waits for has ended. */
export const dependencyEnded = (
  task: OpenTask,
  dependency: TaskId,
  book: TaskBook,
  at: string,
): readonly TaskEvent[] => {
  const ended = book.closed.get(dependency);
  if (ended === undefined || ended === 'completed') return [];
  const failure: Failure = {
    code: 'DEPENDENCY_FAILED',
    message: `Task ${dependency}, which this task depends on, has ${ended}.`,
    details: { dependency },
  };
  return failTask(task, failure, at);
};

const completed = (
  task: OpenTask,
  active: ActiveStep,
  ended: { startedAt: string; endedAt: string; output: unknown; usage?: ModelUsage },
  given: Circumstances,
): readonly TaskEvent[] => {
  const last = isLastStep(task, active.spec.id);
  if (task.ending && !last) return stopped(task, task.ending, active, 'ended-first', given.at);
  const step: StepSuccess = {
    ...attemptOf(active),
    output: ended.output,
    ...(ended.usage ? { usage: ended.usage } : {}),
    startedAt: ended.startedAt,
    endedAt: ended.endedAt,
  };
  if (!last) return [{ type: 'step.completed', taskId: task.id, step }];
  return [{ type: 'task.completed', taskId: task.id, step, result: given.result(), at: given.at }];
};

const failed = (
  task: OpenTask,
  active: ActiveStep,
  ended: { startedAt?: string; endedAt: string; failure: Failure },
  given: Circumstances,
): readonly TaskEvent[] => {
  if (task.ending) return stopped(task, task.ending, active, 'ended-first', given.at);
  const step: StepFailure = {
    ...attemptOf(active),
    failure: ended.failure,
    ...(ended.startedAt === undefined ? {} : { startedAt: ended.startedAt }),
    endedAt: ended.endedAt,
  };
  if (mayRetry(active, ended.failure.code)) {
    const waitMs = backoffMs(active.spec.retry, active.attempt, given.random);
    return [{ type: 'step.failed', taskId: task.id, step, retryAt: rfc3339Of(msOf(given.at) + waitMs) }];
  }
  const alone = activeSteps(task).length === 1;
  return alone
    ? [{ type: 'task.failed', taskId: task.id, failure: ended.failure, step, stopped: [], at: given.at }]
    : [{ type: 'task.failing', taskId: task.id, failure: ended.failure, step, at: given.at }];
};

const stopped = (
  task: OpenTask,
  ending: Ending,
  active: ActiveStep,
  how: StoppedAttempt['how'],
  at: string,
): readonly TaskEvent[] => {
  const { stepId, attempt, leaseId } = attemptOf(active);
  const step: StoppedAttempt = { stepId, attempt, leaseId, how };
  if (activeSteps(task).length > 1) return [{ type: 'step.stopped', taskId: task.id, step, at }];
  if (ending.kind === 'failed') {
    const { kind: _, ...blame } = ending;
    return [{ type: 'task.failed', taskId: task.id, ...blame, stopped: [step], at }];
  }
  return [{ type: 'task.cancelled', taskId: task.id, reason: ending.reason, stopped: [step], at }];
};

const attemptOf = (active: ActiveStep) => ({
  stepId: active.spec.id,
  attempt: active.attempt,
  leaseId: active.lease.leaseId,
  serverId: active.lease.serverId,
});

/**
 * An interruption is not the task's fault: it has retries of its own and takes none of the template's. Not without
 * end, though: a task may be what kills its executor.
 */
const mayRetry = ({ spec, attempt, interruptions }: ActiveStep, code: ErrorCode): boolean =>
  isInterruption(code)
    ? interruptions < INTERRUPTIONS_MAX
    : isRetryable(code) && attempt - interruptions < spec.retry.attemptsMax;
const INTERRUPTIONS_MAX = 5;

/** Doubling from the template's first wait, a minute at most, with up to half of it as jitter so that retries spread. */
const BACKOFF_MAX_MS = 60_000;
const backoffMs = (retry: RetrySpec, attempt: number, random: number): number => {
  const fullMs = Math.min(BACKOFF_MAX_MS, retry.backoffMs * 2 ** (attempt - 1));
  return Math.round(fullMs * (0.5 + random / 2));
};
