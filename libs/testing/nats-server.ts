import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findNatsServer } from '#libs/broker/find-nats-server.js';
import { compareVersions } from '#libs/contracts/server-version.js';
import { startServerProcess, type ServerProcess } from '#libs/broker/server-process.js';

/** A real nats-server with JetStream, a port and a data folder of its own. */
export type TestServer = {
  readonly url: string;
  readonly port: number;
  readonly version: string;
  readonly pid: () => number;
  /** SIGTERM and wait. The data stay. */
  readonly stop: () => Promise<void>;
  /** SIGKILL and wait. The data stay. */
  readonly kill: () => Promise<void>;
  /** On the same port and data, after `stop` or `kill`. */
  readonly start: () => Promise<void>;
  /** SIGSTOP: it hears and says nothing, and its sockets stay open. */
  readonly freeze: () => void;
  /** SIGCONT. */
  readonly thaw: () => void;
  /** Ends it and removes its data. */
  readonly remove: () => Promise<void>;
};

export type TestServerOptions = {
  /** `power-safe` syncs each message to disk before it is acknowledged; servers before 2.10 cannot. */
  readonly durability?: 'process-safe' | 'power-safe';
  /** Further lines of the configuration file. */
  readonly config?: string;
};

/** Uses ORCHESTRA_NATS_SERVER if that is set, else what production would find or install. */
export const startNatsServer = async (options: TestServerOptions = {}): Promise<TestServer> => {
  const found = await findNatsServer({ env: process.env, say: () => undefined, install: true });
  const folder = await mkdtemp(join(tmpdir(), 'orchestra-nats-'));
  const port = await freePort();
  const configFile = join(folder, 'nats-server.conf');
  const always = options.durability === 'power-safe' && compareVersions(found.version, '2.10.0') >= 0;
  await writeFile(
    configFile,
    `host: 127.0.0.1\nport: ${port}\n` +
      `jetstream {\n  store_dir: ${JSON.stringify(folder)}\n${always ? '  sync_interval: always\n' : ''}}\n` +
      `${options.config ?? ''}\n`,
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
  const kill = async (): Promise<void> => {
    server.signal('SIGKILL');
    await server.ended;
  };
  return {
    url: `nats://127.0.0.1:${port}`,
    port,
    version: found.version,
    pid: () => server.pid,
    stop: async () => await server.stop(),
    kill,
    start: async () => {
      server = await launch();
    },
    freeze: () => server.signal('SIGSTOP'),
    thaw: () => server.signal('SIGCONT'),
    remove: async () => {
      await kill();
      await rm(folder, { recursive: true, force: true });
    },
  };
};

/** A port that nobody listened on a moment ago. */
export const freePort = async (): Promise<number> =>
  await new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      const port = typeof address === 'object' && address ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
