import { jetstreamManager } from '@nats-io/jetstream';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';
import { CommandError, EXIT } from '../exit-codes.js';

/** Signs in at the broker as the operator's own reader of the log. Without a key file: a broker that wants none. */
export const connectObserver = async (url: string, keyFile: string | undefined): Promise<NatsConnection> => {
  const seed = keyFile === undefined ? null : await readFile(keyFile);
  try {
    return await connect({
      servers: url,
      name: 'orchestra events',
      inboxPrefix: '_INBOX_observer',
      maxReconnectAttempts: -1,
      ...(seed === null ? {} : { authenticator: nkeyAuthenticator(new Uint8Array(seed)) }),
    });
  } catch (error) {
    throw new CommandError(
      EXIT.unreachable,
      `The broker at ${url} does not let us in: ${(error as Error).message}`,
    );
  }
};

/** The last sequence that was stored before this time; 0 where all are later. A few dozen questions, however long the log is. */
export const lastSeqBefore = async (
  connection: NatsConnection,
  stream: string,
  lastSeq: number,
  time: string,
): Promise<number> => {
  const { streams } = await jetstreamManager(connection, { checkAPI: false });
  const wantedMs = Date.parse(time);
  let [before, later] = [0, lastSeq + 1];
  while (later - before > 1) {
    const middle = Math.floor((before + later) / 2);
    const stored = await streams.getMessage(stream, { seq: middle });
    if (stored === null) throw new CommandError(EXIT.failed, `${stream}: event ${middle} cannot be read`);
    if (stored.time.getTime() < wantedMs) before = middle;
    else later = middle;
  }
  return before;
};
