import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ChainCheck, soundPart } from './chain-check.js';
import { checkedPayload, cloudPayload, decodeEvent, eventHeaders } from './cloud-event.js';
import { eventHash } from './event-hash.js';
import {
  LogCorruptError,
  LogUnavailableError,
  WriterDeposedError,
  type BatchOptions,
  type EventLog,
  type LogPosition,
  type LogTail,
  type LogWriter,
  type NewEvent,
  type ReadOptions,
  type StoredEvent,
} from './event-log.js';
import { followBatches } from './jetstream/follow-batches.js';
import { followStream, type StreamMessage } from './jetstream/follow-stream.js';
import { JetStreamLogWriter } from './jetstream/log-writer.js';
import { headersOf, lookupIn } from './jetstream/message-headers.js';
import { PubAcks, type PubAck } from './jetstream/pub-acks.js';
import type { PulledMessage } from './jetstream/pull-reader.js';
import { onReconnect, untilReconnect } from './jetstream/reconnects.js';
import { isTransient } from './jetstream/transient-error.js';
import { WRITER_LIMITS, type WriterLimits } from './jetstream/writer-options.js';
import { pause } from './pause.js';

/** The answer to one opening append; the writer's own time-out for answers is no shorter. */
const OPENING_TIMEOUT_MS = 5_000;

/** One request for state; the client's own limit of 5 s would use up much of what a writer has for finding out. */
const API_TIMEOUT_MS = 2_000;

/** Pause before a follower asks a broker again that is away. */
const AGAIN_MS = 500;

/** One truth stream on JetStream. The stream itself is made by provisioning. */
export const jetStreamEventLog = (
  connection: NatsConnection,
  stream: { readonly name: string },
  limits: Partial<WriterLimits> = {},
): EventLog => new JetStreamEventLog(connection, stream.name, { ...WRITER_LIMITS, ...limits });

class JetStreamEventLog implements EventLog {
  #manager: Promise<JetStreamManager> | null = null;
  #acks: PubAcks | null = null;

  constructor(
    private readonly connection: NatsConnection,
    readonly name: string,
    private readonly limits: WriterLimits,
  ) {}

  async tail(): Promise<LogTail> {
    const { state } = await this.#asked((manager) => manager.streams.info(this.name));
    return { firstSeq: state.first_seq, lastSeq: state.last_seq };
  }

  async *replay(from: LogPosition, options: ReadOptions = {}): AsyncIterable<StoredEvent> {
    const { lastSeq } = await this.#checked(from);
    if (lastSeq === from.seq) return;
    let seq = from.seq;
    for await (const event of this.#decoded(from, { ...options, untilSeq: lastSeq })) {
      seq = event.seq;
      yield event;
    }
    options.signal?.throwIfAborted();
    if (options.filterSubjects === undefined && seq < lastSeq) {
      throw new LogCorruptError(`${this.name}: ends at ${lastSeq}, but no event behind ${seq} can be read`);
    }
  }

