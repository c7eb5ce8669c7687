import { connect, nkeyAuthenticator, type ConnectionOptions } from '@nats-io/transport-node';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { findNatsServer } from './find-nats-server.js';
import { ensureKeys } from './keys.js';
import type { BrokerUser } from './permissions.js';
import { writePluginAccounts } from './plugin-credentials.js';
import { provision, type ProvisionOptions } from './provision.js';
import { canSyncAlways, serverConfig, type Durability } from './server-config.js';
import { startServerProcess, type ServerProcess } from './server-process.js';

export type BrokerOptions = {
  /** Holds `nats/` (streams, configuration, log) and `keys/`. */
  readonly dataDir: string;
  readonly port: number;
  readonly durability: Durability;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
} & ProvisionOptions;

export type Broker = {
  readonly url: string;
  readonly version: string;
  readonly seedFile: (user: BrokerUser) => string;
  readonly pid: () => number | undefined;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
};

/** Pause before a server that ended is started again, doubled up to the second figure while it does not start. */
const RESTART_MS = { first: 250, most: 10_000 };

/** Finds or obtains a nats-server, runs it on the data folder, starts it again when it ends, and provisions it. */
export const startBroker = async (options: BrokerOptions): Promise<Broker> => {
  const { dataDir, port, durability, env, say } = options;
  const found = await findNatsServer({ env, say, install: true });
  if (durability === 'power-safe' && !canSyncAlways(found.version)) {
    say(
      `nats-server ${found.version} cannot sync each message to disk (2.10 and newer can): up to a minute may be lost when power fails`,
    );
  }
  const folder = join(dataDir, 'nats');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys = await ensureKeys(join(dataDir, 'keys'));
  await writePluginAccounts(dataDir);
  const configFile = join(folder, 'nats-server.conf');
  const { publicKeys, seedFile } = keys;
  await writeFile(
    configFile,
    serverConfig({ port, storeDir: folder, durability, serverVersion: found.version, publicKeys }),
  );
  const launch = async (): Promise<ServerProcess> =>
    await startServerProcess({
      path: found.path,
      args: ['--config', configFile],
      host: '127.0.0.1',
      port,
      logFile: join(folder, 'nats-server.log'),
      nameFile: join(folder, 'name.conf'),
    });
  const server = await keepRunning(launch, say);
  const url = `nats://127.0.0.1:${port}`;
  const seed = new Uint8Array(await readFile(seedFile('admin')));
  await provisionAs(url, { authenticator: nkeyAuthenticator(seed) }, options);
  return {
    url,
    version: found.version,
    seedFile,
    pid: () => server.current()?.pid,
    signal: (signal) => server.current()?.signal(signal),
    stop: server.stop,
  };
};

type Kept = { readonly current: () => ServerProcess | null; readonly stop: () => Promise<void> };

/** Starts the server again whenever it ends, until it is told to stop. Rejects when it does not start the first time. */
const keepRunning = async (
  launch: () => Promise<ServerProcess>,
  say: (line: string) => void,
): Promise<Kept> => {
  const stopping = new AbortController();
  let current: ServerProcess | null = await launch();
  const watch = async (): Promise<void> => {
    let pauseMs = RESTART_MS.first;
    while (!stopping.signal.aborted) {
      if (current) {
        const { ended } = current;
        const how = await ended;
        current = null;
        if (stopping.signal.aborted) return;
        say(`broker ${how}; starting it again`);
      }
      await wait(pauseMs, undefined, { signal: stopping.signal }).catch(() => undefined);
      if (stopping.signal.aborted) return;
      try {
        current = await launch();
        pauseMs = RESTART_MS.first;
      } catch (error) {
        pauseMs = Math.min(RESTART_MS.most, pauseMs * 2);
        say(`broker did not start: ${String(error)}; next try in ${pauseMs} ms`);
      }
    }
    // It came up while the stop was asked for.
    await current?.stop();
  };
  const watching = watch();
  return {
    current: () => current,
    stop: async () => {
      stopping.abort();
      await current?.stop();
      await watching;
    },
  };
};

/** Provisions a broker that is there already, with what the caller may sign in by. */
export const provisionAs = async (
  url: string,
  signIn: Partial<ConnectionOptions>,
  options: ProvisionOptions = {},
): Promise<void> => {
  const connection = await connect({
    servers: url,
    name: 'launcher',
    inboxPrefix: '_INBOX_admin',
    ...signIn,
  });
  try {
    await provision(connection, options);
  } finally {
    await connection.close();
  }
};
