import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { CATCH_UPS, OVERLAPS } from '#libs/domain/schedule/schedule.js';
import { duration, labelPair, oneOf, several, severalLabels, timeAhead, wholeNumber } from '../arguments.js';
import { readObject, readParameters } from '../client/parameters.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import { userName } from '../user-name.js';
import {
  nextText,
  scheduleLines,
  scheduleRows,
  type NextTime,
  type ScheduleAnswer,
} from './schedule-text.js';

const PATH = '/api/v1/schedules';
const pathOf = (id: string): string => `${PATH}/${encodeURIComponent(id)}`;

type Stored = { readonly status: 'accepted' };
type Page = { readonly items: readonly ScheduleAnswer[]; readonly next: string | null };
type Fired = { readonly id: string; readonly status: 'queued' | 'accepted' };

type AddOptions = {
  readonly file?: string;
  readonly param: readonly string[];
  readonly paramsFile?: string;
  readonly label: readonly string[];
  readonly queueTtl?: number;
  readonly deadline?: number;
  readonly pin?: boolean;
} & Readonly<Record<PlainOption, string | number | undefined>>;

/** Options that are fields of the request under another spelling. */
const PLAIN = {
  cron: 'cron',
  timeZone: 'time_zone',
  every: 'every',
  at: 'at',
  priority: 'priority',
  workspace: 'workspace',
  overlap: 'overlap',
  catchUp: 'catch_up',
  jitter: 'jitter',
  start: 'start_at',
  end: 'end_at',
  maxFirings: 'max_firings',
} as const;
type PlainOption = keyof typeof PLAIN;

/** `orchestra schedules`: tasks that are submitted by the clock. */
export const addScheduleCommands = (program: Command, session: () => Session): void => {
  const schedules = program.command('schedules').description('tasks that are submitted by the clock');
  addLookCommands(schedules, session);
  addAddCommand(schedules, session);
  addChangeCommands(schedules, session);
};

const addLookCommands = (schedules: Command, session: () => Session): void => {
  schedules
    .command('list', { isDefault: true })
    .description('all of them: when each is due next, and its last error')
    .option('--workspace <name>', 'those of one workspace')
    .action(async ({ workspace }: { readonly workspace?: string }) => {
      const { api, out } = session();
      const items: ScheduleAnswer[] = [];
      for (let after: string | null | undefined; after !== null;) {
        const page: Page = await api.call<Page>('GET', PATH, { query: { workspace, after, page_size: 100 } });
        items.push(...page.items);
        after = page.next;
      }
      out.show(items, () => scheduleRows(items));
    });
  schedules
    .command('show <id>')
    .description('one schedule: what it submits and when, its last firing and its last error')
    .action(async (id: string) => {
      const { api, out } = session();
      show(await api.call<ScheduleAnswer>('GET', pathOf(id)), out);
    });
  schedules
    .command('next <id>')
    .description('when it is due next')
    .option('--count <n>', 'so many times', wholeNumber(1, 100), 10)
    .action(async (id: string, { count }: { readonly count: number }) => {
      const { api, out } = session();
      const { items } = await api.call<{ readonly items: readonly NextTime[] }>('GET', `${pathOf(id)}/next`, {
        query: { count },
      });
      out.show(items, () => (items.length === 0 ? ['it is not due any more'] : items.map(nextText)));
    });
};

