import {
  jetstream,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  type JetStreamManager,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { MESSAGE_MAX_BYTES } from '#libs/contracts/streams.js';
import { EventTooLargeError, LogUnavailableError } from './event-log.js';
import { followStream } from './jetstream/follow-stream.js';
import { isTransient } from './jetstream/transient-error.js';
import { RecordMovedError, type RecordStore, type StoredRecord } from './record-store.js';

/** One request; the broker answers within milliseconds, or a sync to disk. */
const TIMEOUT_MS = 5_000;

/** A stream that keeps the last message of each subject, made by provisioning; the key of a record is the end of its subject. */
export const jetStreamRecordStore = (
  connection: NatsConnection,
  stream: string,
  prefix: string,
): RecordStore => new JetStreamRecordStore(connection, stream, prefix);

class JetStreamRecordStore implements RecordStore {
  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
    private readonly prefix: string,
  ) {}

  async *all(): AsyncIterable<StoredRecord> {
    const manager = await this.#manager();
    // A record that is written meanwhile is gone from where it stood: what was written is read, until nothing was.
    for (let readSeq = 0; ;) {
      const { state } = await asked(this.stream, () => manager.streams.info(this.stream));
      if (state.messages === 0 || state.last_seq <= readSeq) return;
      const untilSeq = state.last_seq;
      for await (const message of followStream(this.connection, this.stream, readSeq, { untilSeq }))
        yield { key: this.#keyOf(message.subject), value: message.json(), revision: message.seq };
      readSeq = untilSeq;
    }
  }

  async get(key: string): Promise<StoredRecord | null> {
    const manager = await this.#manager();
    const query = { last_by_subj: this.#subjectOf(key) };
    const found = await asked(this.stream, () => manager.streams.getMessage(this.stream, query));
    return found === null ? null : { key, value: found.json(), revision: found.seq };
  }

  async put(key: string, value: unknown, revision: number): Promise<number> {
    const payload = JSON.stringify(value);
    const bytes = Buffer.byteLength(payload);
    if (bytes > MESSAGE_MAX_BYTES)
      throw new EventTooLargeError(
        `${this.stream}: ${key} has ${bytes} bytes; accepted: ${MESSAGE_MAX_BYTES}`,
      );
    try {
      const ack = await jetstream(this.connection, { timeout: TIMEOUT_MS }).publish(
        this.#subjectOf(key),
        payload,
        {
          expect: { lastSubjectSequence: revision },
          timeout: TIMEOUT_MS,
        },
      );
      return ack.seq;
    } catch (error) {
      if (isMoved(error)) return await this.#foundOrMoved(key, payload, revision);
      throw unavailable(this.stream, error);
    }
  }

  async remove(key: string): Promise<void> {
    const manager = await this.#manager();
    await asked(this.stream, () => manager.streams.purge(this.stream, { filter: this.#subjectOf(key) }));
  }

  /** An answer that got lost makes a writer find what it has written itself. */
  async #foundOrMoved(key: string, payload: string, revision: number): Promise<number> {
    const found = await this.get(key);
    if (found !== null && JSON.stringify(found.value) === payload) return found.revision;
    throw new RecordMovedError(
      `${this.stream}: ${key} is at revision ${found?.revision ?? 0}, not ${revision}: another writer has changed it`,
    );
  }

  async #manager(): Promise<JetStreamManager> {
    return await jetstreamManager(this.connection, { checkAPI: false, timeout: TIMEOUT_MS });
  }

  #subjectOf(key: string): string {
    return `${this.prefix}.${key}`;
  }

  #keyOf(subject: string): string {
    return subject.slice(this.prefix.length + 1);
  }
}

const MOVED: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

const isMoved = (error: unknown): boolean => error instanceof JetStreamApiError && MOVED.has(error.code);

const asked = async <T>(stream: string, ask: () => Promise<T>): Promise<T> => {
  try {
    return await ask();
  } catch (error) {
    throw unavailable(stream, error);
  }
};

/** What waiting cannot mend stays what it is. */
const unavailable = (stream: string, error: unknown): unknown =>
  isTransient(error)
    ? new LogUnavailableError(`${stream}: the broker did not answer: ${String(error)}`, { cause: error })
    : error;
