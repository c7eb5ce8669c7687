import type { FireSchedule, ScheduleCommand } from '#libs/contracts/commands.js';
import type { ScheduleReply, ScheduleListReply } from '#libs/contracts/schedule-queries.js';
import { cronTimes } from '#libs/cron/cron-times.js';
import { decideDue, upcoming } from '#libs/domain/schedule/decide-due.js';
import {
  pauseSchedule,
  putSchedule,
  removeSchedule,
  resumeSchedule,
  unknownSchedule,
} from '#libs/domain/schedule/decide-schedule.js';
import { dueTimesOf, type DueTimes } from '#libs/domain/schedule/due-times.js';
import { fireByHand, fireDue, type FiringGiven } from '#libs/domain/schedule/fire-schedule.js';
import type { Schedule } from '#libs/domain/schedule/schedule.js';
import type { ScheduleEvent } from '#libs/domain/schedule/schedule-events.js';
import type { ScheduleId } from '#libs/domain/ids.js';
import { promiseFor } from '#libs/domain/policy/promise.js';
import type { Refused } from '#libs/domain/task/decide.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { Timetable } from '#libs/domain/task/timetable.js';
import { EventTooLargeError } from '#libs/event-log/event-log.js';
import { rfc3339, type Clock } from '#libs/runtime/clock.js';
import type { Logger } from '#libs/runtime/logger.js';
import { plannedTask } from './planned-task.js';
import type { Recorder } from './recorder.js';
import { scheduleReply, scheduleSummary } from './schedule-replies.js';

export type DeskOptions = {
  readonly recorder: Recorder;
  readonly clock: Clock;
  readonly openTasksMax: number;
  readonly logger: Logger;
};

/** Decisions in one turn, over all schedules: after a long downtime there may be many, and others wait. The rest follows a tick later. */
const DECISIONS_PER_TURN = 200;

/** A time that has passed, even when the clock is set back. */
const AT_ONCE_MS = 0;

/**
 * Fires what is due. All that it knows is in the book; the timetable is made of it again at the beginning of a term, so that every due time
 * that the last leader did not decide is decided by this one.
 */
export class ScheduleDesk {
  readonly #timetable = new Timetable<ScheduleId>();
  /** Schedules of which a due time waits for the end of a task. */
  readonly #waiting = new Set<ScheduleId>();
  readonly #times = new Map<ScheduleId, { readonly of: Schedule['spec']; readonly times: DueTimes }>();

  constructor(private readonly options: DeskOptions) {}

  /** Tasks that were fired by one who did not come to submit them. Before anything else in a term: nobody sees a firing without its task. */
  complete(): void {
    const { recorder } = this.options;
    for (const { accepted } of recorder.book.schedules.values())
      if (accepted) recorder.record([{ type: 'task.submitted', ...accepted }]);
  }

  /** What has become due while nobody led. */
  begin(): void {
    for (const id of this.options.recorder.book.schedules.keys()) this.#timetable.set(id, AT_ONCE_MS);
    this.tick();
  }

