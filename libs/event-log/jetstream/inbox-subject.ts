import { createInbox, type NatsConnection } from '@nats-io/transport-node';

/** A new subject for answers under the connection's own prefix, the only one that its user may hear. */
export const inboxOf = (connection: NatsConnection): string =>
  createInbox((connection as unknown as { options?: { inboxPrefix?: string } }).options?.inboxPrefix);
