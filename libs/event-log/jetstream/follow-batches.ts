import { jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { LogUnavailableError, type BatchOptions } from '../event-log.js';
import { pause } from '../pause.js';
import { PullReader, type PulledMessage } from './pull-reader.js';
import { onReconnect, untilReconnect } from './reconnects.js';
import { isTransient } from './transient-error.js';

/** Pause before reading on after the delivery was lost. */
const REOPEN_MS = 250;

/** One request of the JetStream API. */
const API_TIMEOUT_MS = 2_000;

/** Messages of a stream behind a sequence, in order and each once, as many at a time as are there. Outlives restarts of the broker. */
export async function* followBatches(
  connection: NatsConnection,
  stream: string,
  afterSeq: number,
  options: BatchOptions,
): AsyncGenerator<readonly PulledMessage[], void, void> {
  let seq = afterSeq;
  while (!options.signal.aborted) {
    if (connection.isClosed()) throw new LogUnavailableError(`${stream}: the broker connection was closed`);
    try {
      for await (const batch of readBehind(connection, stream, seq, options)) {
        seq = batch.at(-1)?.seq ?? seq;
        yield batch;
      }
    } catch (error) {
      if (!isTransient(error) && !connection.isClosed()) throw error;
    }
    await pause(REOPEN_MS, options.signal);
  }
}

/** Until the delivery is lost. What is fetched and not handed on then will be fetched again. */
async function* readBehind(
  connection: NatsConnection,
  stream: string,
  afterSeq: number,
  { signal, sizeMax, gather }: BatchOptions,
): AsyncGenerator<readonly PulledMessage[], void, void> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: API_TIMEOUT_MS });
  const reader = await untilReconnect(connection, PullReader.open(connection, manager, stream, afterSeq));
  const forget = onReconnect(connection, () => reader.lose('the connection was lost'));
  const stop = (): void => reader.lose('reading was stopped');
  signal.addEventListener('abort', stop, { once: true });
  try {
    // A hole before the first message is one of the stream; a later one may be of the delivery, and is looked at again.
    let previous: number | null = null;
    while (!signal.aborted) {
      const first = await reader.next();
      if (first === null) continue;
      if (first.pending + 1 < sizeMax) await gather();
      const fetched = [first, ...(await reader.rest(sizeMax - 1))];
      const batch = unbroken(fetched, previous ?? first.seq - 1);
      if (batch.length > 0) yield batch;
      if (batch.length < fetched.length) return;
      previous = fetched.at(-1)?.seq ?? previous;
    }
  } finally {
    forget();
    signal.removeEventListener('abort', stop);
    reader.close();
  }
}

const unbroken = (messages: readonly PulledMessage[], after: number): readonly PulledMessage[] => {
  const hole = messages.findIndex(({ seq }, place) => seq !== after + 1 + place);
  return hole < 0 ? messages : messages.slice(0, hole);
};
