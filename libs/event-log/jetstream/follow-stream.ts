import { DeliverPolicy, jetstream, type ConsumerMessages, type JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { pause } from '../pause.js';

export type StreamMessage = JsMsg;

/** Messages fetched ahead: replay speed stops growing there (2,000 gives 72 k/s, 500 gives 45 k/s on 2.9.10). */
const AHEAD_MAX = 2_000;

/** Pause before reading on after the broker closed the consumer. */
const REOPEN_MS = 250;

/**
 * Messages of a stream behind a sequence, in order, by an ordered consumer. The client repairs gaps in the delivery itself; when
 * the consumer is gone for good (a restarted broker forgets it), it is opened anew behind the last message handed on.
 */
export async function* followStream(
  connection: NatsConnection,
  stream: string,
  afterSeq: number,
  options: {
    readonly filterSubject?: string;
    readonly bufferMax?: number;
    readonly signal?: AbortSignal;
    readonly untilSeq?: number;
  },
): AsyncIterable<StreamMessage> {
  let seq = afterSeq;
  const { signal, untilSeq } = options;
  while (!signal?.aborted && !connection.isClosed()) {
    try {
      const messages = await open(connection, stream, seq, options);
      for await (const message of until(messages, signal)) {
        seq = message.seq;
        yield message;
        // A filtered read may have nothing more to wait for: the last one says how many are left.
        if (untilSeq !== undefined && (seq >= untilSeq || message.info.pending === 0)) return;
      }
    } catch (error) {
      if (signal?.aborted || connection.isClosed()) return;
      if (!isTransient(error)) throw error;
    }
    if (signal?.aborted) return;
    await pause(REOPEN_MS, signal);
  }
}

const open = async (
  connection: NatsConnection,
  stream: string,
  afterSeq: number,
  options: { readonly filterSubject?: string; readonly bufferMax?: number },
): Promise<ConsumerMessages> => {
  const { filterSubject, bufferMax = AHEAD_MAX } = options;
  const consumer = await jetstream(connection).consumers.get(stream, {
    deliver_policy: DeliverPolicy.StartSequence,
    opt_start_seq: afterSeq + 1,
    ...(filterSubject === undefined ? {} : { filter_subjects: filterSubject }),
  });
  return await consumer.consume({ max_messages: bufferMax });
};

async function* until(
  messages: ConsumerMessages,
  signal: AbortSignal | undefined,
): AsyncIterable<StreamMessage> {
  const stop = (): void => messages.stop();
  signal?.addEventListener('abort', stop, { once: true });
  if (signal?.aborted) stop();
  try {
    yield* messages;
  } finally {
    signal?.removeEventListener('abort', stop);
    messages.stop();
  }
}

/** These pass when the broker is back; anything else is a mistake that waiting does not mend. */
const isTransient = (error: unknown): boolean =>
  /timeout|no responders|disconnect|closed|connection|503|consumer not found|heartbeats|draining|unavailable/i.test(
    String(error),
  );
