import { columns } from '../output.js';

/** A schedule as the API answers it, as far as it is shown. */
export type ScheduleAnswer = {
  readonly id: string;
  readonly status: 'active' | 'paused' | 'finished';
  readonly template: string;
  readonly template_version: string;
  readonly pinned_version: string | null;
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly priority: number;
  readonly workspace: string;
  readonly cron: string | null;
  readonly time_zone: string | null;
  readonly every: string | null;
  readonly at: string | null;
  readonly overlap: string;
  readonly catch_up: string;
  readonly jitter: string;
  readonly start_at: string | null;
  readonly end_at: string | null;
  readonly max_firings: number | null;
  readonly paused: { readonly reason: string; readonly by: string; readonly since: string } | null;
  readonly next: NextTime | null;
  readonly firings: number;
  readonly skipped: number;
  readonly queued: readonly string[];
  readonly open_tasks: readonly string[];
  readonly last_firing: {
    readonly fired_at: string;
    readonly task_id: string;
    readonly by_hand: boolean;
  } | null;
  readonly last_error: { readonly code: string; readonly message: string; readonly due_at: string } | null;
};

export type NextTime = { readonly due_at: string; readonly fires_at: string };

/** Ids named in one line. */
const NAMED_MAX = 5;

const short = (time: string): string => time.replace(/(:00)?\.000Z$/, 'Z');

/** When it is due, in words. */
export const ruleText = ({ cron, time_zone: zone, every, at }: ScheduleAnswer): string => {
  if (cron !== null) return `${cron} (${zone})`;
  return every === null ? `at ${short(at ?? '')}` : `every ${every}`;
};

export const scheduleRows = (schedules: readonly ScheduleAnswer[]): readonly string[] =>
  schedules.length === 0
    ? ['there are no schedules']
    : columns([
        ['ID', 'STATUS', 'DUE', 'TEMPLATE', 'NEXT', 'FIRED', 'LAST ERROR'],
        ...schedules.map((schedule) => [
          schedule.id,
          schedule.status,
          ruleText(schedule),
          schedule.template,
          schedule.next === null ? '-' : short(schedule.next.fires_at),
          String(schedule.firings),
          schedule.last_error?.code ?? '-',
        ]),
      ]);

/** All of a schedule. */
export const scheduleLines = (schedule: ScheduleAnswer): readonly string[] => {
  const { paused, next, last_firing: last, last_error: error } = schedule;
  const version = schedule.pinned_version ?? 'latest version';
  return [
    `${schedule.id}  ${schedule.status}  ${ruleText(schedule)}${windowText(schedule)}`,
    `  submits ${schedule.template} (${version}) in ${schedule.workspace}, priority ${schedule.priority}`,
    ...Object.entries(schedule.parameters ?? {}).map(
      ([name, value]) => `    ${name}: ${JSON.stringify(value)}`,
    ),
    `  while one is open: ${schedule.overlap}; missed: ${schedule.catch_up}; jitter: ${schedule.jitter}`,
    ...(paused === null ? [] : [`  paused by ${paused.by} since ${short(paused.since)}: ${paused.reason}`]),
    ...(next === null ? [] : [`  next: ${nextText(next)}`]),
    `  fired ${schedule.firings} times${last === null ? '' : `, last ${last.by_hand ? 'by hand ' : ''}at ${short(last.fired_at)} as ${last.task_id}`}; passed over ${schedule.skipped}`,
    ...named('open', schedule.open_tasks),
    ...named('waiting for its end', schedule.queued.map(short)),
    ...(error === null ? [] : [`  last error: ${error.code} at ${short(error.due_at)}: ${error.message}`]),
  ];
};

export const nextText = ({ due_at: due, fires_at: fires }: NextTime): string =>
  fires === due ? short(due) : `${short(due)}, put off until ${short(fires)}`;

const windowText = ({
  start_at: start,
  end_at: end,
  max_firings: most,
}: Pick<ScheduleAnswer, 'start_at' | 'end_at' | 'max_firings'>): string =>
  [
    start === null ? '' : `, from ${short(start)}`,
    end === null ? '' : `, until ${short(end)}`,
    most === null ? '' : `, at most ${most} times`,
  ].join('');

const named = (what: string, ids: readonly string[]): readonly string[] => {
  if (ids.length === 0) return [];
  const more = ids.length > NAMED_MAX ? ` and ${ids.length - NAMED_MAX} more` : '';
  return [`  ${what}: ${ids.slice(0, NAMED_MAX).join(', ')}${more}`];
};
