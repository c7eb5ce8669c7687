import type { MsgHdrs, NatsConnection } from '@nats-io/transport-node';
import { checkedJson, decodeValue, encodeValue, rawHeaders } from './cloud-event.js';
import { LogUnavailableError } from './event-log.js';
import type { FollowInboxOptions, Inbox, InboxMessage, ReceivedMessage } from './inbox.js';
import { followStream, type StreamMessage } from './jetstream/follow-stream.js';
import { headersOf } from './jetstream/message-headers.js';
import { PubAcks } from './jetstream/pub-acks.js';
import { onReconnect } from './jetstream/reconnects.js';

/** The broker confirms within milliseconds, or within a sync to disk; longer than this it is away. */
const PUT_TIMEOUT_MS = 5_000;

/** Puts under way at once; beyond it the broker is not keeping up and the caller is told so at once. */
const IN_FLIGHT_MAX = 10_000;

/** A stream of requests on JetStream. Made by provisioning. */
export const jetStreamInbox = (connection: NatsConnection, stream: { readonly name: string }): Inbox =>
  new JetStreamInbox(connection, stream.name);

class JetStreamInbox implements Inbox {
  #acks: PubAcks | null = null;
  #inFlight = 0;

  constructor(
    private readonly connection: NatsConnection,
    readonly name: string,
  ) {}

  async put(message: InboxMessage): Promise<number> {
    const payload = this.#checked(message);
    const headers = headersFor(message);
    const acks = (this.#acks ??= new PubAcks(this.connection));
    this.#inFlight += 1;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    let token = '';
    const send = (): void => {
      acks.forget(token);
      token = acks.publish(message.subject, payload, headers, (ack) => {
        if (ack.ok) resolve(ack.seq);
        else reject(new LogUnavailableError(`${this.name}: not stored: ${ack.message}`));
      });
    };
    // What the lost connection swallowed is sent again; what was stored is known by its id.
    const forget = onReconnect(this.connection, send);
    const timer = setTimeout(() => {
      acks.forget(token);
      reject(new LogUnavailableError(`${this.name}: the broker did not confirm within ${PUT_TIMEOUT_MS} ms`));
    }, PUT_TIMEOUT_MS);
    try {
      send();
      return await promise;
    } catch (error) {
      if (error instanceof LogUnavailableError) throw error;
      // The client refuses to send on a connection that is closed or draining.
      throw new LogUnavailableError(`${this.name}: not sent: ${String(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
      forget();
      this.#inFlight -= 1;
    }
  }

  async *follow(afterSeq: number, options: FollowInboxOptions): AsyncIterable<ReceivedMessage> {
    let seq = afterSeq;
    for await (const message of followStream(this.connection, this.name, afterSeq, options)) {
      // Ids seen before take no sequence and nothing is deleted by hand, so a hole is what age took away.
      if (message.seq > seq + 1) options.onGap?.({ fromSeq: seq + 1, toSeq: message.seq - 1 });
      seq = message.seq;
      yield received(message);
    }
  }

  #checked(message: InboxMessage): string {
    const payload = checkedJson(this.name, message);
    if (this.#inFlight < IN_FLIGHT_MAX) return payload;
    throw new LogUnavailableError(`${this.name}: ${this.#inFlight} messages wait for the broker already`);
  }
}

const headersFor = ({ id, answerTo, traceparent }: InboxMessage): MsgHdrs =>
  rawHeaders(
    `NATS/1.0\r\nNats-Msg-Id: ${id}\r\n` +
      (answerTo === undefined ? '' : `answer-to: ${encodeValue(answerTo)}\r\n`) +
      (traceparent === undefined ? '' : `ce-traceparent: ${encodeValue(traceparent)}\r\n`) +
      '\r\n',
  );

const received = (message: StreamMessage): ReceivedMessage => {
  const { seq, subject, info } = message;
  const header = headersOf(message);
  const answerTo = decodeValue(header('answer-to'));
  const traceparent = decodeValue(header('ce-traceparent'));
  return {
    seq,
    subject,
    data: message.json(),
    id: header('Nats-Msg-Id'),
    storedAtMs: Number(BigInt(info.timestampNanos) / 1_000_000n),
    ...(answerTo === '' ? {} : { answerTo }),
    ...(traceparent === '' ? {} : { traceparent }),
  };
};