  async *follow(
    from: LogPosition,
    options: ReadOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<StoredEvent> {
    await this.#checkedInTime(from, options.signal);
    yield* this.#decoded(from, options);
  }

  async *followBatches(from: LogPosition, options: BatchOptions): AsyncIterable<readonly StoredEvent[]> {
    await this.#checkedInTime(from, options.signal);
    const check = new ChainCheck(this.name, from);
    for await (const batch of followBatches(this.connection, this.name, from.seq, options)) {
      yield* soundPart(batch, (message) => decodeEvent(rawOf(message), this.name), check);
    }
  }

  async openWriter(at: LogPosition, opening: NewEvent): Promise<LogWriter> {
    this.#acks ??= new PubAcks(this.connection);
    const { lastSeq } = await this.#checked(at);
    if (lastSeq > at.seq) throw movedOn(this.name, lastSeq, at.seq);
    const epoch = at.seq + 1;
    await this.#appendOpening(this.#acks, at, opening);
    return new JetStreamLogWriter({
      stream: this.name,
      acks: this.#acks,
      tail: {
        lastSeq: async () => (await this.tail()).lastSeq,
        idAt: async (seq) => await this.#idAt(seq),
      },
      epoch,
      at: { seq: epoch, hash: eventHash(at.hash, opening, epoch, cloudPayload(opening)) },
      limits: this.limits,
      onReconnect: (listener) => onReconnect(this.connection, listener),
    });
  }

  /** Asks the broker. What waiting can mend becomes `LogUnavailableError`. */
  async #asked<T>(question: (manager: JetStreamManager) => Promise<T>): Promise<T> {
    try {
      this.#manager ??= jetstreamManager(this.connection, { checkAPI: false, timeout: API_TIMEOUT_MS });
      return await untilReconnect(this.connection, question(await this.#manager));
    } catch (error) {
      if (!isTransient(error) && !this.connection.isClosed()) throw error;
      throw new LogUnavailableError(`${this.name}: the broker does not answer: ${String(error)}`, {
        cause: error,
      });
    }
  }

  /** The tail, once it is sure that the log still holds what the caller has read. A position without a hash is believed. */
  async #checked(at: LogPosition): Promise<LogTail> {
    const tail = await this.tail();
    if (tail.lastSeq < at.seq) {
      throw new LogCorruptError(
        `${this.name}: ends at ${tail.lastSeq}, but ${at.seq} was read from it: it lost events, or it is another log`,
      );
    }
    if (at.seq > 0 && at.hash !== '') {
      const stored = await this.#eventAt(at.seq);
      if (stored?.hash !== at.hash) {
        throw new LogCorruptError(
          `${this.name}: event ${at.seq} has the hash ${stored?.hash ?? 'of nothing: it is gone'}, but ${at.hash} was read ` +
            'from there: the log was changed, or it is another log',
        );
      }
    }
    return tail;
  }

  /** A follower waits for a broker that is away. */
  async #checkedInTime(at: LogPosition, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.#checked(at);
        return;
      } catch (error) {
        if (!(error instanceof LogUnavailableError) || this.connection.isClosed()) throw error;
        await pause(AGAIN_MS, signal);
      }
    }
  }

  async #eventAt(seq: number): Promise<StoredEvent | null> {
    const found = await this.#asked((manager) => manager.streams.getMessage(this.name, { seq }));
    if (found === null) return null;
    const { subject } = found;
    return decodeEvent({ seq, subject, header: lookupIn(found.header), payload: found.string() }, this.name);
  }

  async #idAt(seq: number): Promise<string> {
    try {
      return (await this.#eventAt(seq))?.id ?? '';
    } catch (error) {
      if (error instanceof LogCorruptError) return '';
      throw error;
    }
  }

  async *#decoded(
    from: LogPosition,
    options: ReadOptions & { readonly untilSeq?: number },
  ): AsyncIterable<StoredEvent> {
    const check = options.filterSubjects === undefined ? new ChainCheck(this.name, from) : null;
    for await (const message of followStream(this.connection, this.name, from.seq, options)) {
      const event = decodeEvent(rawOf(message), this.name);
      yield check ? check.next(event) : event;
    }
  }

  async #appendOpening(acks: PubAcks, at: LogPosition, opening: NewEvent): Promise<void> {
    const epoch = at.seq + 1;
    const payload = checkedPayload(this.name, opening);
    const headers = eventHeaders(opening, epoch, at.hash, { lastSeq: at.seq, lastMsgId: null });
    const ack = await new Promise<PubAck>((resolve) => {
      const token = acks.publish(opening.subject, payload, headers, (heard) => {
        clearTimeout(timer);
        resolve(heard);
      });
      const timer = setTimeout(() => {
        acks.forget(token);
        resolve({ ok: false, code: 0, message: `no answer within ${OPENING_TIMEOUT_MS} ms` });
      }, OPENING_TIMEOUT_MS);
    });
    if (ack.ok && ack.seq === epoch) return;
    // Whatever was said or not said: the log knows who wrote at this place.
    const { lastSeq } = await this.tail();
    if (lastSeq >= epoch && (await this.#idAt(epoch)) === opening.id) return;
    if (lastSeq !== at.seq) throw movedOn(this.name, lastSeq, at.seq);
    throw new LogUnavailableError(
      `${this.name}: could not be opened: ${ack.ok ? `stored at ${ack.seq}` : ack.message}`,
    );
  }
}

const movedOn = (name: string, lastSeq: number, at: number): Error =>
  new WriterDeposedError(`${name}: has moved on to ${lastSeq}, past ${at}`);

const rawOf = (message: StreamMessage | PulledMessage) => ({
  seq: message.seq,
  subject: message.subject,
  header: headersOf(message),
  payload: message.string(),
});
