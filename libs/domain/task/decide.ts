// The reader's tour: previous: apps/gateway/tasks.controller.ts, which made the command; next:
// libs/event-log/event-log.ts, which appends what is decided here.
import type { ErrorCode, Failure } from '../errors.js';
import type { StepId, TaskId } from '../ids.js';
import { msOf } from '../time.js';

import type { LeaseRef, TaskEvent, TaskSubmitted, TemplateRef } from './events.js';
import { underWay } from './child-state.js';
import { withPinnedChildren } from './child-versions.js';
import { endTask, isFinishing, type FinishingTask } from './finish.js';
import { keptProblem } from './kept-steps.js';
import { pauseOfServer, pauseOfTask, type Pauses } from './pauses.js';
import { IDEMPOTENCY_KEPT_MS, idempotencyKey, templateKey, type TaskBook } from './task-book.js';
import type { OpenTask } from './task.js';
import type { StepSecrets } from './step-secrets.js';
import { isUndecided, isUnexpanded, mayBegin } from './steps-over.js';

/** Facts to append (none: nothing new, such as a repeated request), or why not. */
export type Decision = readonly TaskEvent[] | Refused;
export type Refused = { readonly refused: Failure };

export const isRefused = (decision: object): decision is Refused => 'refused' in decision;

/** Why not: the code, and a sentence with the value, the place and what is accepted. */
export const refuse = (
  code: ErrorCode,
  message: string,
  details?: Readonly<Record<string, unknown>>,
): Refused => ({
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
  const repeated = repeatOf(submission, book);
  if (repeated) return repeated;
  const unknown = unknownTemplate(submission.template, book);
  if (unknown) return unknown;
  if (book.open.size >= limits.openTasksMax) {
    return refuse(
      'QUEUE_FULL',
      `${book.open.size} tasks are open and ${limits.openTasksMax} are allowed; wait until some have ended.`,
    );
  }
  const pinned = withPinnedChildren(submission.steps, book);
  if ('refused' in pinned) return pinned;
  const again = rerunProblem(submission, book);
  if (again) return again;
  const blocked = submission.dependsOn
    .map((id) => dependencyProblem(id, book))
    .find((problem) => problem !== null);
  return blocked ?? [{ type: 'task.submitted', ...submission, ...pinned }];
};

export const unknownTemplate = (template: TemplateRef, book: TaskBook): Refused | null =>
  book.templates.has(templateKey(template))
    ? null
    : refuse(
        'TEMPLATE_VERSION_UNKNOWN',
        `Template ${templateKey(template)} has not been registered; register it, then submit again.`,
      );

/** What the same key has made before, or that it may not be used again; null for a request that is new. */
export const repeatOf = (
  { workspace, idempotency, submittedAt }: Pick<TaskSubmitted, 'workspace' | 'idempotency' | 'submittedAt'>,
  book: TaskBook,
): Refused | { readonly repeatedOf: string } | null => {
  if (idempotency === undefined) return null;
  const known = firstUse(workspace, idempotency.key, submittedAt, book);
  if (known === undefined) return null;
  const { taskId, workflowId, requestHash } = known;
  if (requestHash === idempotency.requestHash) return { repeatedOf: taskId ?? workflowId };
  const [what, details] =
    taskId === undefined ? [`workflow ${workflowId}`, { workflowId }] : [`task ${taskId}`, { taskId }];
  return refuse(
    'IDEMPOTENCY_KEY_REUSED',
    `Idempotency-Key '${idempotency.key}' was used for ${what} with another request; ` +
      'use a new key, or send exactly the first request again.',
    details,
  );
};

/** Only what is over can be repeated: two of them at once would do the same work for one request. */
const rerunProblem = (
  { rerunOf, steps, kept }: Omit<TaskSubmitted, 'type'>,
  book: TaskBook,
): Refused | null => {
  if (rerunOf !== undefined && book.open.has(rerunOf))
    return refuse('TASK_NOT_OVER', `Task ${rerunOf} is not over; cancel it, or wait for its end.`);
  if (rerunOf !== undefined && !book.closed.has(rerunOf))
    return refuse('TASK_UNKNOWN', `There is no task '${rerunOf}'.`);
  const problem = kept && keptProblem(steps, kept);
  return problem ? { refused: problem } : null;
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
  // The same priority once more takes a task that was moved back to where that puts it.
  return task.priority === priority && task.moved === null
    ? []
    : [{ type: 'task.priority-changed', taskId, priority, at }];
};

/**
 * A task with nothing running is over at once. A running one is only asked to stop: the slot is not free until the
 * executor says so, and handing it out earlier would overcommit the server. Asking twice adds nothing; `forceCancel` does.
 */
export const cancelTask = (taskId: TaskId, reason: string, book: TaskBook, at: string): Decision => {
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'there is nothing left to cancel');
  if (isFinishing(task)) return cancelAtEnd(task);
  if (underWay(task) === 0) return endTask(task, { status: 'cancelled', reason, stopped: [] }, at);
  return task.ending ? [] : [{ type: 'task.cancel-requested', taskId, reason, at }];
};

const cancelAtEnd = ({ id, finishing: { end } }: FinishingTask): Decision =>
  end.status === 'cancelled'
    ? []
    : refuse(
        'TASK_FINISHING',
        `Task ${id} has ${end.status}, and only the steps at its end run; cancel it with force to end those.`,
        { status: end.status },
      );

export const notOpen = (taskId: TaskId, book: TaskBook, consequence: string): Refused => {
  const ended = book.closed.get(taskId);
  return ended === undefined
    ? refuse('TASK_UNKNOWN', `There is no task '${taskId}'.`)
    : refuse('TASK_ALREADY_OVER', `Task ${taskId} has ${ended}; ${consequence}.`, { status: ended });
};

/** Starts an attempt under a lease, if the step is still to be run as it was when the lease was asked for, and nothing was paused since. */
export const dispatchStep = (
  task: OpenTask | undefined,
  dispatch: {
    readonly stepId: StepId;
    readonly attempt: number;
    readonly lease: LeaseRef;
    readonly vramShare?: number;
    readonly predictedStartAt?: string;
    readonly input: Readonly<Record<string, unknown>>;
    readonly secrets?: StepSecrets;
    readonly at: string;
  },
  pauses: Pauses,
): readonly TaskEvent[] => {
  const step = task?.steps.find(({ spec }) => spec.id === dispatch.stepId);
  if (!task || !step || task.ending || step.progress.status !== 'pending') return [];
  if (step.progress.attempts + 1 !== dispatch.attempt || !mayBegin(task, step)) return [];
  if (isUndecided(step) || isUnexpanded(step) || step.spec.waits !== undefined) return [];
  if (pauseOfTask(task, pauses) || pauseOfServer(dispatch.lease.serverId, pauses)) return [];
  const { stepType, requirement, timeoutMs, noProgressMs, workerWaitMs } = step.spec;
  const times = {
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
    ...(noProgressMs === undefined ? {} : { noProgressMs }),
    ...(workerWaitMs === undefined ? {} : { workerWaitMs }),
  };
  return [{ type: 'step.dispatched', taskId: task.id, stepType, requirement, ...times, ...dispatch }];
};

/** The task fails, once what is running has stopped. One of which only the steps at its end are left fails by these alone, or by their time. */
export const failTask = (task: OpenTask, failure: Failure, at: string): readonly TaskEvent[] => {
  if (task.ending || task.finishing) return [];
  if (underWay(task) === 0) return endTask(task, { status: 'failed', failure, stopped: [] }, at);
  return [{ type: 'task.failing', taskId: task.id, failure, at }];
};
