import type { Failure } from '../errors.js';
import type { ScheduleId, TaskId } from '../ids.js';
import { cancelTask, isRefused, refuse, submitTask, type Refused } from '../task/decide.js';
import type { TaskEvent, TaskSubmitted, TemplateRef } from '../task/events.js';
import type { StepSpec } from '../task/step-spec.js';
import type { StartPromise } from '../task/start-promise.js';
import type { TaskBook } from '../task/task-book.js';
import { msOf, rfc3339Of } from '../time.js';
import { skippedOne } from './decide-due.js';
import type { Schedule } from './schedule.js';
import type { ScheduleEvent } from './schedule-events.js';

/** What the template makes of the parameters; made outside, because filling in templates is not the domain's. */
export type PlannedTask =
  | {
      readonly ok: true;
      readonly template: TemplateRef;
      readonly parameters: Readonly<Record<string, unknown>>;
      readonly steps: readonly StepSpec[];
    }
  | { readonly ok: false; readonly failure: Failure };

export type FiringGiven = {
  readonly planned: PlannedTask;
  readonly at: string;
  readonly openTasksMax: number;
  readonly promise: (submission: Omit<TaskSubmitted, 'type'>) => StartPromise | null;
};

/** Open tasks of one schedule: each is looked at when the schedule fires again. */
const OPEN_OF_ONE_MAX = 1_000;

/** Label that every task of a schedule has, to find them by. */
const SCHEDULE_LABEL = 'schedule';

/** Length of what `firingTaskId` adds, so that an id with it is still one. */
const STAMP = 'YYYYMMDDHHMMSSmmm';
export const SCHEDULE_ID_MAX = 64 - STAMP.length - 1;

/** The id of the task of a due time: the same whoever decides it, so that a second try finds the first one's task. */
export const firingTaskId = (scheduleId: ScheduleId, dueMs: number): TaskId =>
  `${scheduleId}-${rfc3339Of(dueMs).replace(/\D/g, '')}`;

/**
 * A due time becomes a task: `schedule.fired`, which is the decision, and the submission. A refusal is a fact too, and the schedule goes on;
 * a task that is there already is not made again.
 */
export const fireDue = (
  schedule: Schedule,
  dueMs: number,
  book: TaskBook,
  given: FiringGiven,
): readonly (ScheduleEvent | TaskEvent)[] => {
  const { id: scheduleId, spec } = schedule;
  const { at } = given;
  const dueAt = rfc3339Of(dueMs);
  const taskId = firingTaskId(scheduleId, dueMs);
  const outcome = submitted(schedule, { taskId, dueAt }, book, given);
  if (isRefused(outcome))
    return [{ type: 'schedule.failed', scheduleId, dueAt, failure: outcome.refused, at }];
  if ('repeatedOf' in outcome) return [skippedOne(schedule, dueAt, 'repeated', at)];
  const older = spec.overlap === 'cancel_old' ? cancelled(schedule, book, at) : [];
  return [
    ...older,
    { type: 'schedule.fired', scheduleId, dueAt, byHand: false, task: outcome.task, at },
    submission(outcome),
  ];
};

/** Somebody wants it to fire now: paused or not, over or not, and whatever is open. */
export const fireByHand = (
  schedule: Schedule,
  wanted: { readonly taskId: TaskId; readonly idempotency?: TaskSubmitted['idempotency'] },
  book: TaskBook,
  given: FiringGiven,
): readonly (ScheduleEvent | TaskEvent)[] | Refused | { readonly repeatedOf: TaskId } => {
  const { at } = given;
  const outcome = submitted(schedule, { ...wanted, dueAt: at }, book, given);
  if (!('task' in outcome)) return outcome;
  const { id: scheduleId } = schedule;
  return [
    { type: 'schedule.fired', scheduleId, dueAt: at, byHand: true, task: outcome.task, at },
    submission(outcome),
  ];
};

type Accepted = { readonly task: Omit<TaskSubmitted, 'type'> };

const submission = ({ task }: Accepted): TaskSubmitted => ({ type: 'task.submitted', ...task });

const submitted = (
  { id, spec, open }: Schedule,
  named: {
    readonly taskId: TaskId;
    readonly dueAt: string;
    readonly idempotency?: TaskSubmitted['idempotency'];
  },
  book: TaskBook,
  { planned, at, openTasksMax, promise }: FiringGiven,
): Accepted | Refused | { readonly repeatedOf: TaskId } => {
  const { taskId, dueAt, idempotency } = named;
  const { workspace, priority, labels, queueTtlMs, deadlineMs } = spec.task;
  if (open.length >= OPEN_OF_ONE_MAX)
    return refuse(
      'QUEUE_FULL',
      `${open.length} tasks of schedule '${id}' are open and ${OPEN_OF_ONE_MAX} are allowed; wait until some have ended.`,
    );
  const isThere = book.open.has(taskId) || book.closed.has(taskId);
  if (!planned.ok && !isThere) return { refused: planned.failure };
  const { template, parameters, steps } = planned.ok ? planned : NOTHING;
  const task: Omit<TaskSubmitted, 'type'> = {
    taskId,
    workspace,
    template,
    parameters,
    priority,
    dependsOn: [],
    labels: { ...labels, [SCHEDULE_LABEL]: id },
    steps,
    submittedAt: at,
    ...(queueTtlMs === undefined ? {} : { queueTtlMs }),
    ...(deadlineMs === undefined ? {} : { deadlineAt: rfc3339Of(msOf(dueAt) + deadlineMs) }),
    ...(idempotency === undefined ? {} : { idempotency }),
    schedule: { scheduleId: id, dueAt },
  };
  const outcome = submitTask(task, book, { openTasksMax });
  if (isRefused(outcome) || 'repeatedOf' in outcome) return outcome;
  const promised = promise(task);
  const [{ steps: pinned }] = outcome as readonly [TaskSubmitted];
  const accepted = { ...task, steps: pinned };
  return { task: promised === null ? accepted : { ...accepted, promise: promised } };
};

/** Of a task that is there already, which is found by its id alone. */
const NOTHING = { template: { name: '', version: '' }, parameters: {}, steps: [] };

const cancelled = ({ id, open }: Schedule, book: TaskBook, at: string): readonly TaskEvent[] =>
  open.flatMap((taskId) => {
    const decision = cancelTask(taskId, `schedule ${id} is due again`, book, at);
    return isRefused(decision) ? [] : decision;
  });
