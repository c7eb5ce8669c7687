import { isInterruption, isRetryable, type ErrorCode, type Failure } from '../errors.js';
import type { TaskId } from '../ids.js';
import { msOf, rfc3339Of } from '../time.js';
import { TASK_DEPTH_MAX, type ChildEnd, type ParentPart } from './child-part.js';
import { underWay } from './child-state.js';
import { cancelTask, failTask, isRefused, refuse, submitTask } from './decide.js';
import type { TaskEvent, TaskSubmitted, TemplateRef } from './events.js';
import { endTask } from './finish.js';
import type { Ending } from './finishing-state.js';
import { forceCancel } from './force-cancel.js';
import type { Circumstances } from './outcome.js';
import type { PlannedTask } from '../schedule/fire-schedule.js';
import { expiresAtMs } from './queue-time.js';
import { backoffMs } from './retries.js';
import type { StepSpec } from './step-spec.js';
import type { TaskBook } from './task-book.js';
import type { OpenTask } from './task.js';
import { beginWaiting, concluded, waitingSteps, type WaitingStep } from './waiting.js';
import type { ChildWaiting } from './waiting-events.js';

/** A child as its step wants it: what its template makes of the parameters, and its priority where that is not the parent's. */
export type WantedChild = {
  readonly step: StepSpec;
  readonly attempt: number;
  readonly childTaskId: TaskId;
  readonly planned: PlannedTask;
  readonly priority: number | null;
  readonly at: string;
};

/**
 * A step whose turn it is submits its child, and waits for it: two facts, of which the first is the decision. Whoever leads next makes the
 * second of it (`missingWaits`), so there is one child whatever dies between them. Too early, or asked again, it adds nothing; a child that
 * is refused fails the task.
 */
export const beginChild = (
  task: OpenTask | undefined,
  wanted: WantedChild,
  book: TaskBook,
  limits: { readonly openTasksMax: number },
): readonly TaskEvent[] => {
  const { step, planned, at } = wanted;
  if (task === undefined) return [];
  const template = planned.ok ? planned.template : NOWHERE;
  const parent = parentPart(task, wanted);
  const waiting = waitFor(wanted.childTaskId, template, parent);
  const waits = beginWaiting(task, { stepId: step.id, waiting, at }, book.pauses);
  if (waits.length === 0) return [];
  const fail = ({ code, message, details }: Failure) => {
    const said = `Step '${step.id}' cannot submit its task: ${message}`;
    return failTask(task, { code, message: said, ...(details ? { details } : {}) }, at);
  };
  if (parent.depth > TASK_DEPTH_MAX) return fail(tooDeep(task));
  if (!planned.ok) return fail(planned.failure);
  const outcome = submitTask(submissionOf(task, wanted, { ...planned, parent }), book, limits);
  if (isRefused(outcome)) return fail(outcome.refused);
  if ('repeatedOf' in outcome)
    return fail(refuse('TASK_EXISTS', `there is a task ${wanted.childTaskId} already.`).refused);
  return [...outcome, ...waits];
};

const NOWHERE: TemplateRef = { name: '', version: '' };

const parentPart = (task: OpenTask, { step, attempt, at }: WantedChild): ParentPart => ({
  taskId: task.id,
  stepId: step.id,
  attempt,
  depth: (task.parent?.depth ?? 0) + 1,
  ...(step.timeoutMs === undefined ? {} : { timeoutAt: rfc3339Of(msOf(at) + step.timeoutMs) }),
});

const waitFor = (
  childTaskId: TaskId,
  { name, version }: TemplateRef,
  { attempt, timeoutAt }: ParentPart,
): ChildWaiting => ({
  kind: 'task',
  childTaskId,
  template: { name, version },
  attempt,
  ...(timeoutAt === undefined ? {} : { timeoutAt }),
});

const tooDeep = ({ parent }: OpenTask): Failure =>
  refuse(
    'TASK_TOO_DEEP',
    `${parent?.depth ?? 0} tasks are above this one, and ${TASK_DEPTH_MAX} are allowed; its template may reach itself.`,
  ).refused;

/** It is as urgent as its parent, has to be done by when that has to be, and expires with a parent of which nothing has begun. */
const submissionOf = (
  task: OpenTask,
  { childTaskId, priority, at }: WantedChild,
  given: Extract<PlannedTask, { readonly ok: true }> & { readonly parent: ParentPart },
): Omit<TaskSubmitted, 'type'> => {
  const { template, parameters, steps, parent } = given;
  const expiresMs = expiresAtMs(task);
  return {
    taskId: childTaskId,
    workspace: task.workspace,
    template,
    parameters,
    priority: priority ?? task.priority,
    dependsOn: [],
    labels: task.labels,
    steps,
    submittedAt: at,
    ...(task.deadlineAt === null ? {} : { deadlineAt: task.deadlineAt }),
    ...(expiresMs === null ? {} : { queueTtlMs: Math.max(1, expiresMs - msOf(at)) }),
    parent,
  };
};

