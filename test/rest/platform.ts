import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/transport-node';
import { EXECUTOR_SETTINGS } from '#apps/executor/executor.config.js';
import { startExecutor } from '#apps/executor/start-executor.js';
import { GATEWAY_SETTINGS } from '#apps/gateway/gateway.config.js';
import { startGateway } from '#apps/gateway/start-gateway.js';
import { ALLOCATOR_SETTINGS } from '#apps/gpu-allocator/allocator.config.js';
import { startAllocator } from '#apps/gpu-allocator/start-allocator.js';
import { RESULTS_SETTINGS } from '#apps/results/results.config.js';
import { startResults } from '#apps/results/start-results.js';
import { SCHEDULER_SETTINGS } from '#apps/scheduler/scheduler.config.js';
import { startScheduler } from '#apps/scheduler/start-scheduler.js';
import { provision } from '#libs/broker/provision.js';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { connectBroker } from '#libs/runtime/broker-client.js';
import { Health } from '#libs/runtime/health.js';
import { createLogger } from '#libs/runtime/logger.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import { loadSettings, type Loaded, type Settings } from '#libs/runtime/settings.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';

type Env = Readonly<Record<string, string>>;

/** The five services in this process, each with a broker connection of its own, on a real nats-server. */
export class TestPlatform {
  readonly #running = new Map<
    ServiceName,
    { readonly service: RunningService; readonly connection: NatsConnection }
  >();
  readonly failures: string[] = [];

  private constructor(
    readonly server: TestServer,
    readonly folder: string,
    private readonly env: Env,
    /** For a test to look on, and to speak where a service would. */
    readonly connection: NatsConnection,
  ) {}

  static async start(env: Env = {}): Promise<TestPlatform> {
    const server = await startNatsServer();
    const folder = await mkdtemp(join(tmpdir(), 'orchestra-rest-'));
    await cp('templates', join(folder, 'templates'), { recursive: true });
    const connection = await connectTo(server, 'test');
    await provision(connection);
    const platform = new TestPlatform(
      server,
      folder,
      {
        ORCHESTRA_TEMPLATES_DIR: join(folder, 'templates'),
        ORCHESTRA_DATA_DIR: join(folder, 'data'),
        ORCHESTRA_PORT: '0',
        ...env,
      },
      connection,
    );
    for (const service of ['results', 'scheduler', 'gpu-allocator', 'executor', 'gateway'] as const)
      await platform.startService(service);
    await platform.ready();
    return platform;
  }

  async startService(service: ServiceName): Promise<void> {
    const connection = await connectTo(this.server, service);
    const logger = createLogger({ service, instance: service, level: 'silent' });
    const health = new Health(service, service, '0.0.0');
    const context: ServiceContext = {
      service,
      instance: service,
      logger,
      connection,
      health,
      fail: (error) => this.failures.push(`${service}: ${String(error)}`),
    };
    const running = await this.#starters[service](context);
    health.serve(connection);
    this.#running.set(service, { service: running, connection });
    if (service === 'gateway') this.url = String(health.report().progress['url']);
  }

  async stopService(service: ServiceName): Promise<void> {
    const running = this.#running.get(service);
    this.#running.delete(service);
    await running?.service.stop();
    await running?.connection.drain();
  }

  /** Address of the gateway. */
  url = '';

  async ready(): Promise<void> {
    for (;;) {
      const response = await fetch(`${this.url}/health/ready`, {
        headers: { 'x-api-key': this.env['ORCHESTRA_API_KEY'] ?? '' },
      });
      if (response.status === 200) return;
      await response.body?.cancel();
      // Each look takes as long as the slowest service, so this is no busy loop.
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async stop(): Promise<void> {
    for (const service of ['gateway', 'executor', 'scheduler', 'gpu-allocator', 'results'] as const)
      await this.stopService(service);
    await this.connection.drain();
    await this.server.remove();
    await rm(this.folder, { recursive: true, force: true });
  }

  #load<S extends Settings>(settings: S): Loaded<S> {
    return loadSettings(settings, this.env);
  }

  readonly #starters: Readonly<Record<ServiceName, (context: ServiceContext) => Promise<RunningService>>> = {
    gateway: (context) => startGateway(context, this.#load(GATEWAY_SETTINGS)),
    scheduler: (context) => startScheduler(context, this.#load(SCHEDULER_SETTINGS)),
    'gpu-allocator': (context) => startAllocator(context, this.#load(ALLOCATOR_SETTINGS)),
    executor: (context) => startExecutor(context, this.#load(EXECUTOR_SETTINGS)),
    results: (context) => startResults(context, this.#load(RESULTS_SETTINGS)),
  };
}

const connectTo = async (server: TestServer, service: string): Promise<NatsConnection> =>
  await connectBroker({
    url: server.url,
    service,
    instance: service,
    nkeyFile: undefined,
    logger: createLogger({ service, instance: service, level: 'silent' }),
  });
