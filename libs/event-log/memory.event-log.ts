import { ChainCheck, soundPart } from './chain-check.js';
import { checkedPayload, cloudPayload } from './cloud-event.js';
import { eventHash } from './event-hash.js';
import {
  LogCorruptError,
  WriterDeposedError,
  type Appended,
  type BatchOptions,
  type EventLog,
  type LogPosition,
  type LogTail,
  type LogWriter,
  type NewEvent,
  type ReadOptions,
  type StoredEvent,
} from './event-log.js';
import { handled } from './handled.js';
import { matchesAny } from './subject-matches.js';
import { WakeUp } from './wake-up.js';

/**
 * A truth stream in this process, for tests of what is built on it. It is as strict as the real one: appends are stored a turn
 * later than they are handed in and only at the place they expect, readers check every hash, data pass through JSON.
 */
export class MemoryEventLog implements EventLog {
  /** The stream itself; a test that wants damage changes it. */
  readonly stored: StoredEvent[] = [];
  readonly #grown = new WakeUp();

  constructor(readonly name: string) {}

  get lastSeq(): number {
    return this.stored.at(-1)?.seq ?? 0;
  }

  async tail(): Promise<LogTail> {
    return { firstSeq: this.stored[0]?.seq ?? 0, lastSeq: this.lastSeq };
  }

  async *replay(from: LogPosition, options: ReadOptions = {}): AsyncIterable<StoredEvent> {
    this.#check(from);
    yield* this.#read(from, options, this.lastSeq);
    options.signal?.throwIfAborted();
  }

  async *follow(
    from: LogPosition,
    options: ReadOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<StoredEvent> {
    this.#check(from);
    yield* this.#read(from, options, null);
  }

  async *followBatches(
    from: LogPosition,
    { signal, sizeMax, gather }: BatchOptions,
  ): AsyncIterable<readonly StoredEvent[]> {
    this.#check(from);
    const check = new ChainCheck(this.name, from);
    let after = from.seq;
    const there = (): readonly StoredEvent[] =>
      this.stored.filter(({ seq }) => seq > after).slice(0, sizeMax);
    while (!signal.aborted) {
      if (there().length === 0) {
        await this.#grown.next(signal);
        continue;
      }
      if (there().length < sizeMax) await gather();
      const batch = there();
      after = batch.at(-1)?.seq ?? after;
      yield* soundPart(batch, asRead, check);
    }
  }

  async openWriter(at: LogPosition, opening: NewEvent): Promise<LogWriter> {
    this.#check(at);
    if (this.lastSeq !== at.seq)
      throw new WriterDeposedError(`${this.name}: has moved on to ${this.lastSeq}, past ${at.seq}`);
    const first = sealed(this.name, opening, at.seq + 1, at);
    this.store(first);
    return new MemoryLogWriter(this, { seq: first.seq, hash: first.hash });
  }

  store(event: StoredEvent): void {
    this.stored.push(event);
    this.#grown.ring();
  }

  /** To `untilSeq`, or on and on when that is null. */
  async *#read(
    from: LogPosition,
    { filterSubjects, signal }: ReadOptions,
    untilSeq: number | null,
  ): AsyncIterable<StoredEvent> {
    const check = filterSubjects === undefined ? new ChainCheck(this.name, from) : null;
    let place = this.stored.findIndex(({ seq }) => seq > from.seq);
    if (place < 0) place = this.stored.length;
    while (!signal?.aborted) {
      const event = this.stored[place];
      if (event === undefined || (untilSeq !== null && event.seq > untilSeq)) {
        if (untilSeq !== null) return;
        await this.#grown.next(signal);
        continue;
      }
      place += 1;
      const read = asRead(event);
      if (check) yield check.next(read);
      else if (matchesAny(filterSubjects ?? [], event.subject)) yield read;
    }
  }

  #check(at: LogPosition): void {
    if (at.seq === 0) return;
    const found = this.stored.find(({ seq }) => seq === at.seq);
    if (found === undefined)
      throw new LogCorruptError(`${this.name}: ends at ${this.lastSeq}, but ${at.seq} was read from it`);
    if (at.hash !== '' && asRead(found).hash !== at.hash)
      throw new LogCorruptError(`${this.name}: event ${at.seq} has the hash ${found.hash}, not ${at.hash}`);
  }
}

/** What a reader gets: a copy of its own, and the hash of what is stored rather than what the writer said. */
const asRead = (event: StoredEvent): StoredEvent => {
  const payload = cloudPayload(event);
  const hash = eventHash(event.prevHash, event, event.epoch, payload);
  return { ...event, data: JSON.parse(payload), hash };
};

const sealed = (name: string, event: NewEvent, epoch: number, at: LogPosition): StoredEvent => {
  const payload = checkedPayload(name, event);
  const hash = eventHash(at.hash, event, epoch, payload);
  return { ...event, data: JSON.parse(payload), seq: at.seq + 1, epoch, prevHash: at.hash, hash };
};

class MemoryLogWriter implements LogWriter {
  readonly epoch: number;
  readonly over: Promise<Error>;
  #position: LogPosition;
  #reason: Error | null = null;
  #end: (reason: Error) => void = () => undefined;
  #storing: Promise<void> = Promise.resolve();

  constructor(
    private readonly log: MemoryEventLog,
    at: LogPosition,
  ) {
    this.epoch = at.seq;
    this.#position = at;
    this.over = new Promise((resolve) => (this.#end = resolve));
  }

  get position(): LogPosition {
    return this.#position;
  }

  append(events: readonly NewEvent[]): Appended {
    const reason = this.#reason;
    if (reason) return { events: [], acknowledged: async () => await Promise.reject(reason) };
    let at = this.#position;
    const stored = events.map((event) => {
      const next = sealed(this.log.name, event, this.epoch, at);
      at = next;
      return next;
    });
    this.#position = { seq: at.seq, hash: at.hash };
    const storing = handled(this.#storing.then(() => this.#store(stored)));
    this.#storing = storing;
    return { events: stored, acknowledged: () => storing };
  }

  async flush(): Promise<void> {
    await this.#storing;
  }

  async close(): Promise<void> {
    await this.#storing.catch(() => undefined);
    this.#over(new WriterDeposedError(`${this.log.name}: the writer was closed`));
  }

  #store(events: readonly StoredEvent[]): void {
    for (const event of events) {
      if (this.#reason) throw this.#reason;
      if (this.log.lastSeq === event.seq - 1) this.log.store(event);
      else this.#over(new WriterDeposedError(`${this.log.name}: another writer wrote ${event.seq}`));
    }
    if (this.#reason) throw this.#reason;
  }

  #over(reason: Error): void {
    this.#reason ??= reason;
    this.#end(this.#reason);
  }
}
