import { connect, nkeyAuthenticator } from '@nats-io/transport-node';
import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { RebuildReply, RebuildRequest, RebuildStatus } from '#libs/contracts/queries.js';
import { RPC } from '#libs/contracts/subjects.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import { optionWithEnv } from '../arguments.js';
import { CommandError, EXIT } from '../exit-codes.js';
import type { Output } from '../output.js';

const RPC_TIMEOUT_MS = 5_000;

/** Between two looks at how it stands. */
const LOOK_EVERY_MS = 250;

/** `orchestra rebuild`: for whoever runs the platform, with the key in its data folder. */
export const addRebuildCommand = (program: Command, output: () => Output): void => {
  program
    .command('rebuild')
    .description('fill the read model anew from the log, while the old one serves')
    .addOption(
      optionWithEnv('--data <dir>', 'data folder of the platform', 'ORCHESTRA_DATA_DIR').default('data'),
    )
    .action(async ({ data }: { readonly data: string }) => await rebuild(data, output()));
};

const rebuild = async (data: string, out: Output): Promise<void> => {
  const url = (await readFile(join(data, 'nats', 'url'), 'utf8').catch(() => '')).trim();
  if (url === '')
    throw new CommandError(
      EXIT.unreachable,
      `No platform runs on ${data}; name its data folder with --data.`,
    );
  const seed = await readFile(join(data, 'keys', 'admin.nk'));
  const connection = await connect({
    servers: url,
    name: 'orchestra rebuild',
    inboxPrefix: '_INBOX_admin',
    authenticator: nkeyAuthenticator(new Uint8Array(seed)),
  });
  try {
    const ask = async (request: RebuildRequest): Promise<RebuildStatus | null> =>
      (await rpcRequest<RebuildReply>(connection, RPC.rebuildResults, request, RPC_TIMEOUT_MS)).rebuild;
    let status = await ask({});
    while (status?.state === 'running') {
      out.note(`${status.seq} of ${status.tail_seq} events`);
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
      status = await ask({ follow: true });
    }
    out.show(status, () => [`rebuilt from ${status?.seq ?? 0} events`]);
    if (status?.state === 'failed')
      throw new CommandError(EXIT.failed, `The rebuild failed: ${status.error}`);
  } finally {
    await connection.close();
  }
};
