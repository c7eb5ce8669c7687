import type { Command } from 'commander';
import type { TaskView } from '#libs/contracts/queries.js';
import { wholeNumber } from '../arguments.js';
import { textOf } from '../client/parameters.js';
import { taskPath, type Undecided } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { columns } from '../output.js';
import type { Session } from '../session.js';
import { userName } from '../user-name.js';
import { showTask } from './task-text.js';

/** A question as the API lists it. */
type InboxItem = {
  readonly task_id: string;
  readonly step_id: string;
  readonly kind: 'approval' | 'human_input';
  readonly message: string;
  readonly assignees: readonly string[];
  readonly choices: readonly string[] | null;
  readonly since: string;
  readonly until: string | null;
};
type Page = { readonly items: readonly InboxItem[]; readonly next: number | null };

type InboxOptions = { readonly assignee?: string; readonly workspace?: string; readonly limit: number };

type AnswerOptions = {
  readonly approve?: true;
  readonly reject?: true;
  readonly choice?: string;
  readonly data?: string;
  readonly text?: string;
  readonly comment?: string;
  readonly by?: string;
};

/** `orchestra inbox` and `orchestra answer`: what waits for people, and what they say. */
export const addInboxCommands = (program: Command, session: () => Session): void => {
  program
    .command('inbox')
    .description('what waits for people, the oldest question first')
    .option('--assignee <name>', 'what this one is asked, and what anybody may answer')
    .option('--workspace <name>', 'of one workspace')
    .option('--limit <n>', 'at most this many', wholeNumber(1, 100_000), 50)
    .action(async (options: InboxOptions) => {
      const { out } = session();
      const items = await inboxOf(options, session());
      out.show(items, () => (items.length === 0 ? ['nothing waits for anybody'] : inboxLines(items)));
    });
  program
    .command('answer <task> <step>')
    .description('answer what a step asks; the first answer counts')
    .option('--approve', 'approve it')
    .option('--reject', 'reject it')
    .option('--choice <name>', 'take another of its choices')
    .option('--data <json>', 'what its form asks for, as JSON; @file from a file, @- from stdin')
    .option('--text <text>', 'what is approved instead of what was shown; @file from a file')
    .option('--comment <text>', 'why')
    .option('--by <name>', 'who; your name here unless given')
    .action(async (task: string, step: string, options: AnswerOptions) => {
      const { api, out } = session();
      const body = await answerBody(options);
      const path = `${taskPath(task)}/steps/${encodeURIComponent(step)}/answer`;
      showTask(await api.call<TaskView | Undecided>('POST', path, { body }), out);
    });
};

const PAGE_MAX = 200;

const inboxOf = async (
  { assignee, workspace, limit }: InboxOptions,
  { api }: Session,
): Promise<readonly InboxItem[]> => {
  const items: InboxItem[] = [];
  for (let after: number | null | undefined; after !== null && items.length < limit;) {
    const query = { assignee, workspace, after, page_size: Math.min(PAGE_MAX, limit - items.length) };
    const page: Page = await api.call<Page>('GET', '/api/v1/inbox', { query });
    items.push(...page.items);
    after = page.next;
  }
  return items;
};

const MESSAGE_SHOWN_CHARS = 80;

export const inboxLines = (items: readonly InboxItem[]): readonly string[] =>
  columns([
    ['TASK', 'STEP', 'ASKS', 'WHOM', 'SINCE', 'UNTIL', 'MESSAGE'],
    ...items.map(({ task_id: task, step_id: step, kind, choices, assignees, since, until, message }) => [
      task,
      step,
      kind === 'approval' ? (choices ?? []).join('|') : 'a form',
      assignees.join(', ') || 'anybody',
      since,
      until ?? '',
      message.replaceAll(/\s+/g, ' ').slice(0, MESSAGE_SHOWN_CHARS),
    ]),
  ]);

/** Throws unless exactly one answer is given. */
export const answerBody = async (options: AnswerOptions): Promise<object> => {
  const { approve, reject, choice, data, text, comment, by = userName() } = options;
  const answers = [
    ...(approve ? [{ decision: 'approve' }] : []),
    ...(reject ? [{ decision: 'reject' }] : []),
    ...(choice === undefined ? [] : [{ choice }]),
    ...(data === undefined ? [] : [{ data: jsonOf(await readValue(data)) }]),
  ];
  if (answers.length !== 1)
    throw new CommandError(
      EXIT.usage,
      `There ${answers.length === 0 ? 'is no answer' : `are ${answers.length} answers`}; give exactly one of --approve, --reject, --choice <name>, --data <json>.`,
    );
  return {
    ...answers[0],
    by,
    ...(text === undefined ? {} : { text: await readValue(text) }),
    ...(comment === undefined ? {} : { comment }),
  };
};

const readValue = async (value: string): Promise<string> =>
  value.startsWith('@') ? await textOf(value.slice(1)) : value;

const jsonOf = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new CommandError(EXIT.usage, `--data is no JSON: ${(error as Error).message}`);
  }
};
