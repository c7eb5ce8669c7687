import type { Command } from 'commander';
import type { Pause } from '#libs/domain/task/pauses.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { columns, type Output } from '../output.js';
import type { Session } from '../session.js';
import { userName } from '../user-name.js';

type Answer = { readonly items: readonly Pause[] } | { readonly status: 'accepted' };
type Options = { readonly reason?: string; readonly by?: string };

const SCOPE = 'queue, workspace:<name>, template:<name> or server:<id>';
const pathOf = (scope: string): string => `/api/v1/pauses/${encodeURIComponent(scope)}`;

/** `orchestra pause`, `resume` and `pauses`: hold back the start of what waits. */
export const addPauseCommands = (program: Command, session: () => Session): void => {
  program
    .command('pauses')
    .description('what is paused, by whom, since when and why')
    .action(async () => {
      const { api, out } = session();
      show(await api.call<Answer>('GET', '/api/v1/pauses'), out);
    });
  program
    .command('pause')
    .argument('<scope>', SCOPE)
    .description('start nothing new there; what runs goes on, and what waits keeps its place')
    .option('--reason <text>', 'why; it is told to whoever asks why a task waits')
    .option('--by <name>', 'who; your name here unless given')
    .action(async (scope: string, { reason, by = userName() }: Options) => {
      const { api, out } = session();
      const body = { by, ...(reason === undefined ? {} : { reason }) };
      show(await api.call<Answer>('PUT', pathOf(scope), { body }), out);
    });
  program
    .command('resume')
    .argument('<scope>', SCOPE)
    .description('lift a pause')
    .option('--by <name>', 'who; your name here unless given')
    .action(async (scope: string, { by = userName() }: Options) => {
      const { api, out } = session();
      show(await api.call<Answer>('DELETE', pathOf(scope), { query: { by } }), out);
    });
};

const show = (answer: Answer, out: Output): void => {
  if ('status' in answer)
    throw new CommandError(
      EXIT.unreachable,
      'The request is stored and will be decided; no scheduler leads.',
    );
  const { items } = answer;
  out.show(items, () =>
    items.length === 0
      ? ['nothing is paused']
      : columns([
          ['PAUSED', 'SINCE', 'BY', 'REASON'],
          ...items.map(({ scope, since, by, reason }) => [scope, since, by, reason]),
        ]),
  );
};
