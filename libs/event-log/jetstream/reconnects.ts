import { ConnectionError, type NatsConnection } from '@nats-io/transport-node';

type Listener = () => void;

const WATCHED = new WeakMap<NatsConnection, Set<Listener>>();

/**
 * Calls `listener` after each reconnection, until the returned function is called. One status iterator serves a connection: each
 * that is opened lives as long as the connection does.
 */
export const onReconnect = (connection: NatsConnection, listener: Listener): (() => void) => {
  const listeners = WATCHED.get(connection) ?? watch(connection);
  listeners.add(listener);
  return () => void listeners.delete(listener);
};

const watch = (connection: NatsConnection): Set<Listener> => {
  const listeners = new Set<Listener>();
  WATCHED.set(connection, listeners);
  void (async () => {
    for await (const { type } of connection.status()) {
      if (type === 'reconnect') for (const listener of listeners) listener();
    }
  })();
  return listeners;
};

/**
 * The outcome of a request, or a `ConnectionError` at the next reconnection: what was asked over the lost connection is not
 * answered over the new one, and the client itself would wait for the whole time limit.
 */
export const untilReconnect = async <T>(connection: NatsConnection, request: Promise<T>): Promise<T> => {
  const { promise: lost, reject } = Promise.withResolvers<never>();
  const forget = onReconnect(connection, () => reject(new ConnectionError('the connection was lost')));
  try {
    return await Promise.race([request, lost]);
  } finally {
    forget();
    // Whichever came later has no one to hear it.
    request.catch(() => undefined);
  }
};
