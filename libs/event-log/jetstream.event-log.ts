import {
  jetstream,
  jetstreamManager,
  DeliverPolicy,
  type JetStreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ChainCheck } from './chain-check.js';
import { cloudPayload, decodeEvent, eventHeaders } from './cloud-event.js';
import { eventHash } from './event-hash.js';
import {
  LogUnavailableError,
  WriterDeposedError,
  type EventLog,
  type LogPosition,
  type LogTail,
  type LogWriter,
  type NewEvent,
  type ReadOptions,
  type StoredEvent,
} from './event-log.js';
import { followStream, type StreamMessage } from './jetstream/follow-stream.js';
import { JetStreamLogWriter, type TailReader } from './jetstream/log-writer.js';
import { PubAcks, type PubAck } from './jetstream/pub-acks.js';

/** The answer to one opening append; the writer's own time-out for answers is no shorter. */
const OPENING_TIMEOUT_MS = 5_000;

/** One truth stream on JetStream. The stream itself is made by provisioning. */
export const jetStreamEventLog = (
  connection: NatsConnection,
  stream: { readonly name: string },
): EventLog => {
  const { name } = stream;
  let manager: Promise<JetStreamManager> | null = null;
  const managed = async (): Promise<JetStreamManager> =>
    await (manager ??= jetstreamManager(connection, { checkAPI: false }));
  let acks: PubAcks | null = null;
  const tail = async (): Promise<LogTail> => {
    const { state } = await (await managed()).streams.info(name);
    return { firstSeq: state.first_seq, lastSeq: state.last_seq };
  };
  const storedAt = async (seq: number): Promise<StoredMsg | null> =>
    await (await managed()).streams.getMessage(name, { seq });
  const reader: TailReader = {
    lastSeq: async () => (await tail()).lastSeq,
    idAt: async (seq) => (await storedAt(seq))?.header.get('ce-id') ?? '',
  };
  return {
    name,
    tail,
    async *replay(from: LogPosition, options: ReadOptions = {}) {
      const { lastSeq } = await tail();
      if (lastSeq < from.seq) throw regressed(name, from.seq, lastSeq);
      if (lastSeq === from.seq) return;
      yield* decoded(connection, name, from, { ...options, untilSeq: lastSeq });
    },
    async *follow(from, options) {
      const { lastSeq } = await tail();
      if (lastSeq < from.seq) throw regressed(name, from.seq, lastSeq);
      yield* decoded(connection, name, from, options);
    },
    async openWriter(at: LogPosition, opening: NewEvent): Promise<LogWriter> {
      acks ??= new PubAcks(connection);
      const epoch = at.seq + 1;
      const payload = cloudPayload(opening);
      await open(acks, reader, name, at, opening);
      const position = { seq: epoch, hash: eventHash(at.hash, opening, epoch, payload) };
      return new JetStreamLogWriter(name, acks, reader, epoch, position);
    },
  };
};

const regressed = (name: string, wanted: number, lastSeq: number): Error =>
  new LogUnavailableError(
    `${name}: wanted what comes after ${wanted}, but the log ends at ${lastSeq}: it lost events or is another log`,
  );

async function* decoded(
  connection: NatsConnection,
  name: string,
  from: LogPosition,
  options: ReadOptions & { readonly untilSeq?: number },
): AsyncIterable<StoredEvent> {
  const check = options.filterSubject === undefined ? new ChainCheck(name, from) : null;
  for await (const message of followStream(connection, name, from.seq, options)) {
    const event = decodeEvent(rawOf(message), name);
    yield check ? check.next(event) : event;
  }
}

const rawOf = (message: StreamMessage) => ({
  seq: message.seq,
  subject: message.subject,
  headers: message.headers,
  payload: message.string(),
});

const open = async (
  acks: PubAcks,
  reader: TailReader,
  name: string,
  at: LogPosition,
  opening: NewEvent,
): Promise<void> => {
  const epoch = at.seq + 1;
  const headers = eventHeaders(opening, epoch, at.hash, { lastSeq: at.seq, lastMsgId: null });
  const ack = await new Promise<PubAck>((resolve) => {
    const token = acks.publish(opening.subject, cloudPayload(opening), headers, resolve);
    setTimeout(() => {
      acks.forget(token);
      resolve({ ok: false, code: 0, message: `no answer within ${OPENING_TIMEOUT_MS} ms` });
    }, OPENING_TIMEOUT_MS).unref();
  });
  if (ack.ok && ack.seq === epoch) return;
  // Whatever was said or not said: the log knows who wrote at this place.
  const lastSeq = await reader.lastSeq();
  if (lastSeq >= epoch && (await reader.idAt(epoch)) === opening.id) return;
  if (lastSeq !== at.seq) throw new WriterDeposedError(`${name}: has moved on to ${lastSeq}, past ${at.seq}`);
  throw new LogUnavailableError(
    `${name}: could not be opened: ${ack.ok ? `stored at ${ack.seq}` : ack.message}`,
  );
};
