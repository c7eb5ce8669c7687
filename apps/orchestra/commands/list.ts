import type { Command } from 'commander';
import { TASK_STATUSES, type TaskPage, type TaskStatus, type TaskView } from '#libs/contracts/queries.js';
import { oneOf, pointInTime, severalLabels, wholeNumber } from '../arguments.js';
import type { Session } from '../session.js';
import { columns, type Output } from '../output.js';
import { statusText } from './task-text.js';

type ListOptions = {
  readonly status: readonly TaskStatus[];
  readonly template?: string;
  readonly label: readonly string[];
  readonly createdFrom?: string;
  readonly createdTo?: string;
  readonly workspace?: string;
  readonly workflow?: string;
  readonly parent?: string;
  readonly limit: number;
  readonly all?: boolean;
  readonly failed?: boolean;
};

/** Largest page of the API. */
const PAGE_MAX = 200;

/** What a person reads; more has to be asked for. */
const LIMIT_DEFAULT = 50;

/** `orchestra list`: the newest tasks, or all of them page by page. */
export const addListCommand = (program: Command, session: () => Session): void => {
  const status = oneOf(TASK_STATUSES);
  program
    .command('list')
    .description('list tasks, newest first')
    .option(
      '--status <status>',
      `${TASK_STATUSES.join(', ')}; may be given several times`,
      (text: string, before: readonly TaskStatus[]) => [...before, status(text)],
      [],
    )
    .option('--failed', 'those that failed, each with its last error; the same as --status failed')
    .option('--template <name>', 'template')
    .option('--label <name=value>', 'label; all that are given must match', severalLabels, [])
    .option('--created-from <time>', 'from this time on (UTC), or how long ago, such as 2h', pointInTime())
    .option('--created-to <time>', 'before this time (UTC), or how long ago', pointInTime())
    .option('--workspace <name>', 'workspace')
    .option('--workflow <id>', 'tasks of this workflow')
    .option('--parent <id>', 'tasks that steps of this task submitted')
    .option('--limit <n>', 'at most this many', wholeNumber(1, 1_000_000), LIMIT_DEFAULT)
    .option('--all', 'all of them; with --json one per line')
    .action(async (options: ListOptions) => {
      const statuses: ListOptions['status'] = options.failed ? ['failed'] : options.status;
      await list({ ...options, status: statuses }, session());
    });
};

const list = async (options: ListOptions, session: Session): Promise<void> => {
  const { out } = session;
  if (options.all) {
    // Written page by page, because a history of millions does not fit into memory.
    let first = true;
    for await (const page of pages(options, Number.POSITIVE_INFINITY, session)) {
      const lines = listLines(page, options, out).slice(first ? 0 : 1);
      if (!out.json) for (const line of lines) out.line(null, line);
      else for (const task of page) out.line(task, '');
      first = false;
    }
    return;
  }
  const items: TaskView[] = [];
  for await (const page of pages(options, options.limit, session)) items.push(...page);
  out.show(items, () => listLines(items, options, out));
};

async function* pages(
  options: ListOptions,
  limit: number,
  { api }: Session,
): AsyncIterable<readonly TaskView[]> {
  const filter = {
    ...(options.status.length > 0 ? { status: options.status } : {}),
    ...(options.label.length > 0 ? { label: options.label } : {}),
    template: options.template,
    created_from: options.createdFrom,
    created_to: options.createdTo,
    workspace: options.workspace,
    workflow_id: options.workflow,
    parent: options.parent,
  };
  let left = limit;
  let after: string | null = null;
  do {
    const query = { ...filter, page_size: Math.min(PAGE_MAX, left), ...(after === null ? {} : { after }) };
    const page: TaskPage = await api.call<TaskPage>('GET', '/api/v1/tasks', { query });
    yield page.items;
    left -= page.items.length;
    after = page.next;
  } while (after !== null && left > 0);
}

const HEAD = ['ID', 'STATUS', 'PRIO', 'TEMPLATE', 'CREATED', 'ENDED'];

const listLines = (
  items: readonly TaskView[],
  { failed = false }: ListOptions,
  out: Output,
): readonly string[] =>
  columns([
    failed ? [...HEAD, 'ERROR'] : HEAD,
    ...items.map((task) => [
      task.id,
      task.status,
      String(task.priority),
      task.template.name,
      task.created_at,
      task.ended_at ?? '',
      ...(failed ? [errorText(task)] : []),
    ]),
  ]).map((line, n) => {
    const status = items[n - 1]?.status;
    return status === undefined ? out.colour('bold', line) : line.replace(status, statusText(status, out));
  });

/** Where it went wrong and how; one line for each task. */
const errorText = ({ last_error: error }: TaskView): string => {
  if (error === null) return '';
  const where = error.step_id === null ? '' : `${error.step_id} #${error.attempt} on ${error.server_id}: `;
  return `${where}${error.code}: ${error.message.replaceAll('\n', ' ')}`;
};
