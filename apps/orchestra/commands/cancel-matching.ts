import type { Command } from 'commander';
import { OPEN_STATUSES, type OpenStatus } from '#libs/domain/task/cancel-tasks.js';
import { labelPair, oneOf, several, wholeNumber } from '../arguments.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';

type Options = {
  readonly workspace?: string;
  readonly template?: string;
  readonly label: readonly string[];
  readonly priorityMin?: number;
  readonly priorityMax?: number;
  readonly status: readonly OpenStatus[];
  readonly reason?: string;
};

type Answer =
  | { readonly status: 'accepted' }
  | { readonly cancelled: number; readonly stopping: number; readonly more: boolean };

/** `orchestra cancel-matching`: ends every open task that fits, request by request until none is left. */
export const addCancelMatchingCommand = (program: Command, session: () => Session): void => {
  const status = oneOf(OPEN_STATUSES);
  program
    .command('cancel-matching')
    .description('cancel every open task that fits all of what is given')
    .option('--workspace <name>', 'workspace')
    .option('--template <name>', 'template')
    .option('--label <name=value>', 'label; may be given several times', several, [])
    .option('--priority-min <n>', 'this priority or higher', wholeNumber(1, 10))
    .option('--priority-max <n>', 'this priority or lower', wholeNumber(1, 10))
    .option(
      '--status <status>',
      `${OPEN_STATUSES.join(', ')}; may be given several times`,
      (text: string, before: readonly OpenStatus[]) => [...before, status(text)],
      [],
    )
    .option('--reason <text>', 'why; stands in the log')
    .action(async (options: Options) => await cancelMatching(options, session()));
};

const cancelMatching = async (options: Options, { api, out }: Session): Promise<void> => {
  const { label, status, priorityMin, priorityMax, ...rest } = options;
  const body = {
    ...rest,
    ...(label.length === 0 ? {} : { labels: Object.fromEntries(label.map(labelPair)) }),
    ...(status.length === 0 ? {} : { status }),
    ...(priorityMin === undefined ? {} : { priority_min: priorityMin }),
    ...(priorityMax === undefined ? {} : { priority_max: priorityMax }),
  };
  const sum = { cancelled: 0, stopping: 0 };
  for (let more = true; more;) {
    const answer = await api.call<Answer>('POST', '/api/v1/tasks/cancel', { body });
    if ('status' in answer)
      throw new CommandError(
        EXIT.unreachable,
        'The request is stored and will be decided; no scheduler leads.',
      );
    sum.cancelled += answer.cancelled;
    sum.stopping += answer.stopping;
    ({ more } = answer);
  }
  out.show(sum, () => [`${sum.cancelled} cancelled, ${sum.stopping} asked to stop`]);
};
