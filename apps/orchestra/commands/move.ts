import type { Command } from 'commander';
import type { TaskView } from '#libs/contracts/queries.js';
import { taskPath, type Undecided } from '../client/task-view.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import { userName } from '../user-name.js';
import { showTask } from './task-text.js';

type Options = {
  readonly front?: true;
  readonly back?: true;
  readonly before?: string;
  readonly after?: string;
  readonly reason?: string;
  readonly by?: string;
};

type Target = { readonly to: 'front' | 'back' } | { readonly before: string } | { readonly after: string };

/** `orchestra move`: another place in the queue for a task that waits. */
export const addMoveCommand = (program: Command, session: () => Session): void => {
  program
    .command('move <id>')
    .description('give a task that waits another place in the queue of its workspace')
    .option('--front', 'before all others')
    .option('--back', 'behind all others')
    .option('--before <id>', 'just before this task')
    .option('--after <id>', 'right behind this task')
    .option('--reason <text>', 'why; it is told to whoever asks about the task')
    .option('--by <name>', 'who; your name here unless given')
    .action(async (id: string, options: Options) => {
      const { api, out } = session();
      const { reason, by = userName() } = options;
      const body = { ...targetOf(options), by, ...(reason === undefined ? {} : { reason }) };
      showTask(await api.call<TaskView | Undecided>('POST', `${taskPath(id)}/move`, { body }), out);
    });
};

/** Throws unless exactly one place is named. */
export const targetOf = ({ front, back, before, after }: Options): Target => {
  const targets: readonly Target[] = [
    ...(front ? [{ to: 'front' } as const] : []),
    ...(back ? [{ to: 'back' } as const] : []),
    ...(before === undefined ? [] : [{ before }]),
    ...(after === undefined ? [] : [{ after }]),
  ];
  const [target] = targets;
  if (target !== undefined && targets.length === 1) return target;
  throw new CommandError(
    EXIT.usage,
    `Where to is said ${targets.length === 0 ? 'nowhere' : `${targets.length} times`}; give exactly one of --front, --back, --before <id>, --after <id>.`,
  );
};
