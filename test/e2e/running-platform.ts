import { nkeyAuthenticator, connect, type NatsConnection } from '@nats-io/transport-node';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { HealthReport } from '#libs/contracts/health.js';
import { SERVICES, type ServiceName } from '#libs/contracts/subjects.js';
import { ApiClient, until } from './api-client.js';

type Ready = { readonly ready: boolean; readonly services: Readonly<Record<ServiceName, HealthReport>> };

/** `orchestra up` as a process of its own, on a data folder and ports of its own, with the broker and services that it starts. */
export class RunningPlatform {
  private constructor(
    private readonly launcher: ChildProcess,
    readonly api: ApiClient,
    readonly natsUrl: string,
    readonly dataDir: string,
  ) {}

  static async start(
    options: { readonly servers?: string; readonly env?: NodeJS.ProcessEnv } = {},
  ): Promise<RunningPlatform> {
    const dataDir = await mkdtemp(join(tmpdir(), 'orchestra-e2e-'));
    const serversFile = join(dataDir, 'test-servers.yaml');
    await writeFile(serversFile, options.servers ?? 'servers: []\n');
    const args = ['dist/apps/orchestra/main.js', '--json', 'up', '--data', dataDir, '--port', '0'];
    const launcher = spawn(
      process.execPath,
      [...args, '--servers', serversFile, '--durability', 'process-safe'],
      {
        env: { ...process.env, NODE_OPTIONS: '', ORCHESTRA_LEASE_TTL_MS: '2000', ...options.env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    const said: string[] = [];
    createInterface({ input: launcher.stderr as NodeJS.ReadableStream }).on('line', (line) =>
      said.push(line),
    );
    const lines: string[] = [];
    createInterface({ input: launcher.stdout as NodeJS.ReadableStream }).on('line', (line) =>
      lines.push(line),
    );
    try {
      const announced = await until(async () => {
        if (launcher.exitCode !== null)
          throw new Error(`submission refused: the launcher ended: ${said.join('\n')}`);
        return parsed(lines.join('\n'));
      }, 'the platform to start');
      const platform = new RunningPlatform(launcher, new ApiClient(announced.api), announced.nats, dataDir);
      await platform.ready();
      return platform;
    } catch (error) {
      await end(launcher, dataDir);
      throw error;
    }
  }

  /** Health of all services, once all are ready. */
  async ready(): Promise<Ready> {
    return await until(async () => {
      const { status, body } = await this.api.call<Ready>('GET', '/health/ready');
      return status === 200 ? body : undefined;
    }, 'all services to be ready');
  }

  /**
   * SIGKILL, and wait until another process of that service is ready. With `frozen`, the service is halted first and this is
   * done before it dies. Resolves with the time of death.
   */
  async killAndWait(service: ServiceName, frozen?: () => Promise<void>): Promise<number> {
    const { before, pid } = await until(async () => await this.#launched(service), `${service} to answer`);
    if (frozen) {
      process.kill(pid, 'SIGSTOP');
      await frozen();
    }
    const diedMs = Date.now();
    process.kill(pid, 'SIGKILL');
    await until(async () => {
      const { instance } = (await this.ready()).services[service];
      return instance === before ? undefined : instance;
    }, `${service} to come back`);
    return diedMs;
  }

  /** SIGKILL of all services in one moment, and wait until others of each are ready. Resolves with the time of death. */
  async killAll(): Promise<number> {
    const launched = await until(async () => {
      const found = await Promise.all(SERVICES.map(async (service) => await this.#launched(service)));
      return found.every((one) => one !== undefined) ? found : undefined;
    }, 'all services to answer');
    const diedMs = Date.now();
    for (const { pid } of launched) process.kill(pid, 'SIGKILL');
    await until(async () => {
      const { services } = await this.ready();
      const now = Object.values(services).map(({ instance }) => instance);
      return launched.some(({ before }) => now.includes(before)) ? undefined : true;
    }, 'all services to come back');
    return diedMs;
  }

  /** The process that the launcher watches; undefined where a second one beside it was the first to answer. */
  async #launched(
    service: ServiceName,
  ): Promise<{ readonly before: string; readonly pid: number } | undefined> {
    const before = (await this.ready()).services[service].instance;
    const pid = Number(before.slice(service.length + 1));
    return Number.isInteger(pid) ? { before, pid } : undefined;
  }

  /** SIGKILL of nats-server; the launcher starts it again. Resolves with the time of death. */
  async killBroker(): Promise<number> {
    const config = join(this.dataDir, 'nats', 'nats-server.conf');
    const before = await until(async () => await processOf(config), 'the broker to run');
    const diedMs = Date.now();
    process.kill(before, 'SIGKILL');
    await until(async () => {
      const pid = await processOf(config);
      return pid === before ? undefined : pid;
    }, 'the broker to come back');
    await this.ready();
    return diedMs;
  }

  /** Signs in at the broker as one of its users. */
  async connect(user: string): Promise<NatsConnection> {
    const seed = await readFile(join(this.dataDir, 'keys', `${user}.nk`));
    return await connect({
      servers: this.natsUrl,
      inboxPrefix: `_INBOX_${user}`,
      authenticator: nkeyAuthenticator(new Uint8Array(seed)),
      maxReconnectAttempts: -1,
    });
  }

  async stop(): Promise<void> {
    await end(this.launcher, this.dataDir);
  }
}

/** In order, with all that the launcher started. */
const end = async (launcher: ChildProcess, dataDir: string): Promise<void> => {
  if (launcher.exitCode === null && launcher.signalCode === null) {
    const gone = once(launcher, 'exit');
    launcher.kill('SIGTERM');
    await gone;
  }
  await rm(dataDir, { recursive: true, force: true });
};

const parsed = (text: string): { readonly api: string; readonly nats: string } | undefined => {
  try {
    return JSON.parse(text) as { api: string; nats: string };
  } catch {
    return undefined;
  }
};

/** Process whose command line names this file; undefined while there is none. */
const processOf = async (argument: string): Promise<number | undefined> => {
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const line = await readFile(`/proc/${entry}/cmdline`, 'utf8').catch(() => '');
    if (line.split('\0').includes(argument)) return Number(entry);
  }
  return undefined;
};
