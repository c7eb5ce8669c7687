import { mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Broker } from '#libs/broker/broker.js';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { brokerConfigIn, brokerFor } from './broker-for.js';
import { brokersOn } from './left-broker.js';
import { lockFolder } from './lock-folder.js';
import type { PlatformOptions } from './platform-options.js';
import { freePort, isFree } from './ports.js';
import type { ServiceProcess } from './service-process.js';
import { ensureServersFile } from './servers-file.js';
import { SERVICE_ORDER, serviceFor } from './service-for.js';
import { waitUntilReady } from './wait-until-ready.js';

export type Platform = {
  readonly apiUrl: string;
  readonly natsUrl: string;
  readonly dataDir: string;
  readonly serversFile: string;
  /** File with the key of readers of events; undefined on a broker that is not ours. */
  readonly observerKeyFile: string | undefined;
  readonly service: (name: ServiceName) => ServiceProcess;
  /** Sends a signal to a service. SIGKILL, the default, resolves when the end was noticed; the restart is under way then. */
  readonly kill: (name: ServiceName, signal?: NodeJS.Signals) => Promise<void>;
  /** Absent on a broker that is not ours. */
  readonly broker: Broker | null;
  /** Resolves when the API says that every service is ready; rejects after a minute with what is not. */
  readonly waitReady: () => Promise<void>;
  /** Stops the services in reverse order, then the broker, and gives the folder back. */
  readonly stop: () => Promise<void>;
};

/** Undone in reverse order. */
type Undo = (() => void | Promise<void>)[];

/** Starts broker and services, and watches them until `stop`. Rejects, with everything stopped again, when one will not start. */
export const startPlatform = async (given: PlatformOptions): Promise<Platform> => {
  const options = { ...given, dataDir: resolve(given.dataDir) };
  await mkdir(join(options.dataDir, 'logs'), { recursive: true });
  const undo: Undo = [await lockFolder(options.dataDir)];
  const stop = async (): Promise<void> => {
    for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
  };
  try {
    return { ...(await startAll(options, undo)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
};

const startAll = async (options: PlatformOptions, undo: Undo): Promise<Omit<Platform, 'stop'>> => {
  const { dataDir, env } = options;
  const services = new Map<ServiceName, ServiceProcess>();
  undo.push(endWithThisProcess(dataDir, services));
  const host = env['ORCHESTRA_HOST'] || '127.0.0.1';
  const port = await apiPort(options.port, host);
  const { broker, natsUrl } = await brokerFor(options);
  if (broker) undo.push(() => broker.stop());
  const serversFile = await ensureServersFile(options);
  for (const name of SERVICE_ORDER) {
    options.signal?.throwIfAborted();
    const service = serviceFor(name, {
      ...options,
      natsUrl,
      port,
      serversFile,
      keyFile: broker?.seedFile(name),
    });
    services.set(name, service);
    undo.push(() => service.stop());
    await startOne(name, service, options);
  }
  const service = (name: ServiceName): ServiceProcess => {
    const found = services.get(name);
    if (found === undefined) throw new Error(`there is no service '${name}'`);
    return found;
  };
  const apiUrl = `http://${shownHost(host)}:${port}`;
  return {
    apiUrl,
    natsUrl,
    dataDir,
    serversFile,
    observerKeyFile: broker?.seedFile('observer'),
    service,
    kill: async (name, signal = 'SIGKILL') => {
      if (signal === 'SIGKILL') await service(name).kill();
      else service(name).signal(signal);
    },
    broker,
    waitReady: () => waitUntilReady(apiUrl, env['ORCHESTRA_API_KEY'], options.signal),
  };
};

const startOne = async (
  name: ServiceName,
  service: ServiceProcess,
  { say, signal }: PlatformOptions,
): Promise<void> => {
  const beganMs = performance.now();
  const giveUp = (): void => void service.stop();
  signal?.addEventListener('abort', giveUp);
  try {
    await service.start();
  } finally {
    signal?.removeEventListener('abort', giveUp);
  }
  say(`${name} runs (${((performance.now() - beganMs) / 1000).toFixed(1)} s)`);
};

/** A launcher that has to end at once takes everything with it; the broker may not be known yet, so it is looked for. */
const endWithThisProcess = (
  dataDir: string,
  services: ReadonlyMap<ServiceName, ServiceProcess>,
): (() => void) => {
  const end = (): void => {
    for (const service of services.values()) service.signal('SIGKILL');
    for (const pid of brokersOn(brokerConfigIn(dataDir))) process.kill(pid, 'SIGKILL');
  };
  process.once('exit', end);
  return () => void process.off('exit', end);
};

const apiPort = async (port: number, host: string): Promise<number> => {
  if (port === 0) return await freePort(host);
  if (await isFree(port, host)) return port;
  throw new Error(
    `port ${port} of ${host} is taken by another program; choose another with --port, or 0 for a free one`,
  );
};

const shownHost = (host: string): string => {
  if (host === '0.0.0.0' || host === '::') return '127.0.0.1';
  return host.includes(':') ? `[${host}]` : host;
};
