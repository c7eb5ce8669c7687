import { cloudPayload, eventHeaders } from '../cloud-event.js';
import { eventHash } from '../event-hash.js';
import {
  LogUnavailableError,
  WriterDeposedError,
  type Appended,
  type LogPosition,
  type LogWriter,
  type NewEvent,
  type StoredEvent,
} from '../event-log.js';
import type { PubAck, PubAcks } from './pub-acks.js';

/** Appends under way at once. The rate stops growing at 64 to 256 (measured on 2.9.10). */
const WINDOW_MAX = 256;

/** Appends handed in and not sent yet; beyond it the caller is out of control. */
const QUEUE_MAX = 100_000;

/** Silence after which the fate of what is in flight is looked up in the log itself. */
const ACK_TIMEOUT_MS = 3_000;

/** Look-ups in a row that change nothing before the log counts as unavailable: half a minute without the broker. */
const RESOLVE_ROUNDS_MAX = 20;
const RESOLVE_PAUSE_MS = 1_500;

/** Results that mean "someone else wrote": wrong last sequence, wrong last message id, and the number-less form of the former. */
const RACE_LOST: ReadonlySet<number> = new Set([10_071, 10_070, 10_164]);

type Pending = {
  readonly event: StoredEvent;
  readonly payload: string;
  readonly settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null;
  token: string;
};

/** What the writer needs of the stream besides publishing: who wrote what behind a sequence. */
export type TailReader = {
  readonly lastSeq: () => Promise<number>;
  /** Event id at a sequence; empty when the message is none of ours. */
  readonly idAt: (seq: number) => Promise<string>;
};

/**
 * The fenced, pipelined writer of a truth stream.
 *
 * Fence: every append says which sequence it expects to be the last. That alone would not stop a deposed writer that has a
 * full pipeline: the newcomer's event takes the place of its first pending append, and the second would match again. So each
 * append that goes out behind another one also names that one's id (the chain rule): one refusal refuses the whole tail. With an
 * empty pipeline the sequence alone is sent, because a restarted server may not remember the last id.
 *
 * Modes: `open` sends and counts; `resolving` sends nothing and asks the log what became of the appends whose answer did
 * not come; `over` refuses everything. Only `#enter` changes the mode.
 */
export class JetStreamLogWriter implements LogWriter {
  #mode: 'open' | 'resolving' | 'over' = 'open';
  readonly #queue: Pending[] = [];
  #inFlight: Pending[] = [];
  #position: LogPosition;
  #lastHeardMs = Date.now();
  #lastAcknowledged: Promise<void> = Promise.resolve();
  #reason: Error | null = null;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly over: Promise<Error>;
  #end: (reason: Error) => void = () => undefined;

