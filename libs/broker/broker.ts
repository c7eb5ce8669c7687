import { connect, nkeyAuthenticator, type ConnectionOptions } from '@nats-io/transport-node';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findNatsServer } from './find-nats-server.js';
import { ensureKeys } from './keys.js';
import type { BrokerUser } from './permissions.js';
import { provision } from './provision.js';
import { canSyncAlways, serverConfig, type Durability } from './server-config.js';
import { startServerProcess, type ServerProcess } from './server-process.js';

export type BrokerOptions = {
  /** Holds `nats/` (streams, configuration, log) and `keys/`. */
  readonly dataDir: string;
  readonly port: number;
  readonly durability: Durability;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
};

export type Broker = {
  readonly url: string;
  readonly version: string;
  readonly seedFile: (user: BrokerUser) => string;
  readonly pid: () => number | undefined;
  readonly signal: (signal: NodeJS.Signals) => void;
  readonly stop: () => Promise<void>;
};

/** Pause before a server that ended is started again: the port and the lock on its folder must be free. */
const RESTART_AFTER_MS = 250;

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
    });
  let server = await launch();
  let stopping = false;
  const watch = async (): Promise<void> => {
    for (;;) {
      const how = await server.ended;
      if (stopping) return;
      say(`broker ${how}; starting it again`);
      await new Promise((resolve) => setTimeout(resolve, RESTART_AFTER_MS));
      try {
        server = await launch();
      } catch (error) {
        say(`broker did not start: ${String(error)}`);
      }
    }
  };
  void watch();
  const url = `nats://127.0.0.1:${port}`;
  await provisionAs(url, {
    authenticator: nkeyAuthenticator(new Uint8Array(await readFile(seedFile('admin')))),
  });
  return {
    url,
    version: found.version,
    seedFile,
    pid: () => server.pid,
    signal: (signal) => server.signal(signal),
    stop: async () => {
      stopping = true;
      await server.stop();
    },
  };
};

/** Provisions a broker that is there already, with what the caller may sign in by. */
export const provisionAs = async (url: string, signIn: Partial<ConnectionOptions>): Promise<void> => {
  const connection = await connect({
    servers: url,
    name: 'launcher',
    inboxPrefix: '_INBOX_admin',
    ...signIn,
  });
  try {
    await provision(connection);
  } finally {
    await connection.close();
  }
};
