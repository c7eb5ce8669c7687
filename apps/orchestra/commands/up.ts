import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Durability } from '#libs/broker/server-config.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { defaultServers, ollamaUrl } from '../launch/default-servers.js';
import { startPlatform, type Platform } from '../launch/platform.js';
import type { Output } from '../output.js';

type UpOptions = {
  readonly data: string;
  readonly port: string;
  readonly durability: string;
  readonly servers?: string;
  readonly ollama?: string;
};

const DURABILITIES: readonly Durability[] = ['power-safe', 'process-safe'];

/** `orchestra up`: broker and services until a signal. */
export const addUpCommand = (program: Command, output: () => Output): void => {
  program
    .command('up')
    .description('start the broker and the five services, and watch them')
    .option(
      '--data <dir>',
      'folder for streams, database, logs and keys',
      process.env['ORCHESTRA_DATA_DIR'] ?? 'data',
    )
    .option('--port <port>', 'port of the API; 0 takes a free one', process.env['ORCHESTRA_PORT'] ?? '8000')
    .option(
      '--durability <mode>',
      `${DURABILITIES.join(' or ')}; see the README`,
      process.env['ORCHESTRA_DURABILITY'] ?? 'power-safe',
    )
    .option('--servers <file>', 'YAML file with the inference servers', process.env['ORCHESTRA_SERVERS_FILE'])
    .option('--ollama <url>', 'the Ollama for a new data folder; default OLLAMA_HOST or port 11434')
    .action(async (options: UpOptions) => await up(options, output()));
};

const up = async (options: UpOptions, out: Output): Promise<void> => {
  const durability = DURABILITIES.find((mode) => mode === options.durability);
  if (durability === undefined)
    throw new CommandError(
      EXIT.usage,
      `--durability ${options.durability} — expected ${DURABILITIES.join(' or ')}`,
    );
  const port = Number(options.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new CommandError(EXIT.usage, `--port ${options.port} — expected 0 to 65535`);
  const { NATS_URL: natsUrl, ORCHESTRA_NATS_ADMIN_NKEY_FILE: adminKeyFile } = process.env;
  const stopAsked = signalled();
  const started = startPlatform({
    dataDir: resolve(options.data),
    durability,
    port,
    servers: await defaultServers(options.ollama ?? ollamaUrl(process.env), process.env),
    ...(options.servers === undefined ? {} : { serversFile: resolve(options.servers) }),
    ...(natsUrl === undefined ? {} : { natsUrl }),
    ...(adminKeyFile === undefined ? {} : { adminSeed: await readFile(adminKeyFile) }),
    env: process.env,
    say: (line) => out.note(line),
  });
  const platform = await Promise.race([started, stopAsked.then(() => null)]);
  if (platform !== null) announce(platform, out);
  await stopAsked;
  out.note('stopping …');
  await (platform ?? (await started)).stop();
  out.note('stopped');
};

const announce = (platform: Platform, out: Output): void => {
  const { apiUrl, natsUrl, dataDir, serversFile } = platform;
  out.show(
    { api: apiUrl, docs: `${apiUrl}/docs`, nats: natsUrl, data: dataDir, servers: serversFile },
    () => [
      '',
      `  API      ${apiUrl}/api/v1`,
      `  docs     ${apiUrl}/docs`,
      `  events   ${natsUrl}`,
      `  data     ${dataDir}`,
      `  servers  ${serversFile}`,
      '',
      'Ctrl-C stops everything; nothing that was accepted is lost.',
    ],
  );
};

/** The first signal asks; a second one ends this process at once, and with it the services, which do not outlive it. */
export const signalled = (): Promise<NodeJS.Signals> =>
  new Promise((resolve) => {
    let asked = false;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) {
      process.on(signal, () => {
        if (asked) process.exit(EXIT.failed);
        asked = true;
        resolve(signal);
      });
    }
  });
