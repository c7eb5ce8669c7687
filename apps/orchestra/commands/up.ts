import type { Command } from 'commander';
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Durability } from '#libs/broker/server-config.js';
import { oneOf, optionWithEnv, wholeNumber } from '../arguments.js';
import { Api } from '../client/api.js';
import { CommandError, EXIT } from '../exit-codes.js';
import { defaultServers, ollamaUrl } from '../launch/default-servers.js';
import { startPlatform, type Platform } from '../launch/platform.js';
import { prettyLog } from '../launch/pretty-log.js';
import type { Output } from '../output.js';
import { showPluginProblems, type PluginList } from './plugins.js';
import { stopSignal } from '../stop-signal.js';

type UpOptions = {
  readonly data: string;
  readonly port: number;
  readonly natsPort: number;
  readonly durability: Durability;
  readonly servers?: string;
  readonly ollama?: string;
  readonly logs?: boolean;
};

const DURABILITIES: readonly Durability[] = ['power-safe', 'process-safe'];

/** The port that NATS clients try first. */
const NATS_PORT = 4222;

/** `orchestra up`: broker and services until a signal. */
export const addUpCommand = (program: Command, output: () => Output): void => {
  const port = wholeNumber(0, 65_535);
  program
    .command('up')
    .description('start the broker and the five services, and watch them until Ctrl-C')
    .addOption(
      optionWithEnv(
        '--data <dir>',
        'folder for streams, database, logs and keys',
        'ORCHESTRA_DATA_DIR',
      ).default('data'),
    )
    .addOption(
      optionWithEnv('--port <port>', 'port of the API; 0 takes a free one', 'ORCHESTRA_PORT')
        .argParser(port)
        .default(8000),
    )
    .option('--nats-port <port>', 'port of the broker; another one where it is taken', port, NATS_PORT)
    .addOption(
      optionWithEnv(
        '--durability <mode>',
        `${DURABILITIES.join(' or ')}; see the README`,
        'ORCHESTRA_DURABILITY',
      )
        .argParser(oneOf(DURABILITIES))
        .default('power-safe'),
    )
    .addOption(
      optionWithEnv('--servers <file>', 'YAML file with the inference servers', 'ORCHESTRA_SERVERS_FILE'),
    )
    .option('--ollama <url>', 'the Ollama for a new data folder; default OLLAMA_HOST or port 11434')
    .option('--logs', 'show what the services log')
    .addHelpText(
      'after',
      '\nNATS_URL uses a running broker; ORCHESTRA_NATS_ADMIN_NKEY_FILE is the key that may make streams there.',
    )
    .action(async (options: UpOptions) => await up(options, output()));
};

const up = async (options: UpOptions, out: Output): Promise<void> => {
  const stopAsked = stopSignal();
  const giveUp = new AbortController();
  void stopAsked.then(() => giveUp.abort());
  const platform = await start(options, giveUp.signal, out);
  if (platform === null) return;
  try {
    await platform.waitReady();
  } catch (error) {
    // It is left running: what is wrong may be a server that comes back, and `orchestra status` goes on telling.
    if (!giveUp.signal.aborted)
      out.note(`${(error as Error).message}; see ${platform.dataDir}/logs`, 'yellow');
  }
  if (!giveUp.signal.aborted) {
    announce(platform, out);
    await Promise.race([tellPluginProblems(platform, out), stopAsked]);
  }
  await stopAsked;
  out.note('stopping …');
  await platform.stop();
  out.note('stopped');
};

/** Null where a signal came before everything ran. */
const start = async (options: UpOptions, signal: AbortSignal, out: Output): Promise<Platform | null> => {
  const { env } = process;
  try {
    const adminKeyFile = env['ORCHESTRA_NATS_ADMIN_NKEY_FILE'];
    return await startPlatform({
      dataDir: options.data,
      durability: options.durability,
      port: options.port,
      natsPort: options.natsPort,
      servers: await defaultServers(options.ollama ?? ollamaUrl(env), env),
      ...(options.servers === undefined ? {} : { serversFile: resolve(options.servers) }),
      ...(env['NATS_URL'] ? { natsUrl: env['NATS_URL'] } : {}),
      ...(adminKeyFile ? { adminSeed: await readFile(adminKeyFile) } : {}),
      env,
      say: (line) => out.note(line),
      ...(options.logs ? { onLog: (service, line) => out.note(prettyLog(service, line), 'dim') } : {}),
      signal,
    });
  } catch (error) {
    if (!signal.aborted) throw new CommandError(EXIT.notStarted, (error as Error).message);
    out.note('stopped before it had started');
    return null;
  }
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
      `  logs     ${dataDir}/logs`,
      '',
      'Ctrl-C stops everything; nothing that was accepted is lost.',
    ],
  );
};

/** Modules that the executor was told of and cannot load would be missed only when a task waits for them. */
const tellPluginProblems = async ({ apiUrl }: Platform, out: Output): Promise<void> => {
  const { env } = process;
  if (!env['ORCHESTRA_PLUGINS_DIR'] && !env['ORCHESTRA_PLUGIN_PACKAGES']) return;
  const api = new Api({ url: apiUrl, apiKey: env['ORCHESTRA_API_KEY'] || undefined });
  try {
    showPluginProblems(await api.call<PluginList>('GET', '/api/v1/plugins'), out);
  } catch (error) {
    out.note(`whether all plugins can be used is not known: ${(error as Error).message}`, 'yellow');
  }
};
