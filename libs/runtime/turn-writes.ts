import type { NatsConnection } from '@nats-io/transport-node';

/** The part of the client that hands what is to be sent to the socket. */
type Sender = { flushPending: () => void; readonly outbound: { size: () => number } };

/** More than this goes out at once: a long burst must not wait in memory for the end of its turn. */
const HELD_MAX_BYTES = 256 * 1024;

/**
 * Makes a connection write to its socket once per turn of the event loop.
 *
 * The client flushes in a microtask, so code that publishes between awaits makes one system call per message, on this side and
 * on the broker's: a third of the scheduler's time under load. A message leaves at the latest when the sockets that are readable now
 * have been read. The client has no setting for this; where its inside is not as expected, it works as it always did.
 */
export const writeOncePerTurn = (connection: NatsConnection): void => {
  const sender = (connection as unknown as { protocol?: Partial<Sender> }).protocol;
  const { outbound } = sender ?? {};
  if (typeof sender?.flushPending !== 'function' || typeof outbound?.size !== 'function') return;
  const flush = sender.flushPending.bind(sender);
  let due = false;
  sender.flushPending = () => {
    if (outbound.size() > HELD_MAX_BYTES) flush();
    if (due) return;
    due = true;
    setImmediate(() => {
      due = false;
      flush();
    });
  };
};
