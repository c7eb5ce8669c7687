import { canonicalJson } from '../canonical.js';
import type { ScheduleId } from '../ids.js';
import { refuse, type Refused } from '../task/decide.js';
import { templateKey, type TaskBook } from '../task/task-book.js';
import { msOf } from '../time.js';
import { dueTimesOf, type CronTimes } from './due-times.js';
import type { ScheduleSpec } from './schedule.js';
import type { ScheduleEvent } from './schedule-events.js';

/** People set them up; each costs memory in the scheduler, and a little at every start. */
export const SCHEDULES_MAX = 1_000;

export type ScheduleDecision = readonly ScheduleEvent[] | Refused;

/** Creates a schedule, or replaces what it says. The same again adds nothing. */
export const putSchedule = (
  scheduleId: ScheduleId,
  wanted: ScheduleSpec,
  book: TaskBook,
  given: { readonly at: string; readonly cronTimes: CronTimes },
): ScheduleDecision => {
  const { at, cronTimes } = given;
  const known = book.schedules.get(scheduleId);
  if (known && canonicalJson(known.spec) === canonicalJson(wanted)) return [];
  const unknown = unknownTemplate(wanted, book);
  if (unknown) return unknown;
  if (known === undefined && book.schedules.size >= SCHEDULES_MAX)
    return refuse(
      'SCHEDULES_FULL',
      `There are ${book.schedules.size} schedules and ${SCHEDULES_MAX} are allowed; remove some first.`,
    );
  const times = dueTimesOf({ spec: wanted, createdAt: known?.createdAt ?? at }, cronTimes);
  if (times.nextAfter(msOf(at)) === null)
    return refuse(
      'SCHEDULE_NEVER_DUE',
      `Schedule '${scheduleId}' would never be due after ${at}; accepted: a rule with a time to come, before its end.`,
    );
  const type = known === undefined ? 'schedule.created' : 'schedule.changed';
  return [{ type, scheduleId, schedule: wanted, at }];
};

const unknownTemplate = ({ task: { template } }: ScheduleSpec, book: TaskBook): Refused | null => {
  const { name, version } = template;
  const isKnown =
    version === undefined
      ? book.latestVersions.has(name)
      : book.templates.has(templateKey({ name, version }));
  return isKnown
    ? null
    : refuse(
        'TEMPLATE_VERSION_UNKNOWN',
        `Template ${name}${version === undefined ? '' : `@${version}`} has not been registered; register it, then send the schedule again.`,
      );
};

/** Its tasks go on. */
export const removeSchedule = (scheduleId: ScheduleId, book: TaskBook, at: string): ScheduleDecision =>
  book.schedules.has(scheduleId)
    ? [{ type: 'schedule.removed', scheduleId, at }]
    : unknownSchedule(scheduleId);

/** Again with the same words adds nothing; with others, those count. */
export const pauseSchedule = (
  scheduleId: ScheduleId,
  { reason, by }: { readonly reason: string; readonly by: string },
  book: TaskBook,
  at: string,
): ScheduleDecision => {
  const known = book.schedules.get(scheduleId);
  if (known === undefined) return unknownSchedule(scheduleId);
  return known.paused?.reason === reason && known.paused.by === by
    ? []
    : [{ type: 'schedule.paused', scheduleId, reason, by, at }];
};

/** One that is not paused stays so. */
export const resumeSchedule = (
  scheduleId: ScheduleId,
  by: string,
  book: TaskBook,
  at: string,
): ScheduleDecision => {
  const known = book.schedules.get(scheduleId);
  if (known === undefined) return unknownSchedule(scheduleId);
  return known.paused === null ? [] : [{ type: 'schedule.resumed', scheduleId, by, at }];
};

export const unknownSchedule = (scheduleId: ScheduleId): Refused =>
  refuse(
    'SCHEDULE_UNKNOWN',
    `There is no schedule '${scheduleId}'; GET /api/v1/schedules says what there is.`,
  );
