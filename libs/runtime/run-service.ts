import 'reflect-metadata';
import type { NatsConnection } from '@nats-io/transport-node';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { connectBroker } from './broker-client.js';
import type { COMMON_SETTINGS } from './common.settings.js';
import { Health } from './health.js';
import { createLogger, type Logger } from './logger.js';
import type { Loaded } from './settings.js';
import { SettingsError } from './settings.js';
import { packageVersion } from './version.js';

/** What every service is handed when it starts. */
export type ServiceContext = {
  readonly service: ServiceName;
  readonly instance: string;
  readonly logger: Logger;
  readonly connection: NatsConnection;
  readonly health: Health;
  /** Something broke that this process cannot go on without: it stops with an error, and its supervisor decides. */
  readonly fail: (error: unknown) => void;
};

/** A started service: `stop` settles work in flight and closes everything but the broker connection. */
export type RunningService = { readonly stop: () => Promise<void> };

/** Exit codes of a service process. */
export const EXIT = { ok: 0, failed: 1, badConfiguration: 78 } as const;

/** Beyond the grace that work in flight gets, closing itself may take this long before the process is ended anyway. */
const CLOSE_MARGIN_MS = 5_000;

/**
 * The one main of every service: read the configuration, connect, start, wait for a signal, stop in order.
 * `ready` goes to the parent process, if there is one, when the service has started.
 */
export const runService = async <C extends Loaded<typeof COMMON_SETTINGS>>(
  service: ServiceName,
  loadConfig: () => C,
  start: (context: ServiceContext, config: C) => Promise<RunningService>,
): Promise<void> => {
  const config = configOrExit(service, loadConfig);
  const instance = config.instance ?? `${service}-${process.pid}`;
  const logger = createLogger({ service, instance, level: config.logLevel });
  const stopAsked = signalled();
  const failure = Promise.withResolvers<never>();
  failure.promise.catch(() => undefined);
  try {
    const connection = await connectBroker({
      url: config.natsUrl,
      service,
      instance,
      nkeyFile: config.natsNkeyFile,
      logger,
    });
    const health = new Health(service, instance, packageVersion());
    const running = await start(
      { service, instance, logger, connection, health, fail: failure.reject },
      config,
    );
    health.serve(connection);
    process.send?.({ ready: service });
    logger.info('started');
    const signal = await Promise.race([stopAsked, failure.promise]);
    logger.info({ signal }, 'stopping');
    endAnywayAfter(config.shutdownGraceMs + CLOSE_MARGIN_MS, logger);
    await running.stop();
    await connection.drain();
    logger.info('stopped');
    process.exit(EXIT.ok);
  } catch (error) {
    logger.fatal(
      { error: error instanceof Error ? (error.stack ?? error.message) : String(error) },
      'failed',
    );
    logger.flush(() => process.exit(EXIT.failed));
  }
};

const configOrExit = <C>(service: string, loadConfig: () => C): C => {
  try {
    return loadConfig();
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    process.stderr.write(`${service}: ${error.message}\n`);
    process.exit(EXIT.badConfiguration);
  }
};

const signalled = (): Promise<string> =>
  new Promise((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve(signal));
    // The launcher is gone: do not outlive it.
    process.once('disconnect', () => resolve('parent gone'));
  });

const endAnywayAfter = (limitMs: number, logger: Logger): void => {
  setTimeout(() => {
    logger.error({ limitMs }, 'did not stop in time; ending');
    process.exit(EXIT.failed);
  }, limitMs).unref();
};
