import type { ScheduleId, TaskId } from '../ids.js';
import type { Schedule } from './schedule.js';
import type { SchedulePart } from './schedule-part.js';
import type { ScheduleEvent } from './schedule-events.js';

type Schedules = Map<ScheduleId, Schedule>;

export const isScheduleEvent = (event: { readonly type: string }): event is ScheduleEvent =>
  event.type.startsWith('schedule.');

/** Copies the fact into the schedules; never refuses. */
export const applyToSchedules = (schedules: Schedules, event: ScheduleEvent): void => {
  const { scheduleId, at } = event;
  if (event.type === 'schedule.removed') {
    schedules.delete(scheduleId);
    return;
  }
  if (event.type === 'schedule.created') {
    const fresh = { firings: 0, skipped: 0, queued: [], open: [], accepted: null, paused: null };
    const { schedule: spec } = event;
    const begun = { createdAt: at, changedAt: at, doneTo: at, lastFiring: null, lastError: null };
    schedules.set(scheduleId, { id: scheduleId, spec, ...begun, ...fresh });
    return;
  }
  const schedule = schedules.get(scheduleId);
  if (schedule) schedules.set(scheduleId, evolved(schedule, event));
};

type Later = Exclude<ScheduleEvent, { readonly type: 'schedule.created' | 'schedule.removed' }>;

const evolved = (schedule: Schedule, event: Later): Schedule => {
  const { at } = event;
  switch (event.type) {
    case 'schedule.changed':
      return { ...doneBy(schedule, at), spec: event.schedule, changedAt: at, lastError: null };
    case 'schedule.paused':
      return { ...schedule, paused: { reason: event.reason, by: event.by, since: at } };
    case 'schedule.resumed':
      return { ...doneBy(schedule, at), paused: null };
    case 'schedule.queued':
      return { ...doneBy(schedule, event.dueAt), queued: [...schedule.queued, event.dueAt] };
    case 'schedule.skipped':
      return {
        ...doneBy(withoutQueued(schedule, event.lastDueAt), event.lastDueAt),
        skipped: schedule.skipped + event.count,
      };
    case 'schedule.failed': {
      const { dueAt, failure } = event;
      const lastError = { dueAt, at, failure };
      return { ...doneBy(withoutQueued(schedule, dueAt), dueAt), lastError };
    }
    case 'schedule.fired': {
      const { dueAt, byHand, task } = event;
      const fired = { accepted: task, lastFiring: { dueAt, at, taskId: task.taskId, byHand } };
      if (byHand) return { ...schedule, ...fired };
      const { firings } = schedule;
      return { ...doneBy(withoutQueued(schedule, dueAt), dueAt), ...fired, firings: firings + 1 };
    }
  }
};

/** Never back: a clock may jump. */
const doneBy = (schedule: Schedule, time: string): Schedule =>
  time > schedule.doneTo ? { ...schedule, doneTo: time } : schedule;

const withoutQueued = (schedule: Schedule, dueAt: string): Schedule =>
  schedule.queued.length === 0
    ? schedule
    : { ...schedule, queued: schedule.queued.filter((queued) => queued !== dueAt) };

export const scheduledTaskBegan = (schedules: Schedules, part: SchedulePart, taskId: TaskId): void => {
  const schedule = schedules.get(part.scheduleId);
  if (schedule) schedules.set(schedule.id, { ...schedule, accepted: null, open: [...schedule.open, taskId] });
};

export const scheduledTaskEnded = (schedules: Schedules, part: SchedulePart, taskId: TaskId): void => {
  const schedule = schedules.get(part.scheduleId);
  if (schedule)
    schedules.set(schedule.id, { ...schedule, open: schedule.open.filter((id) => id !== taskId) });
};
