import { jetstream, type ConsumerMessages } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { WorkFeed, WorkItem } from './work-feed.js';
import { headersOf } from './jetstream/message-headers.js';
import { pause } from './pause.js';

/**
 * Messages asked for ahead. They are leased already and run at once, so waiting in this buffer costs nothing but the
 * fairness between executors.
 */
const AHEAD_MAX = 256;

/** Pause before the consumer is opened again after the broker closed it. */
const REOPEN_MS = 250;

/** A durable pull consumer without acknowledgements, shared by all readers of that name. Provisioning creates it. */
export const jetStreamWorkFeed = (
  connection: NatsConnection,
  consumer: { readonly stream: string; readonly name: string },
): WorkFeed => ({
  async *take(signal: AbortSignal): AsyncIterable<WorkItem> {
    while (!signal.aborted) {
      try {
        yield* deliveries(await open(connection, consumer), signal);
      } catch (error) {
        if (signal.aborted || connection.isClosed()) return;
        if (!isTransient(error)) throw error;
      }
      await pause(REOPEN_MS, signal);
    }
  },
});

const open = async (
  connection: NatsConnection,
  { stream, name }: { readonly stream: string; readonly name: string },
): Promise<ConsumerMessages> => {
  const consumer = await jetstream(connection).consumers.get(stream, name);
  return await consumer.consume({ max_messages: AHEAD_MAX });
};

async function* deliveries(messages: ConsumerMessages, signal: AbortSignal): AsyncIterable<WorkItem> {
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  try {
    for await (const message of messages) {
      const header = headersOf(message);
      const traceparent = header('ce-traceparent');
      yield {
        seq: message.seq,
        type: header('ce-type'),
        data: message.json<unknown>(),
        ...(traceparent === '' ? {} : { traceparent }),
      };
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
  }
}

/** Timeouts, missing responders and disconnects pass when the broker is back; anything else is a mistake of ours. */
const isTransient = (error: unknown): boolean =>
  /timeout|no responders|disconnect|closed|connection|503|not found|heartbeats|draining/i.test(String(error));
