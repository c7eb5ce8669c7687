import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { oneOf, wholeNumber } from '../arguments.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Session } from '../session.js';
import {
  channelLines,
  deliveryLine,
  deliveryLines,
  type Channels,
  type DeliveryAnswer,
} from './notification-text.js';

const PATH = '/api/v1/notifications';
const STATUSES = ['pending', 'delivered', 'failed'] as const;
type Status = (typeof STATUSES)[number];
type Page = { readonly items: readonly DeliveryAnswer[]; readonly next: string | null };

/** Largest page of the API. */
const PAGE_MAX = 200;
const LIMIT_DEFAULT = 50;

/** How long `test` and `resend` look on, and how often. */
const LOOK_ON_MS = 15_000;
const LOOK_EVERY_MS = 200;

type ListOptions = {
  readonly status: readonly Status[];
  readonly channel?: string;
  readonly task?: string;
  readonly limit: number;
};

/** `orchestra notifications`: messages to people and programs, and what has become of them. */
export const addNotificationCommands = (program: Command, session: () => Session): void => {
  const notifications = program
    .command('notifications')
    .description('messages to people and programs, and how they were delivered');
  const status = oneOf(STATUSES);
  notifications
    .command('list', { isDefault: true })
    .description('the newest ones: to which channel, how often tried, with what answer')
    .option(
      '--status <status>',
      `${STATUSES.join(', ')}; may be given several times`,
      (text: string, before: readonly Status[]) => [...before, status(text)],
      [],
    )
    .option('--channel <name>', 'those to one channel')
    .option('--task <id>', 'those about one task')
    .option('--limit <n>', 'at most this many', wholeNumber(1, 10_000), LIMIT_DEFAULT)
    .action(async (options: ListOptions) => await list(options, session()));
  notifications
    .command('channels')
    .description('the channels of the notifications file, and what is wrong with it')
    .action(async () => {
      const { api, out } = session();
      const channels = await api.call<Channels>('GET', `${PATH}/channels`);
      out.show(channels, () => channelLines(channels));
    });
  notifications
    .command('resend <id>')
    .description('send one once more, whether it has arrived or was given up')
    .action(async (id: string) => {
      const { api } = session();
      const path = `${PATH}/deliveries/${encodeURIComponent(id)}/resend`;
      await lookOn(await api.call<DeliveryAnswer>('POST', path), session());
    });
  notifications
    .command('test <channel>')
    .description('send a message that tells of nothing, and see whether it arrives')
    .action(async (channel: string) => {
      const { api } = session();
      await lookOn(await api.call<DeliveryAnswer>('POST', `${PATH}/test`, { body: { channel } }), session());
    });
};

const list = async ({ status, channel, task, limit }: ListOptions, { api, out }: Session): Promise<void> => {
  const items: DeliveryAnswer[] = [];
  let after: string | null = null;
  do {
    const query = {
      ...(status.length > 0 ? { status } : {}),
      channel,
      task_id: task,
      page_size: Math.min(PAGE_MAX, limit - items.length),
      ...(after === null ? {} : { after }),
    };
    const page: Page = await api.call<Page>('GET', `${PATH}/deliveries`, { query });
    items.push(...page.items);
    after = page.next;
  } while (after !== null && items.length < limit);
  out.show(items, () => deliveryLines(items));
};

/** Until it has arrived or a try has failed, so that whoever asked sees what a receiver says. */
const lookOn = async (sent: DeliveryAnswer, { api, out }: Session): Promise<void> => {
  const deadlineMs = performance.now() + LOOK_ON_MS;
  let seen = sent;
  while (seen.status === 'pending' && seen.attempts === sent.attempts && performance.now() < deadlineMs) {
    await pause(LOOK_EVERY_MS);
    seen = await api.call<DeliveryAnswer>('GET', `${PATH}/deliveries/${sent.id}`);
  }
  out.show(seen, () => [deliveryLine(seen)]);
  if (seen.status === 'delivered') return;
  throw new CommandError(
    EXIT.failed,
    seen.status === 'failed' ? 'It was given up.' : 'It has not arrived yet; it is tried again by itself.',
  );
};
