import { readFile } from 'node:fs/promises';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import type { Logger } from './logger.js';
import { writeOncePerTurn } from './turn-writes.js';

/** Time to reach the broker at the start before saying so; it is tried again for ever. */
const CONNECT_TIMEOUT_MS = 5_000;

export type BrokerOptions = {
  readonly url: string;
  readonly service: string;
  readonly instance: string;
  readonly nkeyFile: string | undefined;
  readonly logger: Logger;
};

/**
 * One connection per process. Reconnects for ever: a broker restart is an interruption, not an end. Replies come to an
 * inbox of the service's own, so that no other user of the broker can read them.
 */
/** Each service hears answers under a prefix of its own, and may hear no other. */
export const inboxPrefixOf = (service: string): string => `_INBOX_${service}`;

export const connectBroker = async (options: BrokerOptions): Promise<NatsConnection> => {
  const seed = options.nkeyFile === undefined ? undefined : await readFile(options.nkeyFile);
  const connection = await connect({
    servers: options.url,
    name: `${options.service}/${options.instance}`,
    timeout: CONNECT_TIMEOUT_MS,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    pingInterval: 10_000,
    maxPingOut: 3,
    inboxPrefix: inboxPrefixOf(options.service),
    // A stack trace for every request, made before it is known whether it fails.
    noAsyncTraces: true,
    ...(seed === undefined ? {} : { authenticator: nkeyAuthenticator(new Uint8Array(seed)) }),
  });
  writeOncePerTurn(connection);
  void logStatus(connection, options.logger);
  return connection;
};

const logStatus = async (connection: NatsConnection, logger: Logger): Promise<void> => {
  for await (const status of connection.status()) {
    switch (status.type) {
      case 'disconnect':
        logger.warn('broker connection lost');
        break;
      case 'reconnect':
        logger.info('broker connection is back');
        break;
      case 'error':
        logger.error({ error: String(status.error) }, 'broker refused something');
        break;
      case 'slowConsumer':
        logger.error({ pending: status.pending }, 'slow consumer: messages were dropped');
        break;
      default:
        break;
    }
  }
};
