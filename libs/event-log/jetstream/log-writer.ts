import { checkedPayload, eventHeaders } from '../cloud-event.js';
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
import { HandIn } from '../hand-in.js';
import { pause } from '../pause.js';
import { AskedAnswers } from './asked-answers.js';
import type { PubAck } from './pub-acks.js';
import type { WriterOptions } from './writer-options.js';

/** Pause between two looks at the log, growing to the second figure while nothing comes of them. */
const LOOK_PAUSE_MS = { first: 50, most: 1_000 };

/** Results that mean "someone else wrote": wrong last sequence, wrong last message id, and the number-less form of the former. */
const RACE_LOST: ReadonlySet<number> = new Set([10_071, 10_070, 10_164]);

type Pending = {
  readonly event: StoredEvent;
  readonly payload: string;
  /** What it is the last event of, if it is. */
  readonly completes: HandIn | null;
  /** By which its answer is known; empty where none was asked for. */
  token: string;
};

/**
 * The fenced, pipelined writer of a truth stream.
 *
 * Fence: every append says which sequence it expects to be the last. That alone would not stop a deposed writer that has a
 * full pipeline: the newcomer's event takes the place of its first pending append, and the second would match again. So each
 * append that goes out behind another one also names that one's id (the chain rule): one refusal refuses the whole tail. With an
 * empty pipeline the sequence alone is sent, because a restarted server may not remember the last id.
 *
 * The same rule saves answers: an append that is stored where it was expected, behind the one that it names, proves that all before
 * it are. So appends of one turn of the event loop go out together, and only the last of them asks for an answer, and only if somebody
 * waits for one. What nobody waits for is proven by a later answer, or by a look at the log.
 *
 * Modes: `open` sends and counts; `resolving` sends nothing and asks the log what became of the appends whose answer did
 * not come; `over` refuses everything. Sending an append again is safe: a copy that is stored already, or that is still on
 * its way, has the same id and the same fence, so only one of the two is ever stored. Only `#enter` changes the mode.
 */
export class JetStreamLogWriter implements LogWriter {
  #mode: 'open' | 'resolving' | 'over' = 'open';
  readonly #queue: Pending[] = [];
  #pumpDue = false;
  #inFlight: Pending[] = [];
  readonly #answers = new AskedAnswers();
  #position: LogPosition;
  #heardMs = Date.now();
  #progressMs = Date.now();
  #fruitless = 0;
  #last: HandIn | null = null;
  #reason: Error | null = null;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #forgetReconnects: () => void;
  readonly epoch: number;
  readonly over: Promise<Error>;
  #end: (reason: Error) => void = () => undefined;

