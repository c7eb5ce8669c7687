import type { ScheduleState, ScheduleSummary } from '#libs/contracts/schedule-queries.js';
import type { Upcoming } from '#libs/domain/schedule/decide-due.js';
import type { Schedule } from '#libs/domain/schedule/schedule.js';

/** A schedule as others see it. */
export const scheduleReply = (schedule: Schedule, next: readonly Upcoming[]): ScheduleState => {
  const { accepted: _, ...state } = schedule;
  return { ...state, status: statusOf(schedule, next), next };
};

export const scheduleSummary = (schedule: Schedule, next: readonly Upcoming[]): ScheduleSummary => {
  const { spec, ...rest } = scheduleReply(schedule, next);
  const { parameters: _, ...task } = spec.task;
  return { ...rest, spec: { ...spec, task } };
};

const statusOf = (
  { paused, queued }: Pick<Schedule, 'paused' | 'queued'>,
  next: readonly Upcoming[],
): ScheduleState['status'] => {
  if (paused !== null) return 'paused';
  return next.length === 0 && queued.length === 0 ? 'finished' : 'active';
};
