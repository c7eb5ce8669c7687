import type { Command } from 'commander';
import type { TaskView } from '#libs/contracts/queries.js';
import { pastMoment, wholeNumber } from '../arguments.js';
import { decidedTask, endedTask, isUndecided, taskPath, type Undecided } from '../client/task-view.js';
import { addCancelMatchingCommand } from './cancel-matching.js';
import { addMoveCommand } from './move.js';
import { addRerunCommand } from './rerun.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import { explain } from './explain.js';
import { eventText } from './event-text.js';
import { showTask } from './task-text.js';
import { watchTask } from './watch.js';

/** Commands about one task: get, watch, logs, explain, cancel, priority, move. */
export const addTaskCommands = (program: Command, session: () => Session): void => {
  program
    .command('get <id>')
    .description('show one task')
    .action(async (id: string) => {
      const { api, out } = session();
      showTask(await api.call<TaskView | Undecided>('GET', taskPath(id)), out);
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
    .command('explain <id>')
    .description(
      'why a task waits: what each step is waiting for, who has it, and when it will probably start',
    )
    .option(
      '--at <moment>',
      'why it waited then: a time (UTC), how long ago, such as 15m, or the sequence of an event',
      pastMoment(),
    )
    .action(async (id: string, { at }: { readonly at?: string }) => await explain(id, at, session()));
  program
    .command('cancel <id>')
    .description('cancel a task, and wait until its server was seen free')
    .option('--no-wait', 'only ask')
    .option('--force', 'without the steps at its end (finally), or an end of those that run')
    .action(async (id: string, options: CancelOptions) => await cancel(id, options, session()));
  addCancelMatchingCommand(program, session);
  addRerunCommand(program, session);
  program
    .command('priority')
    .argument('<id>')
    .argument('<n>', '1 to 10, 10 goes first', wholeNumber(1, 10))
    .description('change the priority of an open task')
    .action(async (id: string, priority: number) => {
      const { api, out } = session();
      showTask(
        await api.call<TaskView | Undecided>('PATCH', `${taskPath(id)}/priority`, { body: { priority } }),
        out,
      );
    });
  addMoveCommand(program, session);
};

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
    const query = { after_seq: afterSeq };
    const page: History = await api.call<History>('GET', `${taskPath(id)}/events`, { query });
    for (const item of page.items)
      out.line(item, `${String(item.seq).padStart(8)}  ${eventText(item.type, item)}`);
    afterSeq = page.next_after_seq;
  }
};

type CancelOptions = { readonly wait: boolean; readonly force?: true };

const cancel = async (id: string, { wait, force }: CancelOptions, { api, out }: Session): Promise<void> => {
  const query = force ? { query: { force: 'true' } } : {};
  const asked = await api.call<TaskView | Undecided>('DELETE', taskPath(id), query);
  if (!wait) return showTask(asked, out);
  const open = isUndecided(asked) ? await decidedTask(api, id) : asked;
  const task = open.status === 'cancelled' ? open : await endedTask(api, id);
  showTask(task, out);
  if (task.status !== 'cancelled')
    throw new CommandError(EXIT.refused, `Task ${id} had ${task.status} before it could be cancelled.`);
};
