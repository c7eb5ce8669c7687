import type { Failure } from '../errors.js';
import type { ScheduleId, TaskId, WorkspaceId } from '../ids.js';
import type { TaskSubmitted } from '../task/events.js';
import { msOf } from '../time.js';

/** When a schedule is due. Times are RFC 3339, UTC. */
export type ScheduleRule =
  /** Five fields, or six with seconds first, as the clocks of this IANA time zone show the time. */
  | { readonly kind: 'cron'; readonly cron: string; readonly timeZone: string }
  /** Counted from the start of the schedule, or else from when it was created. */
  | { readonly kind: 'every'; readonly everyMs: number }
  | { readonly kind: 'at'; readonly at: string };

/** What becomes of a due time while a task of an earlier one is open. */
export const OVERLAPS = ['skip', 'queue', 'cancel_old'] as const;
export type Overlap = (typeof OVERLAPS)[number];

/** What becomes of due times that nobody could decide in time. */
export const CATCH_UPS = ['none', 'last', 'all'] as const;
export type CatchUp = (typeof CATCH_UPS)[number];

/** What a schedule submits. The parameters are as they were given: each firing checks them against its template. */
export type ScheduledTask = {
  readonly workspace: WorkspaceId;
  /** With a version, always that one; without, the one that was registered last. */
  readonly template: { readonly name: string; readonly version?: string };
  readonly parameters: Readonly<Record<string, unknown>>;
  /** Context window of models of which template and parameters say nothing, in tokens. */
  readonly numCtx: number;
  readonly priority: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly queueTtlMs?: number;
  /** Its deadline is so long after the due time. */
  readonly deadlineMs?: number;
};

/** All that somebody asked for. */
export type ScheduleSpec = {
  readonly rule: ScheduleRule;
  readonly task: ScheduledTask;
  readonly overlap: Overlap;
  readonly catchUp: CatchUp;
  /** Each firing is put off by up to this much, always by the same. */
  readonly jitterMs: number;
  /** Due times from here on count, and until there; both inclusive. */
  readonly startAt?: string;
  readonly endAt?: string;
  /** Firings in all; those by hand do not count. */
  readonly firingsMax?: number;
};

/** A schedule as the scheduler knows it. Values are replaced and never changed, as tasks are. */
export type Schedule = {
  readonly id: ScheduleId;
  readonly spec: ScheduleSpec;
  readonly createdAt: string;
  readonly changedAt: string;
  readonly paused: SchedulePause | null;
  /** Due times up to here are dealt with. */
  readonly doneTo: string;
  readonly firings: number;
  /** Due times that were passed over; at least so many. */
  readonly skipped: number;
  /** Due times that wait for the end of an earlier task, oldest first. */
  readonly queued: readonly string[];
  /** Its tasks that have not ended. */
  readonly open: readonly TaskId[];
  /** Fired, and the log has no submission of it yet. */
  readonly accepted: Omit<TaskSubmitted, 'type'> | null;
  readonly lastFiring: Firing | null;
  readonly lastError: FiringError | null;
};

export type SchedulePause = { readonly reason: string; readonly by: string; readonly since: string };

export type Firing = {
  readonly dueAt: string;
  readonly at: string;
  readonly taskId: TaskId;
  readonly byHand: boolean;
};

export type FiringError = { readonly dueAt: string; readonly at: string; readonly failure: Failure };

/** Where an interval counts from, milliseconds since 1970. */
export const countsFromMs = ({ spec, createdAt }: Pick<Schedule, 'spec' | 'createdAt'>): number =>
  msOf(spec.startAt ?? createdAt);

/** Firings that may still be decided; those that wait are decided already. */
export const firingsLeft = ({ spec, firings, queued }: Schedule): number =>
  (spec.firingsMax ?? Number.POSITIVE_INFINITY) - firings - queued.length;
