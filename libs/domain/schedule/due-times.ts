import { msOf } from '../time.js';
import { countsFromMs, type Schedule } from './schedule.js';

/** The due times of a rule, milliseconds since 1970. */
export type DueTimes = {
  /** The first one after this moment; null when there is none any more. */
  readonly nextAfter: (afterMs: number) => number | null;
  /** The last ones that are after `afterMs` and not after `untilMs`, oldest first, at most so many. */
  readonly newest: (afterMs: number, untilMs: number, max: number) => readonly number[];
};

/** Calendars and zones are not known here: who does makes the times of a cron expression. */
export type CronTimes = (cron: string, timeZone: string) => DueTimes;

/** The due times of a schedule within its start and its end. */
export const dueTimesOf = (
  schedule: Pick<Schedule, 'spec' | 'createdAt'>,
  cronTimes: CronTimes,
): DueTimes => {
  const { rule, startAt, endAt } = schedule.spec;
  const fromMs = startAt === undefined ? Number.NEGATIVE_INFINITY : msOf(startAt);
  const toMs = endAt === undefined ? Number.POSITIVE_INFINITY : msOf(endAt);
  switch (rule.kind) {
    case 'cron':
      return within(cronTimes(rule.cron, rule.timeZone), fromMs, toMs);
    case 'every':
      return within(intervals(countsFromMs(schedule), rule.everyMs), fromMs, toMs);
    case 'at':
      return within(once(msOf(rule.at)), fromMs, toMs);
  }
};

const within = (times: DueTimes, fromMs: number, toMs: number): DueTimes => ({
  nextAfter: (afterMs) => {
    const next = times.nextAfter(Math.max(afterMs, fromMs - 1));
    return next === null || next > toMs ? null : next;
  },
  newest: (afterMs, untilMs, max) =>
    times.newest(Math.max(afterMs, fromMs - 1), Math.min(untilMs, toMs), max),
});

const intervals = (fromMs: number, everyMs: number): DueTimes => {
  const timeAt = (place: number): number => fromMs + place * everyMs;
  /** Of the first one after this moment, from 0. */
  const placeAfter = (afterMs: number): number => Math.max(0, Math.floor((afterMs - fromMs) / everyMs) + 1);
  return {
    nextAfter: (afterMs) => timeAt(placeAfter(afterMs)),
    newest: (afterMs, untilMs, max) => {
      const end = placeAfter(untilMs);
      const begin = Math.max(placeAfter(afterMs), end - max);
      return Array.from({ length: Math.max(0, end - begin) }, (_, n) => timeAt(begin + n));
    },
  };
};

const once = (atMs: number): DueTimes => ({
  nextAfter: (afterMs) => (atMs > afterMs ? atMs : null),
  newest: (afterMs, untilMs, max) => (atMs > afterMs && atMs <= untilMs && max > 0 ? [atMs] : []),
});
