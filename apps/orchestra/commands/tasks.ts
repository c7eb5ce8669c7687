import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import type { TaskPage, TaskView } from '#libs/contracts/queries.js';
import { readParameters } from '../client/parameters.js';
import type { Session } from '../session.js';
import { columns, type Output } from '../output.js';
import { resultText, statusText, taskLines } from './task-text.js';
import { endBy, stateText, waitForTask, watchTask } from './watch.js';

const collect = (value: string, before: readonly string[]): readonly string[] => [...before, value];

type SubmitOptions = {
  readonly param: readonly string[];
  readonly paramsFile?: string;
  readonly priority?: string;
  readonly dependsOn: readonly string[];
  readonly label: readonly string[];
  readonly workspace?: string;
  readonly idempotencyKey?: string;
  readonly watch?: boolean;
  readonly wait?: boolean;
};

/** Commands about tasks: submit, list, get, watch, logs, cancel, priority. */
export const addTaskCommands = (program: Command, session: () => Session): void => {
  program
    .command('submit <template>')
    .description('submit a task')
    .option(
      '-p, --param <key=value>',
      'parameter; JSON where it is JSON, @file for the text of a file, key:=text for text',
      collect,
      [],
    )
    .option('--params-file <file>', 'parameters as JSON or YAML; - for stdin')
    .option('--priority <n>', '1 to 10, 10 goes first')
    .option('--depends-on <id>', 'task that must complete first', collect, [])
    .option('--label <name=value>', 'label to find the task by', collect, [])
    .option('--workspace <name>', 'workspace')
    .option('--idempotency-key <key>', 'submitting again with the same key finds the first task')
    .option('--watch', 'show it until it is over')
    .option('--wait', 'wait until it is over, then print its result')
    .action(async (template: string, options: SubmitOptions) => await submit(template, options, session()));
  program
    .command('list')
    .description('list tasks, newest first')
    .option('--status <status>', 'queued, running, waiting, completed, failed, cancelled', collect, [])
    .option('--template <name>', 'template')
    .option('--label <name:value>', 'label', collect, [])
    .option('--created-from <time>', 'from this time (UTC, inclusive)')
    .option('--created-to <time>', 'up to this time (UTC, exclusive)')
    .option('--workspace <name>', 'workspace')
    .option('--limit <n>', 'at most this many', '50')
    .option('--all', 'all of them, page by page')
    .action(async (options: ListOptions) => await list(options, session()));
  program
    .command('get <id>')
    .description('show one task')
    .action(async (id: string) => {
      const { api, out } = session();
      const task = await api.call<TaskView>('GET', `/api/v1/tasks/${encodeURIComponent(id)}`);
      out.show(task, () => taskLines(task, out));
    });
  program
    .command('watch <id>')
    .description('follow a task: tokens and state until it is over')
    .action(async (id: string) => {
      const { api, out } = session();
      await watchTask(api, id, out);
    });
  program
    .command('logs <id>')
    .description("a task's history from the log")
    .action(async (id: string) => await logs(id, session()));
  program
    .command('cancel <id>')
    .description('cancel a task, and wait until its server was seen free')
    .option('--no-wait', 'only ask')
    .action(
      async (id: string, options: { readonly wait: boolean }) => await cancel(id, options.wait, session()),
    );
  program
    .command('priority <id> <n>')
    .description('change the priority of an open task')
    .action(async (id: string, n: string) => {
      const { api, out } = session();
      const task = await api.call<TaskView>('PATCH', `/api/v1/tasks/${encodeURIComponent(id)}/priority`, {
        body: { priority: Number(n) },
      });
      out.show(task, () => taskLines(task, out));
    });
};

const submit = async (template: string, options: SubmitOptions, { api, out }: Session): Promise<void> => {
  const labels = Object.fromEntries(
    options.label.map((label) => label.split(/=(.*)/s).slice(0, 2) as [string, string]),
  );
  const body = {
    template,
    parameters: await readParameters(options.param, options.paramsFile),
    ...(options.priority === undefined ? {} : { priority: Number(options.priority) }),
    ...(options.dependsOn.length === 0 ? {} : { depends_on: options.dependsOn }),
    ...(options.label.length === 0 ? {} : { labels }),
    ...(options.workspace === undefined ? {} : { workspace: options.workspace }),
  };
  const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
  const task = await api.call<{ readonly id: string; readonly status: string }>('POST', '/api/v1/tasks', {
    body,
    headers,
  });
  if (options.watch) return await watchTask(api, task.id, out);
  if (!options.wait) return out.show(task, () => [task.id]);
  const ended = await waitForTask(api, task.id);
  out.show(ended, () => (ended.result === null ? [] : [resultText(ended.result)]));
  endBy(ended);
};

type ListOptions = {
  readonly status: readonly string[];
  readonly template?: string;
  readonly label?: readonly string[];
  readonly createdFrom?: string;
  readonly createdTo?: string;
  readonly workspace?: string;
  readonly limit: string;
  readonly all?: boolean;
};

/** Largest page of the API. */
const PAGE_MAX = 200;

const list = async (options: ListOptions, { api, out }: Session): Promise<void> => {
  const limit = options.all ? Number.POSITIVE_INFINITY : Number(options.limit);
  const items: TaskView[] = [];
  let after: string | null = null;
  do {
    const page: TaskPage = await api.call<TaskPage>('GET', '/api/v1/tasks', {
      query: {
        ...(options.status.length > 0 ? { status: options.status } : {}),
        template: options.template,
        ...(options.label && options.label.length > 0 ? { label: options.label } : {}),
        created_from: options.createdFrom,
        created_to: options.createdTo,
        workspace: options.workspace,
        page_size: Math.min(PAGE_MAX, limit - items.length),
        ...(after === null ? {} : { after }),
      },
    });
    items.push(...page.items);
    after = page.next;
  } while (after !== null && items.length < limit);
  out.show(items, () => listLines(items, out));
};

const listLines = (items: readonly TaskView[], out: Output): readonly string[] =>
  columns([
    ['ID', 'STATUS', 'PRIO', 'TEMPLATE', 'CREATED', 'ENDED'],
    ...items.map((task) => [
      task.id,
      task.status,
      String(task.priority),
      task.template.name,
      task.created_at,
      task.ended_at ?? '',
    ]),
  ]).map((line, n) => {
    const status = items[n - 1]?.status;
    return status === undefined ? out.colour('bold', line) : line.replace(status, statusText(status, out));
  });

type History = {
  readonly items: readonly {
    readonly seq: number;
    readonly type: string;
    readonly time: string;
    readonly data: unknown;
  }[];
  readonly next_after_seq: number | null;
};

const logs = async (id: string, { api, out }: Session): Promise<void> => {
  let afterSeq: number | null = 0;
  while (afterSeq !== null) {
    const page: History = await api.call<History>('GET', `/api/v1/tasks/${encodeURIComponent(id)}/events`, {
      query: { after_seq: afterSeq },
    });
    for (const item of page.items)
      out.line(item, `${String(item.seq).padStart(8)}  ${stateText({ event: item.type, data: item })}`);
    afterSeq = page.next_after_seq;
  }
};

const cancel = async (id: string, wait: boolean, { api, out }: Session): Promise<void> => {
  const asked = await api.call<TaskView>('DELETE', `/api/v1/tasks/${encodeURIComponent(id)}`);
  const task = wait && asked.status !== 'cancelled' ? await waitForTask(api, asked.id) : asked;
  out.show(task, () => taskLines(task, out));
};
