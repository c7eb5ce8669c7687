import fc from 'fast-check';
import { decideDue } from '#libs/domain/schedule/decide-due.js';
import {
  pauseSchedule,
  putSchedule,
  removeSchedule,
  resumeSchedule,
} from '#libs/domain/schedule/decide-schedule.js';
import { dueTimesOf, type CronTimes } from '#libs/domain/schedule/due-times.js';
import { fireByHand, fireDue, type FiringGiven } from '#libs/domain/schedule/fire-schedule.js';
import { CATCH_UPS, OVERLAPS } from '#libs/domain/schedule/schedule.js';
import { cancelTask, isRefused } from '#libs/domain/task/decide.js';
import type { TaskBook, TaskRecord } from '#libs/domain/task/task-book.js';
import { rfc3339Of } from '#libs/domain/time.js';
import { scheduleSpec, stepSpec, TEMPLATE } from './builders.js';

/** Facts are a second apart where these are played: a schedule is due every few of them. */
export const scheduleAction = fc.record({
  what: fc.constantFrom('put', 'due', 'due', 'due', 'end', 'pause', 'resume', 'resume', 'fire', 'remove'),
  schedule: fc.constantFrom('s0', 's1'),
  overlap: fc.constantFrom(...OVERLAPS),
  catchUp: fc.constantFrom(...CATCH_UPS),
  everyMs: fc.constantFrom(2_000, 7_000),
  firingsMax: fc.constantFrom(undefined, 3),
  /** Whether the parameters fit the template. */
  fits: fc.constantFrom(true, true, true, false),
});
export type ScheduleAction = typeof scheduleAction extends fc.Arbitrary<infer A> ? A : never;

type World = {
  readonly book: TaskBook;
  readonly log: readonly unknown[];
  readonly nowMs: number;
  readonly append: (events: readonly TaskRecord['event'][]) => void;
};

const NO_CRON: CronTimes = () => {
  throw new Error('no schedule here has a cron expression');
};

/** Decisions in one go: a schedule that is due every other second is decided for in a fact each. */
const DECISIONS_MAX = 20;

export const actOnSchedules = (world: World, action: ScheduleAction, openTasksMax: number): void => {
  const { book } = world;
  const { schedule: id, overlap, catchUp, everyMs, firingsMax } = action;
  const at = rfc3339Of(world.nowMs);
  const append = (decision: readonly TaskRecord['event'][] | object): void => {
    if (Array.isArray(decision)) world.append(decision as readonly TaskRecord['event'][]);
  };
  switch (action.what) {
    case 'put': {
      const rule = { kind: 'every', everyMs } as const;
      const spec = scheduleSpec({
        rule,
        overlap,
        catchUp,
        ...(firingsMax === undefined ? {} : { firingsMax }),
      });
      return append(putSchedule(id, spec, book, { at, cronTimes: NO_CRON }));
    }
    case 'pause':
      return append(pauseSchedule(id, { reason: 'x', by: 'ada' }, book, at));
    case 'resume':
      return append(resumeSchedule(id, 'ada', book, at));
    case 'remove':
      return append(removeSchedule(id, book, at));
    case 'fire': {
      const schedule = book.schedules.get(id);
      const taskId = `hand-${world.log.length}`;
      if (schedule) append(fireByHand(schedule, { taskId }, book, givenAt(at, action, openTasksMax)));
      return;
    }
    case 'end':
      for (const taskId of book.schedules.get(id)?.open ?? []) {
        const decision = cancelTask(taskId, 'done', book, rfc3339Of(world.nowMs));
        if (!isRefused(decision)) world.append(decision);
      }
      return;
    case 'due':
      return due(world, action, openTasksMax);
  }
};

const due = (world: World, action: ScheduleAction, openTasksMax: number): void => {
  for (let made = 0; made < DECISIONS_MAX; made += 1) {
    const schedule = world.book.schedules.get(action.schedule);
    if (schedule === undefined) return;
    const decision = decideDue(schedule, dueTimesOf(schedule, NO_CRON), world.nowMs);
    if (decision.kind === 'rest' || decision.kind === 'wait') return;
    const given = givenAt(rfc3339Of(world.nowMs), action, openTasksMax);
    world.append(
      decision.kind === 'facts' ? decision.events : fireDue(schedule, decision.dueMs, world.book, given),
    );
  }
};

const givenAt = (at: string, { fits }: ScheduleAction, openTasksMax: number): FiringGiven => ({
  at,
  openTasksMax,
  promise: () => null,
  planned: fits
    ? { ok: true, template: TEMPLATE, parameters: {}, steps: [stepSpec('a')] }
    : { ok: false, failure: { code: 'PARAMETERS_INVALID', message: 'they do not fit' } },
});