const addAddCommand = (schedules: Command, session: () => Session): void => {
  schedules
    .command('add <id> [template]')
    .description(
      'create a schedule, or replace all that it says; one of --cron, --every and --at says when it is due',
    )
    .option(
      '--file <file>',
      'all of it as JSON or YAML, by the names of the API; - for stdin; options count beside it',
    )
    .option('--cron <expression>', 'five fields, or six with seconds first, such as "30 2 * * 1-5"')
    .option('--time-zone <name>', 'of --cron, such as Europe/Berlin; UTC unless given')
    .option('--every <time>', 'so often, such as 15m')
    .option('--at <time>', 'once: a time in UTC, or from now on, such as 2h', timeAhead())
    .option('-p, --param <key=value>', 'parameter, as of submit', several, [])
    .option('--params-file <file>', 'parameters as JSON or YAML; - for stdin')
    .option('--priority <n>', '1 to 10, 10 goes first', wholeNumber(1, 10))
    .option('--label <name=value>', 'label of its tasks; may be given several times', severalLabels, [])
    .option('--workspace <name>', 'workspace')
    .option(
      '--queue-ttl <time>',
      'a task fails when nothing of it has started by then, such as 30m',
      duration,
    )
    .option('--deadline <time>', 'so long after its due time a task should be done', duration)
    .option('--pin', 'always this version of the template, and not the latest')
    .option('--overlap <how>', `while an earlier task is open: ${OVERLAPS.join(', ')}`, oneOf(OVERLAPS))
    .option('--catch-up <how>', `after a downtime: ${CATCH_UPS.join(', ')}`, oneOf(CATCH_UPS))
    .option('--jitter <time>', 'put each firing off by up to this much')
    .option('--start <time>', 'not due before', timeAhead())
    .option('--end <time>', 'not due after', timeAhead())
    .option('--max-firings <n>', 'firings in all', wholeNumber(1, 1_000_000_000))
    .action(async (id: string, template: string | undefined, options: AddOptions) => {
      const { api, out } = session();
      show(
        await api.call<ScheduleAnswer | Stored>('PUT', pathOf(id), { body: await bodyOf(template, options) }),
        out,
      );
    });
};

const bodyOf = async (template: string | undefined, options: AddOptions): Promise<object> => {
  const { file, param, paramsFile, label, queueTtl, deadline, pin } = options;
  const given = file === undefined ? {} : await readObject(file, 'a schedule');
  const parameters = await readParameters(param, paramsFile);
  const plain = Object.entries(PLAIN).flatMap(([option, field]) => {
    const value = options[option as PlainOption];
    return value === undefined ? [] : [[field, value] as const];
  });
  return {
    ...given,
    ...(template === undefined ? {} : { template }),
    ...(Object.keys(parameters).length === 0 ? {} : { parameters }),
    ...(label.length === 0 ? {} : { labels: Object.fromEntries(label.map(labelPair)) }),
    ...(queueTtl === undefined ? {} : { queue_ttl_ms: queueTtl }),
    ...(deadline === undefined ? {} : { deadline_ms: deadline }),
    ...(pin === true ? { template_version: 'pinned' } : {}),
    ...Object.fromEntries(plain),
  };
};

const addChangeCommands = (schedules: Command, session: () => Session): void => {
  schedules
    .command('remove <id>')
    .description('remove a schedule; its tasks go on')
    .action(async (id: string) => {
      const { api, out } = session();
      const answer = await api.call<Stored | '' | undefined>('DELETE', pathOf(id));
      if (answer) show(answer, out);
      out.show({ id, removed: true }, () => [`${id} is removed`]);
    });
  schedules
    .command('pause <id>')
    .description('not due until it is resumed; nothing is made up for then')
    .option('--reason <text>', 'why')
    .option('--by <name>', 'who; your name here unless given')
    .action(
      async (id: string, { reason, by = userName() }: { readonly reason?: string; readonly by?: string }) => {
        const { api, out } = session();
        const body = { by, ...(reason === undefined ? {} : { reason }) };
        show(await api.call<ScheduleAnswer | Stored>('POST', `${pathOf(id)}/pause`, { body }), out);
      },
    );
  schedules
    .command('resume <id>')
    .description('due again from now on')
    .option('--by <name>', 'who; your name here unless given')
    .action(async (id: string, { by = userName() }: { readonly by?: string }) => {
      const { api, out } = session();
      show(await api.call<ScheduleAnswer | Stored>('POST', `${pathOf(id)}/resume`, { body: { by } }), out);
    });
  schedules
    .command('fire <id>')
    .description('submit its task now, whatever else holds; prints the id of the task')
    .action(async (id: string) => {
      const { api, out } = session();
      const headers = { 'idempotency-key': randomUUID() };
      const fired = await api.call<Fired>('POST', `${pathOf(id)}/fire`, { headers });
      if (fired.status === 'accepted') out.note('stored; it is decided about as soon as a scheduler leads');
      out.show(fired, () => [fired.id]);
    });
};

const show = (answer: ScheduleAnswer | Stored, out: Session['out']): void => {
  if (answer.status === 'accepted')
    throw new CommandError(
      EXIT.unreachable,
      'The request is stored and will be decided; no scheduler leads.',
    );
  out.show(answer, () => scheduleLines(answer));
};
