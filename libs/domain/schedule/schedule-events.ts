import type { Failure } from '../errors.js';
import type { ScheduleId } from '../ids.js';
import type { TaskSubmitted } from '../task/events.js';
import type { ScheduleSpec } from './schedule.js';

/** Facts of the `TASKS` stream about schedules. Due times and `at` are RFC 3339 with milliseconds, UTC. */
export type ScheduleEvent =
  | ScheduleCreated
  | ScheduleChanged
  | ScheduleRemoved
  | SchedulePaused
  | ScheduleResumed
  | ScheduleFired
  | ScheduleQueued
  | ScheduleSkipped
  | ScheduleFailed;

export type ScheduleCreated = {
  readonly type: 'schedule.created';
  readonly scheduleId: ScheduleId;
  readonly schedule: ScheduleSpec;
  readonly at: string;
};

/** All of it; what was due until here was decided by what held before. */
export type ScheduleChanged = {
  readonly type: 'schedule.changed';
  readonly scheduleId: ScheduleId;
  readonly schedule: ScheduleSpec;
  readonly at: string;
};

/** Its tasks go on. */
export type ScheduleRemoved = {
  readonly type: 'schedule.removed';
  readonly scheduleId: ScheduleId;
  readonly at: string;
};

/** Nothing is due from here on. */
export type SchedulePaused = {
  readonly type: 'schedule.paused';
  readonly scheduleId: ScheduleId;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
};

/** Due again from here on; what would have been due meanwhile is not. */
export type ScheduleResumed = {
  readonly type: 'schedule.resumed';
  readonly scheduleId: ScheduleId;
  readonly by: string;
  readonly at: string;
};

/**
 * A due time has become a task, which is submitted right behind it. This one event is the decision: whoever leads next submits the
 * task if the log has no submission of it yet.
 */
export type ScheduleFired = {
  readonly type: 'schedule.fired';
  readonly scheduleId: ScheduleId;
  readonly dueAt: string;
  /** Somebody asked for it; `dueAt` is when. */
  readonly byHand: boolean;
  readonly task: Omit<TaskSubmitted, 'type'>;
  readonly at: string;
};

/** A due time waits until the earlier tasks of the schedule are over. */
export type ScheduleQueued = {
  readonly type: 'schedule.queued';
  readonly scheduleId: ScheduleId;
  readonly dueAt: string;
  readonly at: string;
};

/**
 * Due times that become no task. `missed`: nobody could decide them in time; `overlap`: an earlier task was open; `queue-full`: too
 * many waited for one already; `repeated`: the task is there already.
 */
export type ScheduleSkipped = {
  readonly type: 'schedule.skipped';
  readonly scheduleId: ScheduleId;
  readonly reason: 'missed' | 'overlap' | 'queue-full' | 'repeated';
  readonly firstDueAt: string;
  readonly lastDueAt: string;
  /** How many; at least so many where there were `more`. */
  readonly count: number;
  readonly more: boolean;
  readonly at: string;
};

/** The submission of a due time was refused. It is not tried again; the schedule goes on. */
export type ScheduleFailed = {
  readonly type: 'schedule.failed';
  readonly scheduleId: ScheduleId;
  readonly dueAt: string;
  readonly failure: Failure;
  readonly at: string;
};
