import type { Command } from 'commander';
import { access, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { optionWithEnv } from '../arguments.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { brokerUrlFileIn } from '../launch/broker-for.js';

/** Where the log is, for commands that read it from the broker itself. */
export type BrokerOptions = { readonly data: string; readonly nats?: string };

export const addBrokerOptions = (command: Command): Command =>
  command
    .addOption(
      optionWithEnv(
        '--data <dir>',
        "data folder of the platform, where the broker's address and the reader's key are",
        'ORCHESTRA_DATA_DIR',
      ).default('data'),
    )
    .addOption(optionWithEnv('--nats <url>', 'broker; default: that of the data folder', 'NATS_URL'));

type Where = { readonly url: string; readonly keyFile: string | undefined };

export const observerOf = async ({ data, nats }: BrokerOptions): Promise<Where> => {
  const url = nats ?? (await readFile(brokerUrlFileIn(data), 'utf8').catch(() => '')).trim();
  if (url === '')
    throw new CommandError(
      EXIT.unreachable,
      `No platform has run on ${data}; name its data folder with --data, or its broker with --nats.`,
    );
  const keyFile = join(data, 'keys', 'observer.nk');
  const there = await access(keyFile).then(
    () => true,
    () => false,
  );
  return { url, keyFile: there ? keyFile : undefined };
};
