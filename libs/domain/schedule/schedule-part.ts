import type { ScheduleId } from '../ids.js';

/** A task's place in its schedule. */
export type SchedulePart = { readonly scheduleId: ScheduleId; readonly dueAt: string };
