// The reader's tour: previous: libs/domain/task/decide.ts, which says what is true now; next:
// apps/scheduler/schedule-cycle.ts, which finds the submission in its fold and gives it a place.
/**
 * The port to one truth stream: an append-only log with a single writer at a time and any number of readers.
 *
 * What it promises (the conformance suite holds every adapter to it):
 * - Events have consecutive sequences from 1. Sequence 1 is the genesis event; its id names this incarnation of the log.
 * - Each event carries the hash of the event before it. A reader that sees a hole, a wrong hash or another genesis
 *   gets `LogCorruptError` and no further event.
 * - A writer is fenced: once another writer has opened the log, no append of the old one is ever accepted, not even
 *   one that was already in flight.
 */
export interface EventLog {
  /** Name of the stream, for messages. */
  readonly name: string;
  /** First and last sequence as the server knows them now; last is 0 for a log with no genesis yet. */
  tail(): Promise<LogTail>;
  /** Events from `after + 1` to the tail as it was when the call began, in order, with back-pressure. */
  replay(from: LogPosition, options?: ReadOptions): AsyncIterable<StoredEvent>;
  /** Events from `after + 1` and then live, in order, until the signal aborts. Survives reconnects and server restarts. */
  follow(
    from: LogPosition,
    options: ReadOptions & { readonly signal: AbortSignal },
  ): AsyncIterable<StoredEvent>;
  /**
   * Like `follow`, but hands over everything that is there at once, for readers whose work is cheaper that way. `gather` is awaited
   * when the first event of a batch is there and the others are yet to be fetched: whoever can wait a moment gets more
   * events for the same price.
   */
  followBatches(from: LogPosition, options: BatchOptions): AsyncIterable<readonly StoredEvent[]>;
  /**
   * Takes the log over. Appends `opening` right behind `at`; its sequence becomes the epoch of every later append.
   * Rejects with `WriterDeposedError` when the log has moved past `at`: read on from there and try again.
   */
  openWriter(at: LogPosition, opening: NewEvent): Promise<LogWriter>;
}

/** A point between two events. `hash` is that of the event at `seq`; for the start of the log it is `START`. */
export type LogPosition = { readonly seq: number; readonly hash: string };

export const START: LogPosition = { seq: 0, hash: '' };

export type LogTail = { readonly firstSeq: number; readonly lastSeq: number };

export type ReadOptions = {
  /** Only events whose subject matches one of these; a filtered read cannot check the hash chain and says so by not doing it. */
  readonly filterSubjects?: readonly string[];
  /** Events fetched ahead of the reader. Default 2000: replay speed stops growing there (2,000 gives 72 k/s, 500 gives 45 k/s). */
  readonly bufferMax?: number;
  readonly signal?: AbortSignal;
};

export type BatchOptions = {
  readonly signal: AbortSignal;
  /** Events in one batch. One that is known to be full does not wait for `gather`. */
  readonly sizeMax: number;
  readonly gather: () => Promise<void>;
};

/** A fact about to be written. Becomes a CloudEvent in binary mode. */
export type NewEvent = {
  /** Unique for ever. */
  readonly id: string;
  /** Such as `task.submitted`. */
  readonly type: string;
  /** Schema version of `data`, from 1. */
  readonly version: number;
  /** Such as `evt.task.<taskId>.submitted`. */
  readonly subject: string;
  /** RFC 3339 with milliseconds, UTC. */
  readonly time: string;
  readonly data: unknown;
  readonly taskId?: string;
  readonly workspace?: string;
  /** Ties together everything that one request caused. */
  readonly correlationId?: string;
  /** What caused this event, such as `cmd:1234` (stream position of a command) or `rpt:88`. */
  readonly causationId?: string;
  /** W3C trace context. */
  readonly traceparent?: string;
};

export type StoredEvent = NewEvent & {
  readonly seq: number;
  /** Sequence of the opening event of the writer that wrote this. */
  readonly epoch: number;
  readonly hash: string;
  readonly prevHash: string;
};

export interface LogWriter {
  readonly epoch: number;
  /** Where the next append will land if nothing fails: the position behind the last append handed in. */
  readonly position: LogPosition;
  /**
   * Hands events to the log, in order, without waiting. The returned events carry the sequence they will have;
   * `acknowledged()` resolves when all of them are stored, and rejects with `WriterDeposedError` or `LogUnavailableError`
   * when that is not so. After one rejection every later append rejects: the writer is over, open a new one. Ask only
   * where somebody waits, and in the turn of the append: what nobody asks about costs no answer.
   * Throws `EventTooLargeError` before anything is handed in.
   */
  append(events: readonly NewEvent[]): Appended;
  /** Resolves when all appends so far are settled; rejects if one failed. */
  flush(): Promise<void>;
  /** Resolves with the reason when the writer is over, for whatever cause. */
  readonly over: Promise<Error>;
  /** Settles what is in flight and ends the writer. */
  close(): Promise<void>;
}

export type Appended = {
  readonly events: readonly StoredEvent[];
  readonly acknowledged: () => Promise<void>;
};

/** Another writer has the log, or the log is not where the caller believed it to be. */
export class WriterDeposedError extends Error {
  override readonly name = 'WriterDeposedError';
}

/** The log could not be reached within its time; whether the append was stored is resolved by the next opening. */
export class LogUnavailableError extends Error {
  override readonly name = 'LogUnavailableError';
}

/** A hole, a broken hash chain, a regressed sequence or another genesis. Never passed over. */
export class LogCorruptError extends Error {
  override readonly name = 'LogCorruptError';
}

/** The data of an event do not fit into one message. Nothing was handed in; the writer goes on. */
export class EventTooLargeError extends Error {
  override readonly name = 'EventTooLargeError';
}
