import type { NatsConnection } from '@nats-io/transport-node';
import { rawHeaders } from './cloud-event.js';
import { LogUnavailableError } from './event-log.js';
import type { Inbox, InboxMessage, ReceivedMessage } from './inbox.js';
import { followStream } from './jetstream/follow-stream.js';
import { PubAcks } from './jetstream/pub-acks.js';

/** The broker confirms within milliseconds, or within a sync to disk; longer than this it is away. */
const PUT_TIMEOUT_MS = 5_000;

/** Puts under way at once; beyond it the broker is not keeping up and the caller is told so at once. */
const IN_FLIGHT_MAX = 10_000;

/** A stream of requests on JetStream. Made by provisioning. */
export const jetStreamInbox = (connection: NatsConnection, stream: { readonly name: string }): Inbox => {
  const { name } = stream;
  let acks: PubAcks | null = null;
  let inFlight = 0;
  const put = async (message: InboxMessage): Promise<number> => {
    if (inFlight >= IN_FLIGHT_MAX)
      throw new LogUnavailableError(`${name}: ${inFlight} messages wait for the broker already`);
    acks ??= new PubAcks(connection);
    const publishing = acks;
    inFlight += 1;
    try {
      return await new Promise<number>((resolve, reject) => {
        const token = publishing.publish(
          message.subject,
          JSON.stringify(message.data),
          headersOf(message),
          (ack) => {
            clearTimeout(timer);
            if (ack.ok) resolve(ack.seq);
            else reject(new LogUnavailableError(`${name}: not stored: ${ack.message}`));
          },
        );
        const timer = setTimeout(() => {
          publishing.forget(token);
          reject(new LogUnavailableError(`${name}: the broker did not confirm within ${PUT_TIMEOUT_MS} ms`));
        }, PUT_TIMEOUT_MS);
      });
    } finally {
      inFlight -= 1;
    }
  };
  return {
    name,
    put,
    async *follow(afterSeq, options) {
      for await (const message of followStream(connection, name, afterSeq, options)) {
        yield received(
          message.seq,
          message.subject,
          message.json(),
          message.headers,
          message.info.timestampNanos,
        );
      }
    },
  };
};

const headersOf = ({ id, answerTo, traceparent }: InboxMessage) =>
  rawHeaders(
    `NATS/1.0\r\nNats-Msg-Id: ${id}\r\n` +
      (answerTo === undefined ? '' : `answer-to: ${answerTo}\r\n`) +
      (traceparent === undefined ? '' : `ce-traceparent: ${traceparent}\r\n`) +
      '\r\n',
  );

const received = (
  seq: number,
  subject: string,
  data: unknown,
  headers: { get(name: string): string } | undefined,
  timestampNanos: number | bigint,
): ReceivedMessage => {
  const answerTo = headers?.get('answer-to');
  const traceparent = headers?.get('ce-traceparent');
  return {
    seq,
    subject,
    data,
    id: headers?.get('Nats-Msg-Id') ?? '',
    storedAtMs: Number(BigInt(timestampNanos) / 1_000_000n),
    ...(answerTo ? { answerTo } : {}),
    ...(traceparent ? { traceparent } : {}),
  };
};
