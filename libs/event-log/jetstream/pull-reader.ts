import { AckPolicy, DeliverPolicy, type JetStreamManager } from '@nats-io/jetstream';
import {
  ConnectionError,
  nuid,
  type Msg,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { inboxOf } from './inbox-subject.js';

/** How long a request for the next message stands at the server, and how much longer its end may take to arrive. */
const NEXT_MS = 10_000;
const LATE_MS = 2_000;

/** Time after which the server forgets a consumer that no one pulls from: the reader is gone. */
const FORGET_MS = 30_000;

/** Most that one request may bring: it stands in memory here at once. */
const REPLY_MAX_BYTES = 8 * 1024 * 1024;

const NANOS_PER_MS = 1_000_000;

/** A stored message as a pull consumer hands it over. */
export class PulledMessage {
  readonly seq: number;
  /** Messages behind this one when it was sent. */
  readonly pending: number;

  /** The reply subject says where the message stands: `$JS.ACK.<stream>.<consumer>.…`, with two more tokens since 2.10 where domains are used (ADR-15). */
  constructor(readonly msg: Msg) {
    const tokens = (msg.reply ?? '').split('.');
    const shift = tokens.length > 9 ? 2 : 0;
    this.seq = Number(tokens[5 + shift]);
    this.pending = Number(tokens[8 + shift]);
  }

  get subject(): string {
    return this.msg.subject;
  }

  get headers(): Msg['headers'] {
    return this.msg.headers;
  }

  string(): string {
    return this.msg.string();
  }
}

type Request = { readonly batch: number } & (
  | { readonly expires: number }
  | { readonly no_wait: true; readonly max_bytes: number }
);

/**
 * Reads a stream by asking for messages instead of having them sent: a reader that can wait gets many at the price of one
 * wake-up, here and at the server. One request at a time. Whatever ends the delivery (a forgotten consumer, a silent server)
 * rejects with a `ConnectionError`: open another reader behind the last message.
 */
export class PullReader {
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #received: PulledMessage[] = [];
  #asked = 0;
  #wanted = 0;
  #lost: Error | null = null;
  #settle: { readonly resolve: () => void; readonly reject: (error: Error) => void } | null = null;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly manager: JetStreamManager,
    private readonly stream: string,
    private readonly consumer: string,
  ) {
    this.#inbox = inboxOf(connection);
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => (error ? this.lose(String(error)) : this.#take(message)),
    });
  }

  /** The consumer lives in the server's memory and acknowledges nothing: the reader knows its place. */
  static async open(
    connection: NatsConnection,
    manager: JetStreamManager,
    stream: string,
    afterSeq: number,
  ): Promise<PullReader> {
    const name = nuid.next();
    await manager.consumers.add(stream, {
      name,
      ack_policy: AckPolicy.None,
      deliver_policy: DeliverPolicy.StartSequence,
      opt_start_seq: afterSeq + 1,
      inactive_threshold: FORGET_MS * NANOS_PER_MS,
      mem_storage: true,
      num_replicas: 1,
    });
    return new PullReader(connection, manager, stream, name);
  }

  /** The next message, or null when none came for a while. */
  async next(): Promise<PulledMessage | null> {
    if (this.#received.length === 0)
      await this.#ask({ batch: 1, expires: NEXT_MS * NANOS_PER_MS }, NEXT_MS + LATE_MS);
    return this.#received.shift() ?? null;
  }

  /** What is there now, without waiting for more: up to `max` messages, and some megabytes. */
  async rest(max: number): Promise<readonly PulledMessage[]> {
    if (max > this.#received.length)
      await this.#ask({ batch: max, no_wait: true, max_bytes: REPLY_MAX_BYTES }, LATE_MS);
    return this.#received.splice(0, max);
  }

  /** Ends what is being waited for; nothing more will come. */
  lose(why: string): void {
    this.#lost ??= new ConnectionError(`${this.stream}: ${why}`);
    this.#settle?.reject(this.#lost);
  }

  /** Tells the server too, which would find out by itself a little later. */
  close(): void {
    this.lose('the reader was closed');
    this.#subscription.unsubscribe();
    if (!this.connection.isClosed())
      void this.manager.consumers.delete(this.stream, this.consumer).catch(() => undefined);
  }

  async #ask(request: Request, limitMs: number): Promise<void> {
    if (this.#lost) throw this.#lost;
    this.#asked += 1;
    this.#wanted = request.batch;
    const subject = `$JS.API.CONSUMER.MSG.NEXT.${this.stream}.${this.consumer}`;
    this.connection.publish(subject, JSON.stringify(request), { reply: this.#replyTo() });
    const timer = setTimeout(() => this.lose('the server does not answer a request for messages'), limitMs);
    try {
      await new Promise<void>((resolve, reject) => {
        this.#settle = { resolve, reject };
      });
    } finally {
      clearTimeout(timer);
      this.#settle = null;
    }
  }

  #replyTo(): string {
    return `${this.#inbox}.${this.#asked}`;
  }

  /** A message says in its reply subject where it stands; a status has none. */
  #take(message: Msg): void {
    if (!message.reply) return this.#ended(message);
    const pulled = new PulledMessage(message);
    this.#received.push(pulled);
    if (pulled.pending === 0 || this.#received.length >= this.#wanted) this.#settle?.resolve();
  }

  /** A request ends with a status; that of an earlier request, which had its messages already, says nothing. */
  #ended(message: Msg): void {
    if (message.subject !== this.#replyTo()) return;
    const { code = 0, description = '' } = message.headers ?? {};
    // No messages; expired; as many, or as many bytes, as were asked for.
    if (code === 404 || code === 408 || (code === 409 && /maxbytes|batch completed/i.test(description)))
      this.#settle?.resolve();
    else this.lose(`${code} ${description}`);
  }
}