  /** Decides what is due by now. */
  tick(): void {
    const { recorder, clock } = this.options;
    const nowMs = clock.nowMs();
    let left = DECISIONS_PER_TURN;
    for (const id of this.#waiting)
      if (recorder.book.schedules.get(id)?.open.length === 0) this.#timetable.set(id, AT_ONCE_MS);
    for (const id of this.#timetable.takeDue(nowMs)) left -= this.#decide(id, nowMs, left);
  }

  /** What a command makes, decided after what was due before it. */
  decide(
    command: ScheduleCommand,
  ): readonly (ScheduleEvent | TaskEvent)[] | Refused | { readonly repeatedOf: string } {
    this.tick();
    const { recorder, clock } = this.options;
    const at = rfc3339(clock.nowMs());
    const { scheduleId } = command;
    switch (command.kind) {
      case 'put-schedule':
        return putSchedule(scheduleId, command.schedule, recorder.book, { at, cronTimes });
      case 'remove-schedule':
        return removeSchedule(scheduleId, recorder.book, at);
      case 'pause-schedule':
        return pauseSchedule(scheduleId, command, recorder.book, at);
      case 'resume-schedule':
        return resumeSchedule(scheduleId, command.by, recorder.book, at);
      case 'fire-schedule':
        return this.#fireByHand(command, at);
    }
  }

  /** After a command about it was recorded. */
  changed(id: ScheduleId): void {
    this.#look(id);
  }

  reply(id: ScheduleId, next: number): ScheduleReply {
    const { recorder, clock } = this.options;
    const schedule = recorder.book.schedules.get(id);
    if (schedule === undefined) return { ok: false, failure: unknownSchedule(id).refused };
    return { ok: true, schedule: scheduleReply(schedule, this.#upcoming(schedule, clock.nowMs(), next)) };
  }

  /** By id, those after `after`. */
  list({
    after,
    limit,
    workspace,
  }: {
    readonly after?: string;
    readonly limit: number;
    readonly workspace?: string;
  }): ScheduleListReply {
    const { recorder, clock } = this.options;
    const nowMs = clock.nowMs();
    const fit = [...recorder.book.schedules.values()]
      .filter(
        ({ id, spec }) => id > (after ?? '') && (workspace ?? spec.task.workspace) === spec.task.workspace,
      )
      .toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const items = fit
      .slice(0, limit)
      .map((schedule) => scheduleSummary(schedule, this.#upcoming(schedule, nowMs, 1)));
    return { items, next: fit.length > limit ? (items.at(-1)?.id ?? null) : null };
  }

  #upcoming(schedule: Schedule, nowMs: number, max: number) {
    return upcoming(schedule, this.#timesOf(schedule), { nowMs, max });
  }

  /** Decides about a schedule as long as there is something to decide. Answers how many decisions that were. */
  #decide(id: ScheduleId, nowMs: number, most: number): number {
    const { recorder } = this.options;
    for (let made = 0; made < most; made += 1) {
      const schedule = recorder.book.schedules.get(id);
      if (schedule === undefined) return made;
      const decision = decideDue(schedule, this.#timesOf(schedule), nowMs);
      if (decision.kind === 'facts') recorder.record(decision.events);
      else if (decision.kind === 'fire') this.#fire(schedule, decision.dueMs, rfc3339(nowMs));
      else {
        this.#look(id);
        return made;
      }
    }
    this.#timetable.set(id, AT_ONCE_MS);
    return most;
  }

  #fire(schedule: Schedule, dueMs: number, at: string): void {
    const { recorder, logger } = this.options;
    const given = this.#given(schedule, at);
    try {
      recorder.record(fireDue(schedule, dueMs, recorder.book, given));
    } catch (error) {
      if (!(error instanceof EventTooLargeError)) throw error;
      const failure = { code: 'BODY_TOO_LARGE', message: error.message } as const;
      const planned = { ok: false, failure } as const;
      recorder.record(fireDue(schedule, dueMs, recorder.book, { ...given, planned }));
    }
    const { lastError } = recorder.book.schedules.get(schedule.id) ?? schedule;
    if (lastError !== schedule.lastError)
      logger.warn({ schedule: schedule.id, failure: lastError?.failure }, 'a firing was refused');
  }

  #fireByHand({ scheduleId, taskId, idempotency }: FireSchedule, at: string) {
    const { recorder } = this.options;
    const schedule = recorder.book.schedules.get(scheduleId);
    if (schedule === undefined) return unknownSchedule(scheduleId);
    const wanted = { taskId, ...(idempotency === undefined ? {} : { idempotency }) };
    return fireByHand(schedule, wanted, recorder.book, this.#given(schedule, at));
  }

  #given({ spec }: Schedule, at: string): FiringGiven {
    const { recorder, openTasksMax } = this.options;
    const { book, index } = recorder;
    return {
      planned: plannedTask(spec.task, book),
      at,
      openTasksMax,
      promise: (submission) => promiseFor(submission, book, index.bounds),
    };
  }

  /** Puts down when to decide about it next. */
  #look(id: ScheduleId): void {
    const { recorder, clock } = this.options;
    const schedule = recorder.book.schedules.get(id);
    if (schedule === undefined) {
      this.#timetable.delete(id);
      this.#waiting.delete(id);
      this.#times.delete(id);
      return;
    }
    if (schedule.queued.length > 0) this.#waiting.add(id);
    else this.#waiting.delete(id);
    const nowMs = clock.nowMs();
    const decision = decideDue(schedule, this.#timesOf(schedule), nowMs);
    if (decision.kind === 'rest') this.#timetable.delete(id);
    else this.#timetable.set(id, decision.kind === 'wait' ? decision.untilMs : AT_ONCE_MS);
  }

  #timesOf(schedule: Schedule): DueTimes {
    const known = this.#times.get(schedule.id);
    if (known?.of === schedule.spec) return known.times;
    const times = dueTimesOf(schedule, cronTimes);
    this.#times.set(schedule.id, { of: schedule.spec, times });
    return times;
  }
}