/** Waits that were to follow on the submission of a child, by one who did not come to record them. Before anything else in a term. */
export const missingWaits = (book: TaskBook): readonly TaskEvent[] =>
  [...book.open.values()].flatMap((child): readonly TaskEvent[] => {
    const { parent } = child;
    const task = parent && book.open.get(parent.taskId);
    const step = task?.steps.find(({ spec }) => spec.id === parent?.stepId);
    if (!parent || step?.progress.status !== 'pending' || step.progress.attempts + 1 !== parent.attempt)
      return [];
    const waiting = waitFor(child.id, child.template, parent);
    return [
      {
        type: 'step.waiting',
        taskId: parent.taskId,
        stepId: parent.stepId,
        waiting,
        at: child.submittedAt,
      },
    ];
  });

/** Cancels the children that are not wanted any more: those of a task that ends, and those whose time is over. */
export const stopChildren = (task: OpenTask, book: TaskBook, at: string): readonly TaskEvent[] =>
  waitingSteps(task).flatMap(({ spec, progress: { waiting, ended } }) => {
    if (waiting.kind !== 'task' || ended !== undefined) return [];
    const isLate = waiting.timeoutAt !== undefined && msOf(waiting.timeoutAt) <= msOf(at);
    if (task.ending === null && !isLate) return [];
    const reason =
      task.ending === null
        ? `step '${spec.id}' of task ${task.id} ran out of time`
        : `task ${task.id}, whose step '${spec.id}' it is, ${task.ending.kind === 'cancelled' ? 'was cancelled' : 'has failed'}`;
    const cancel = task.ending?.force ? forceCancel : cancelTask;
    const decision = cancel(waiting.childTaskId, reason, book, at);
    return isRefused(decision) ? [] : decision;
  });

/**
 * What follows of a child that has ended: its step is done, has failed, or is tried again with another child. One step at a time: what comes
 * of it may end the task. A task that is ending is over with the last of what was under way.
 */
export const decideChild = (task: OpenTask, given: Circumstances): readonly TaskEvent[] => {
  // What is left to stop then are steps at its end, and none of those has a child.
  if (task.finishing) return [];
  if (task.ending) return underWay(task) > 0 ? [] : lastEnd(task, task.ending, given.at);
  for (const step of waitingSteps(task)) {
    const { waiting, ended } = step.progress;
    if (waiting.kind === 'task' && ended !== undefined)
      return childOver(task, step, { waiting, ended }, given);
  }
  return [];
};

const lastEnd = (task: OpenTask, ending: Ending, at: string): readonly TaskEvent[] => {
  if (ending.kind === 'cancelled')
    return endTask(task, { status: 'cancelled', reason: ending.reason, stopped: [] }, at);
  const { kind: _, force: __, ...blame } = ending;
  return endTask(task, { status: 'failed', ...blame, stopped: [] }, at);
};

type Over = { readonly waiting: ChildWaiting; readonly ended: ChildEnd };

const childOver = (
  task: OpenTask,
  step: WaitingStep,
  { waiting, ended }: Over,
  given: Circumstances,
): readonly TaskEvent[] => {
  const { childTaskId } = waiting;
  if (ended.status === 'completed') {
    const output = { output: ended.result ?? null, task_id: childTaskId, status: ended.status };
    return concluded(task, step, { output }, given);
  }
  const failure = failureOf(step.spec, { waiting, ended });
  const { retry } = step.spec;
  if (!mayTryAgain(retry, causeOf(failure), waiting.attempt))
    return concluded(task, step, { failure }, given);
  const retryAt = rfc3339Of(msOf(given.at) + backoffMs(retry, waiting.attempt, given.random));
  const waited = { stepId: step.spec.id, waitingSeq: step.progress.seq, failure, retryAt };
  return [{ type: 'step.waited', taskId: task.id, waited, at: given.at }];
};

/** Another child may mend what another attempt might have mended in the one that has failed; nobody undoes a cancel. */
const mayTryAgain = ({ on, attemptsMax }: StepSpec['retry'], cause: ErrorCode, attempt: number): boolean =>
  isRetryable(cause) && (isInterruption(cause) || on?.includes(cause) !== false) && attempt < attemptsMax;

/** What was wrong in the first place, however many children it came through. */
const causeOf = ({ code, details }: Failure): ErrorCode =>
  code === 'CHILD_TASK_FAILED' ? ((details?.['cause'] as ErrorCode | undefined) ?? code) : code;

const failureOf = ({ id }: StepSpec, { waiting, ended }: Over): Failure => {
  const { childTaskId, template, timeoutAt } = waiting;
  const what = `Task ${childTaskId} (${template.name}) of step '${id}'`;
  const details = { taskId: childTaskId };
  if (ended.status === 'failed') {
    const { code, message } = ended.failure;
    return {
      code: 'CHILD_TASK_FAILED',
      message: `${what} has failed: ${code}: ${message}`.slice(0, FAILURE_MAX_CHARS),
      details: { ...details, cause: causeOf(ended.failure) },
    };
  }
  if (timeoutAt !== undefined && msOf(ended.at) >= msOf(timeoutAt))
    return {
      code: 'STEP_TIMED_OUT',
      message: `${what} had not ended by ${timeoutAt} and was cancelled.`,
      details,
    };
  const reason = ended.status === 'cancelled' ? `: ${ended.reason}` : '';
  return { code: 'CHILD_TASK_CANCELLED', message: `${what} was cancelled${reason}`, details };
};

/** Each level adds some words to the message of the one below. */
const FAILURE_MAX_CHARS = 2_000;
