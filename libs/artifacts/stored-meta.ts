import { JetStreamApiCodes, JetStreamApiError, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { metaSubject, OBJECT_STREAM, type ObjectMeta } from './object-layout.js';

/** One request; the broker answers within milliseconds. */
const TIMEOUT_MS = 5_000;

/** What the store keeps of an object, and where in its stream; null when there is none. All chunks stand before that. */
export const storedMeta = async (
  connection: NatsConnection,
  object: string,
): Promise<{ readonly meta: ObjectMeta; readonly seq: number } | null> => {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: TIMEOUT_MS });
  try {
    const found = await manager.streams.getMessage(OBJECT_STREAM, { last_by_subj: metaSubject(object) });
    return found === null ? null : { meta: found.json<ObjectMeta>(), seq: found.seq };
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.NoMessageFound) return null;
    throw error;
  }
};
