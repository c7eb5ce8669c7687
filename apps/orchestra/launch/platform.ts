import { nkeyAuthenticator } from '@nats-io/transport-node';
import { createWriteStream } from 'node:fs';
import { access, mkdir, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionAs, startBroker, type Broker } from '#libs/broker/broker.js';
import type { Durability } from '#libs/broker/server-config.js';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { lockFolder } from './lock-folder.js';
import { ServiceProcess } from './service-process.js';

export type PlatformOptions = {
  readonly dataDir: string;
  readonly durability: Durability;
  /** Port of the API; 0 takes a free one. */
  readonly port: number;
  /** Text of the servers file where the data folder has none yet. */
  readonly servers: string;
  /** File with the servers, instead of the one in the data folder. */
  readonly serversFile?: string;
  /** Write `servers` even where the data folder has a file already. */
  readonly rewriteServers?: boolean;
  /** Seed of a user of an existing broker who may make streams. */
  readonly adminSeed?: Uint8Array;
  /** An existing broker, instead of one of our own. */
  readonly natsUrl?: string;
  readonly env: NodeJS.ProcessEnv;
  readonly say: (line: string) => void;
};

export type Platform = {
  readonly apiUrl: string;
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly serversFile: string;
  /** File with the key of readers of events; undefined on a broker that is not ours. */
  readonly observerKeyFile: string | undefined;
  readonly service: (name: ServiceName) => ServiceProcess;
  /** Absent on a broker that is not ours. */
  readonly broker: Broker | null;
  readonly stop: () => Promise<void>;
};

/** Each service finds those that it asks already there; the gateway comes last, when there is someone to answer. */
const ORDER: readonly ServiceName[] = ['results', 'gpu-allocator', 'scheduler', 'executor', 'gateway'];

const APPS = fileURLToPath(new URL('../../', import.meta.url));

/** Starts broker and services, and watches them until `stop`. Rejects, with everything stopped again, when one will not start. */
export const startPlatform = async (options: PlatformOptions): Promise<Platform> => {
  const { dataDir, say, env } = options;
  await mkdir(join(dataDir, 'logs'), { recursive: true });
  const unlock = await lockFolder(dataDir);
  const stops: (() => Promise<void>)[] = [unlock];
  const stop = async (): Promise<void> => {
    for (let next = stops.pop(); next !== undefined; next = stops.pop()) await next();
  };
  try {
    const { broker, natsUrl } = await brokerFor(options);
    if (broker) stops.push(() => broker.stop());
    const serversFile = options.serversFile ?? (await ensureServersFile(dataDir, options));
    const port = options.port === 0 ? await freePort() : options.port;
    const services = new Map<ServiceName, ServiceProcess>();
    for (const service of ORDER) {
      const log = createWriteStream(join(dataDir, 'logs', `${service}.log`), { flags: 'a' });
      const process = new ServiceProcess({
        service,
        program: globalThis.process.execPath,
        args: ['--enable-source-maps', join(APPS, service, 'main.js')],
        env: {
          ...env,
          NATS_URL: natsUrl,
          ...(broker ? { ORCHESTRA_NKEY_FILE: broker.seedFile(service) } : {}),
          ORCHESTRA_DATA_DIR: dataDir,
          ORCHESTRA_SERVERS_FILE: serversFile,
          ORCHESTRA_PORT: String(port),
        },
        log,
        say,
        random: Math.random,
      });
      services.set(service, process);
      stops.push(() => process.stop());
      await process.start();
      say(`${service} runs`);
    }
    return {
      apiUrl: `http://${shownHost(env['ORCHESTRA_HOST'])}:${port}`,
      natsUrl,
      dataDir,
      serversFile,
      observerKeyFile: broker?.seedFile('observer'),
      broker,
      service: (name) => {
        const found = services.get(name);
        if (found === undefined) throw new Error(`no service '${name}'`);
        return found;
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
};

const shownHost = (host: string | undefined): string =>
  host === undefined || host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host;

const brokerFor = async (options: PlatformOptions): Promise<{ broker: Broker | null; natsUrl: string }> => {
  const { natsUrl, adminSeed, dataDir, durability, env, say } = options;
  if (natsUrl !== undefined) {
    say(`using the broker at ${natsUrl}`);
    await provisionAs(
      natsUrl,
      adminSeed ? { authenticator: nkeyAuthenticator(new Uint8Array(adminSeed)) } : {},
    );
    return { broker: null, natsUrl };
  }
  const broker = await startBroker({ dataDir, durability, env, say, port: await freePort() });
  // Readers of events on this machine find the broker here.
  await writeFile(join(dataDir, 'nats', 'url'), broker.url);
  say(`broker runs: nats-server ${broker.version}, ${durability}, ${broker.url}`);
  return { broker, natsUrl: broker.url };
};

const ensureServersFile = async (
  dataDir: string,
  { servers, rewriteServers }: PlatformOptions,
): Promise<string> => {
  const file = join(dataDir, 'servers.yaml');
  const there = await access(file).then(
    () => true,
    () => false,
  );
  if (!there || rewriteServers) await writeFile(file, servers);
  return file;
};

export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (typeof address === 'object' && address !== null) return address.port;
  throw new Error('the system gave no free port');
};