  constructor(private readonly options: WriterOptions) {
    this.epoch = options.epoch;
    this.#position = options.at;
    this.over = new Promise((resolve) => (this.#end = resolve));
    this.#timer = setInterval(() => this.#checkSilence(), options.limits.lookAfterMs);
    this.#timer.unref();
    // What was sent to the lost connection may be stored or not, and its answers will not come.
    this.#forgetReconnects = options.onReconnect(() => {
      if (this.#mode === 'open' && this.#inFlight.length > 0) this.#doubt('the connection was lost');
    });
  }

  get position(): LogPosition {
    return this.#position;
  }

  append(events: readonly NewEvent[]): Appended {
    const { stream, limits } = this.options;
    const payloads = events.map((event) => checkedPayload(stream, event));
    if (this.#mode !== 'over' && this.#queue.length + events.length > limits.queueMax) {
      const waiting = `${this.#queue.length} appends wait, ${limits.queueMax} are allowed`;
      this.#enter('over', new LogUnavailableError(`${stream}: ${waiting}`));
    }
    const before = this.#last;
    if (this.#reason) return { events: [], acknowledged: async () => await Promise.reject(this.#reason) };
    if (events.length === 0) return { events: [], acknowledged: async () => await before?.acknowledged() };
    if (this.#inFlight.length === 0 && this.#queue.length === 0) this.#progressMs = Date.now();
    const endSeq = this.#position.seq + events.length;
    const together = new HandIn(() => this.#awaited(endSeq));
    const stored = events.map((event, place) =>
      this.#enqueue(event, payloads[place] ?? '', place === events.length - 1 ? together : null),
    );
    this.#last = together;
    this.#pumpSoon();
    return { events: stored, acknowledged: () => together.acknowledged() };
  }

  async flush(): Promise<void> {
    await this.#last?.acknowledged();
  }

  async close(): Promise<void> {
    await this.flush().catch(() => undefined);
    this.#enter('over', new WriterDeposedError(`${this.options.stream}: the writer was closed`));
  }

  #enqueue(event: NewEvent, payload: string, completes: HandIn | null): StoredEvent {
    const seq = this.#position.seq + 1;
    const prevHash = this.#position.hash;
    const hash = eventHash(prevHash, event, this.epoch, payload);
    const stored: StoredEvent = { ...event, seq, epoch: this.epoch, prevHash, hash };
    this.#position = { seq, hash };
    this.#queue.push({ event: stored, payload, completes, token: '' });
    return stored;
  }

  #pumpSoon(): void {
    if (this.#pumpDue) return;
    this.#pumpDue = true;
    const pump = (): void => {
      this.#pumpDue = false;
      this.#pump();
    };
    // With nothing in flight nothing is gained by waiting, except for the caller to say whether it waits.
    if (this.#inFlight.length > 0) setImmediate(pump);
    else queueMicrotask(pump);
  }

  #pump(): void {
    const room = this.options.limits.windowMax - this.#inFlight.length;
    for (let left = Math.min(room, this.#queue.length); left > 0 && this.#mode === 'open'; left -= 1) {
      const next = this.#queue.shift();
      if (next) this.#send(next, this.#answers.areDue || (left === 1 && this.#isAnyAwaited(next)));
    }
  }

  /** Whether somebody waits for this one, or for one in flight that no answer is coming for. */
  #isAnyAwaited(next: Pending): boolean {
    return (
      next.completes?.isAwaited === true ||
      this.#inFlight.some(
        ({ event, completes }) => completes?.isAwaited === true && !this.#answers.prove(event.seq),
      )
    );
  }

  /** Somebody waits for what ends at this sequence. If it has gone out without asking, only the log can tell. */
  #awaited(endSeq: number): void {
    const isSent = (this.#inFlight.at(-1)?.event.seq ?? 0) >= endSeq;
    const isAskedFor = this.#answers.prove(endSeq) || this.#queue.length > 0;
    if (this.#mode === 'open' && isSent && !isAskedFor) this.#doubt('no answer was asked for');
  }

  #send(pending: Pending, asks: boolean): void {
    const { event, payload } = pending;
    const before = this.#inFlight.at(-1);
    if (before === undefined) this.#heardMs = Date.now();
    this.#inFlight.push(pending);
    const headers = eventHeaders(event, this.epoch, event.prevHash, {
      lastSeq: event.seq - 1,
      lastMsgId: before?.event.id ?? null,
    });
    const heard = asks ? (ack: PubAck): void => this.#heard(pending, ack) : null;
    this.#answers.sent(event.seq, asks, Date.now());
    try {
      pending.token = this.options.acks.publish(event.subject, payload, headers, heard);
    } catch (error) {
      // The client refuses when its connection is closed or draining: nothing can be asked any more either.
      this.#enter('over', new LogUnavailableError(`${this.options.stream}: ${String(error)}`));
    }
  }

  #heard(pending: Pending, ack: PubAck): void {
    if (this.#mode !== 'open') return;
    this.#heardMs = Date.now();
    if (!ack.ok) {
      this.#doubt(RACE_LOST.has(ack.code) ? 'another writer was first' : `refused: ${ack.message}`);
      return;
    }
    if (ack.seq !== pending.event.seq) {
      this.#doubt(`event ${pending.event.seq} was confirmed as ${ack.seq}`);
      return;
    }
    for (const settled of this.#inFlight.splice(0, this.#inFlight.indexOf(pending) + 1)) {
      this.options.acks.forget(settled.token);
      settled.completes?.stored();
    }
    this.#progressed();
    this.#pump();
  }

  #progressed(): void {
    this.#progressMs = Date.now();
    this.#fruitless = 0;
  }

  #checkSilence(): void {
    if (this.#mode !== 'open' || this.#inFlight.length === 0) return;
    const { ackTimeoutMs, lookAfterMs } = this.options.limits;
    const nowMs = Date.now();
    if (nowMs - this.#heardMs >= ackTimeoutMs) this.#doubt(`no answer within ${ackTimeoutMs} ms`);
    else if (this.#answers.areMissing(nowMs, lookAfterMs)) this.#doubt('no answer was asked for');
  }

  #doubt(why: string): void {
    this.#enter('resolving');
    void this.#resolve(why);
  }

  /** Asks the log what became of what is in flight: stored ones are acknowledged, missing ones sent again, and if another wrote, it is over. */
  async #resolve(why: string): Promise<void> {
    const { stream, acks, limits } = this.options;
    for (const { token } of this.#inFlight) acks.forget(token);
    let failure = why;
    while (this.#mode === 'resolving') {
      if (Date.now() - this.#progressMs > limits.giveUpMs) {
        const text = `${stream}: no append was confirmed for ${limits.giveUpMs} ms: ${failure}`;
        this.#enter('over', new LogUnavailableError(text));
        return;
      }
      // At once the first time; a refusal that the log does not explain must not become a busy loop.
      if (this.#fruitless > 0)
        await pause(Math.min(LOOK_PAUSE_MS.most, LOOK_PAUSE_MS.first * 2 ** this.#fruitless));
      this.#fruitless += 1;
      try {
        if (await this.#settleStored()) this.#resume();
        return;
      } catch (error) {
        failure = `${why}; the log could not be asked: ${String(error)}`;
      }
    }
  }

  #resume(): void {
    this.#queue.unshift(...this.#inFlight);
    this.#inFlight = [];
    this.#answers.forget();
    this.#enter('open');
    this.#pump();
  }

  /** False when the writer is over. Rejects when the broker cannot be asked. */
  async #settleStored(): Promise<boolean> {
    const { stream, tail } = this.options;
    const lastSeq = await tail.lastSeq();
    const confirmed = (this.#inFlight[0]?.event.seq ?? this.#nextSeq()) - 1;
    if (lastSeq < confirmed) {
      const text = `${stream}: ends at ${lastSeq}, but ${confirmed} was acknowledged: events were lost`;
      this.#enter('over', new LogUnavailableError(text));
      return false;
    }
    // By the chain rule the newest proves the others; only where it is not ours are they looked at one by one.
    const stored = this.#inFlight.filter(({ event }) => event.seq <= lastSeq);
    const newest = stored.at(-1);
    const areOurs = newest !== undefined && (await tail.idAt(newest.event.seq)) === newest.event.id;
    for (const { event, completes } of stored) {
      if (!areOurs && (await tail.idAt(event.seq)) !== event.id) {
        this.#enter('over', new WriterDeposedError(`${stream}: another writer wrote ${event.seq}`));
        return false;
      }
      this.#inFlight.shift();
      this.#progressed();
      completes?.stored();
    }
    if (lastSeq < this.#nextSeq()) return true;
    this.#enter('over', new WriterDeposedError(`${stream}: another writer wrote up to ${lastSeq}`));
    return false;
  }

  /** Sequence of the first append that was not sent yet. */
  #nextSeq(): number {
    return this.#queue[0]?.event.seq ?? this.#position.seq + 1;
  }

  #enter(mode: 'open' | 'resolving' | 'over', reason?: Error): void {
    if (this.#mode === 'over') return;
    this.#mode = mode;
    this.#heardMs = Date.now();
    if (mode !== 'over') return;
    clearInterval(this.#timer);
    this.#forgetReconnects();
    this.#reason = reason ?? new WriterDeposedError(`${this.options.stream}: the writer is over`);
    for (const { completes, token } of [...this.#inFlight, ...this.#queue]) {
      this.options.acks.forget(token);
      completes?.failed(this.#reason);
    }
    this.#inFlight = [];
    this.#queue.length = 0;
    this.#end(this.#reason);
  }
}
