import type { NatsConnection } from '@nats-io/transport-node';

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
