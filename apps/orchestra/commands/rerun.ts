import { randomUUID } from 'node:crypto';
import type { Command } from 'commander';
import { isUndecided, taskPath, type Submitted } from '../client/task-view.js';
import type { Session } from '../session.js';

type Options = { readonly from?: string; readonly idempotencyKey?: string };

/** `orchestra rerun`: a task that is over, once more; prints the id of the new one. */
export const addRerunCommand = (program: Command, session: () => Session): void => {
  program
    .command('rerun <id>')
    .description('run a task that is over once more, as a new one')
    .option('--from <step>', 'only this step and those that depend on it; the outputs of the others are kept')
    .option('--idempotency-key <key>', 'asking again with the same key finds the first rerun')
    .action(async (id: string, options: Options) => {
      const { api, out } = session();
      const body = options.from === undefined ? {} : { from_step: options.from };
      const headers = { 'idempotency-key': options.idempotencyKey ?? randomUUID() };
      const task = await api.call<Submitted>('POST', `${taskPath(id)}/rerun`, { body, headers });
      if (isUndecided(task)) out.note('stored; it is decided about as soon as a scheduler leads');
      out.show(task, () => [task.id]);
    });
};
