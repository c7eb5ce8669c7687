import type { Failure } from '#libs/domain/errors.js';
import type { ScheduleId } from '#libs/domain/ids.js';
import type { Upcoming } from '#libs/domain/schedule/decide-due.js';
import type { Schedule, ScheduledTask } from '#libs/domain/schedule/schedule.js';

/** Asks the scheduler that leads for one schedule, and its next due times, so many. */
export type ScheduleRequest = { readonly scheduleId: ScheduleId; readonly next: number };

export type ScheduleReply =
  | { readonly ok: true; readonly schedule: ScheduleState }
  | { readonly ok: false; readonly failure: Failure };

/** Asks for schedules in the order of their ids, those behind `after`. */
export type ScheduleListRequest = {
  readonly after?: ScheduleId;
  readonly limit: number;
  readonly workspace?: string;
};

export type ScheduleListReply = {
  readonly items: readonly ScheduleSummary[];
  /** `after` of the next request; null at the end. */
  readonly next: ScheduleId | null;
};

/** `finished`: it is not due any more. */
export type ScheduleState = Omit<Schedule, 'accepted'> & {
  readonly status: 'active' | 'paused' | 'finished';
  readonly next: readonly Upcoming[];
};

/** Without the parameters, which may be long. */
export type ScheduleSummary = Omit<ScheduleState, 'spec'> & {
  readonly spec: Omit<Schedule['spec'], 'task'> & { readonly task: Omit<ScheduledTask, 'parameters'> };
};
