import { msOf, rfc3339Of } from '../time.js';
import type { DueTimes } from './due-times.js';
import { jitterOf } from './jitter.js';
import { firingsLeft, type CatchUp, type Schedule } from './schedule.js';
import type { ScheduleQueued, ScheduleSkipped } from './schedule-events.js';

/**
 * A due time is missed when it could not be decided within this (and the jitter). Longer than a stand-by needs to take over, so that
 * a change of leaders misses nothing; short enough that what is late is still what was meant.
 */
export const LATE_AFTER_MS = 60_000;

/** Missed due times that `all` makes up for, the newest ones. */
export const CATCH_UP_MAX = 100;

/** Due times that may wait for the end of an earlier task. */
export const QUEUED_MAX = 100;

/** Of missed due times beyond those, more than this are not counted: each has to be found, and there may be millions. */
const SKIPPED_COUNTED_MAX = 20;

const MADE_UP: Readonly<Record<CatchUp, number>> = { none: 0, last: 1, all: CATCH_UP_MAX };

export type DueDecision =
  /** Nothing is due before something else happens. */
  | { readonly kind: 'rest' }
  | { readonly kind: 'wait'; readonly untilMs: number }
  | { readonly kind: 'facts'; readonly events: readonly (ScheduleSkipped | ScheduleQueued)[] }
  | { readonly kind: 'fire'; readonly dueMs: number };

const REST: DueDecision = { kind: 'rest' };

/** What is to be done about a schedule now. Asked again after each fact, it comes to rest or to a wait. */
export const decideDue = (schedule: Schedule, times: DueTimes, nowMs: number): DueDecision => {
  const { id, spec, paused, queued, open, accepted, doneTo } = schedule;
  if (paused !== null || accepted !== null) return REST;
  const [waiting] = queued;
  if (waiting !== undefined && open.length === 0) return { kind: 'fire', dueMs: msOf(waiting) };
  if (firingsLeft(schedule) <= 0) return REST;
  const dueMs = times.nextAfter(msOf(doneTo));
  if (dueMs === null) return REST;
  const missed = skipMissed(schedule, { times, dueMs, nowMs });
  if (missed !== null) return { kind: 'facts', events: [missed] };
  const firesMs = dueMs + jitterOf(id, dueMs, spec.jitterMs);
  if (firesMs > nowMs) return { kind: 'wait', untilMs: firesMs };
  if (open.length === 0 || spec.overlap === 'cancel_old') return { kind: 'fire', dueMs };
  const [dueAt, at] = [rfc3339Of(dueMs), rfc3339Of(nowMs)];
  if (spec.overlap === 'queue' && queued.length < QUEUED_MAX)
    return { kind: 'facts', events: [{ type: 'schedule.queued', scheduleId: id, dueAt, at }] };
  const reason = spec.overlap === 'queue' ? 'queue-full' : 'overlap';
  return { kind: 'facts', events: [skippedOne(schedule, dueAt, reason, at)] };
};

export const skippedOne = (
  { id }: Schedule,
  dueAt: string,
  reason: ScheduleSkipped['reason'],
  at: string,
): ScheduleSkipped => ({
  type: 'schedule.skipped',
  scheduleId: id,
  reason,
  firstDueAt: dueAt,
  lastDueAt: dueAt,
  count: 1,
  more: false,
  at,
});

/** Passes over those missed due times for which nothing makes up; null when there are none. */
const skipMissed = (
  { id, spec, doneTo }: Schedule,
  { times, dueMs, nowMs }: { readonly times: DueTimes; readonly dueMs: number; readonly nowMs: number },
): ScheduleSkipped | null => {
  const lateMs = nowMs - LATE_AFTER_MS - spec.jitterMs;
  if (dueMs >= lateMs) return null;
  const kept = MADE_UP[spec.catchUp];
  const newest = times.newest(msOf(doneTo), lateMs - 1, SKIPPED_COUNTED_MAX + kept);
  const skipped = newest.slice(0, Math.max(0, newest.length - kept));
  const [first, last] = [skipped[0], skipped.at(-1)];
  if (first === undefined || last === undefined) return null;
  return {
    type: 'schedule.skipped',
    scheduleId: id,
    reason: 'missed',
    firstDueAt: rfc3339Of(dueMs),
    lastDueAt: rfc3339Of(last),
    count: skipped.length,
    more: first !== dueMs,
    at: rfc3339Of(nowMs),
  };
};

/** A due time that is to come, and when its firing is, milliseconds since 1970. */
export type Upcoming = { readonly dueMs: number; readonly firesMs: number };

/** The next due times from now on, as if nothing else happened; of a paused schedule, as if it were resumed now. */
export const upcoming = (
  schedule: Schedule,
  times: DueTimes,
  { nowMs, max }: { readonly nowMs: number; readonly max: number },
): readonly Upcoming[] => {
  const { id, spec, doneTo, paused } = schedule;
  const found: Upcoming[] = [];
  let afterMs = paused === null ? msOf(doneTo) : Math.max(msOf(doneTo), nowMs);
  const most = Math.min(max, firingsLeft(schedule));
  while (found.length < most) {
    const dueMs = times.nextAfter(afterMs);
    if (dueMs === null) break;
    found.push({ dueMs, firesMs: dueMs + jitterOf(id, dueMs, spec.jitterMs) });
    afterMs = dueMs;
  }
  return found;
};