  constructor(
    private readonly stream: string,
    private readonly acks: PubAcks,
    private readonly tail: TailReader,
    readonly epoch: number,
    at: LogPosition,
  ) {
    this.#position = at;
    this.over = new Promise((resolve) => (this.#end = resolve));
    this.#timer = setInterval(() => this.#checkSilence(), ACK_TIMEOUT_MS / 3);
    this.#timer.unref();
  }

  get position(): LogPosition {
    return this.#position;
  }

  append(events: readonly NewEvent[]): Appended {
    if (this.#mode === 'over') return { events: [], acknowledged: Promise.reject(this.#reason) };
    if (this.#queue.length > QUEUE_MAX) {
      this.#enter(
        'over',
        new LogUnavailableError(
          `${this.stream}: ${this.#queue.length} appends wait, ${QUEUE_MAX} are allowed`,
        ),
      );
      return { events: [], acknowledged: Promise.reject(this.#reason) };
    }
    const stored: StoredEvent[] = [];
    const acknowledged = new Promise<void>((resolve, reject) => {
      for (const [place, event] of events.entries()) {
        const settle = place === events.length - 1 ? { resolve, reject } : null;
        stored.push(this.#enqueue(event, settle));
      }
      if (events.length === 0) resolve();
    });
    if (events.length > 0) {
      this.#lastAcknowledged = acknowledged;
      acknowledged.catch(() => undefined);
    }
    this.#pump();
    return { events: stored, acknowledged };
  }

  async flush(): Promise<void> {
    await this.#lastAcknowledged;
  }

  async close(): Promise<void> {
    await this.#lastAcknowledged.catch(() => undefined);
    this.#enter('over', new WriterDeposedError(`${this.stream}: the writer was closed`));
  }

  #enqueue(event: NewEvent, settle: Pending['settle']): StoredEvent {
    const payload = cloudPayload(event);
    const seq = this.#position.seq + 1;
    const prevHash = this.#position.hash;
    const hash = eventHash(prevHash, event, this.epoch, payload);
    const stored: StoredEvent = { ...event, seq, epoch: this.epoch, prevHash, hash };
    this.#position = { seq, hash };
    this.#queue.push({ event: stored, payload, settle, token: '' });
    return stored;
  }

  #pump(): void {
    while (this.#mode === 'open' && this.#queue.length > 0 && this.#inFlight.length < WINDOW_MAX) {
      const next = this.#queue.shift();
      if (next) this.#send(next);
    }
  }

  #send(pending: Pending): void {
    const { event, payload } = pending;
    const before = this.#inFlight.at(-1);
    if (before === undefined) this.#lastHeardMs = Date.now();
    this.#inFlight.push(pending);
    const headers = eventHeaders(event, this.epoch, event.prevHash, {
      lastSeq: event.seq - 1,
      lastMsgId: before?.event.id ?? null,
    });
    pending.token = this.acks.publish(event.subject, payload, headers, (ack) => this.#heard(pending, ack));
  }

  #heard(pending: Pending, ack: PubAck): void {
    if (this.#mode !== 'open') return;
    this.#lastHeardMs = Date.now();
    const first = this.#inFlight[0];
    // Answers come in order; one that does not leaves a doubt, and the log itself knows.
    if (!ack.ok || ack.seq !== pending.event.seq || first !== pending) {
      const raced = !ack.ok && RACE_LOST.has(ack.code);
      this.#enter('resolving');
      void this.#resolve(raced ? 'another writer was first' : 'an answer did not fit');
      return;
    }
    this.#inFlight.shift();
    pending.settle?.resolve();
    this.#pump();
  }

  #checkSilence(): void {
    if (this.#mode !== 'open' || this.#inFlight.length === 0) return;
    if (Date.now() - this.#lastHeardMs < ACK_TIMEOUT_MS) return;
    this.#enter('resolving');
    void this.#resolve('no answer came');
  }

  /** Asks the log what became of what is in flight: stored ones are acknowledged, missing ones sent again, and if another wrote, it is over. */
  async #resolve(why: string): Promise<void> {
    for (const { token } of this.#inFlight) this.acks.forget(token);
    for (let round = 0; round < RESOLVE_ROUNDS_MAX && this.#mode === 'resolving'; round += 1) {
      try {
        const settled = await this.#settleStored();
        if (!settled) return;
        const again = this.#inFlight;
        this.#inFlight = [];
        this.#enter('open');
        for (const pending of again) this.#send(pending);
        this.#pump();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, RESOLVE_PAUSE_MS));
      }
    }
    this.#enter(
      'over',
      new LogUnavailableError(`${this.stream}: ${why}, and the broker could not be asked what was stored`),
    );
  }

  /** False when the writer is over. Rejects when the broker cannot be asked. */
  async #settleStored(): Promise<boolean> {
    const lastSeq = await this.tail.lastSeq();
    const expected = (this.#inFlight[0]?.event.seq ?? this.#position.seq + 1) - 1;
    if (lastSeq < expected) {
      this.#enter(
        'over',
        new LogUnavailableError(
          `${this.stream}: ends at ${lastSeq}, but ${expected} was acknowledged: events were lost`,
        ),
      );
      return false;
    }
    while (this.#inFlight.length > 0) {
      const first = this.#inFlight[0];
      if (first === undefined || first.event.seq > lastSeq) return true;
      if ((await this.tail.idAt(first.event.seq)) !== first.event.id) {
        this.#enter(
          'over',
          new WriterDeposedError(`${this.stream}: another writer wrote ${first.event.seq}`),
        );
        return false;
      }
      this.#inFlight.shift();
      first.settle?.resolve();
    }
    if (lastSeq <= this.#lastSent()) return true;
    this.#enter('over', new WriterDeposedError(`${this.stream}: another writer wrote up to ${lastSeq}`));
    return false;
  }

  #lastSent(): number {
    return (this.#queue[0]?.event.seq ?? this.#position.seq + 1) - 1;
  }

  #enter(mode: 'open' | 'resolving' | 'over', reason?: Error): void {
    if (this.#mode === 'over') return;
    this.#mode = mode;
    this.#lastHeardMs = Date.now();
    if (mode !== 'over') return;
    clearInterval(this.#timer);
    this.#reason = reason ?? new WriterDeposedError(`${this.stream}: the writer is over`);
    for (const { settle, token } of [...this.#inFlight, ...this.#queue]) {
      this.acks.forget(token);
      settle?.reject(this.#reason);
    }
    this.#inFlight = [];
    this.#queue.length = 0;
    this.#end(this.#reason);
  }
}
