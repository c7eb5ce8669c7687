import { JetStreamApiCodes, JetStreamApiError } from '@nats-io/jetstream';
import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
import { isTransient } from './jetstream/transient-error.js';
import type { Candidacy, Held } from './leadership.js';
import { pause } from './pause.js';

export type CandidacyOptions = {
  readonly bucket: string;
  /** Which office: `scheduler`, `allocator`. */
  readonly key: string;
  readonly node: string;
  /** Time to live of entries in the bucket; the hold is renewed three times in it. */
  readonly ttlMs: number;
  /** 0 to 1, for the jitter between tries. */
  readonly random: () => number;
};

/** Results that mean "another has it": wrong last sequence of the subject, and the number-less form. */
const TAKEN: ReadonlySet<number> = new Set([
  JetStreamApiCodes.StreamWrongLastSequence,
  JetStreamApiCodes.StreamWrongLastSequenceUnknown,
]);

const isTaken = (error: unknown): boolean => error instanceof JetStreamApiError && TAKEN.has(error.code);

/**
 * A key in a bucket whose entries die of age: whoever creates it holds it, and renews it by its revision. Servers before 2.11 tell
 * nobody when an entry dies, so candidates try again and again, at a jittered third of the time to live.
 */
export const jetStreamCandidacy = (connection: NatsConnection, options: CandidacyOptions): Candidacy => {
  let bucket: Promise<KV> | null = null;
  const opened = async (): Promise<KV> => {
    bucket ??= new Kvm(connection).open(options.bucket);
    bucket.catch(() => (bucket = null));
    return await bucket;
  };
  return {
    async acquire(signal) {
      while (!signal.aborted) {
        try {
          const kv = await opened();
          // Two processes may bear the same name; the second half tells one's own entry from theirs.
          const value = `${options.node} ${Math.floor(options.random() * 2 ** 48).toString(36)}`;
          const sentMs = performance.now();
          return new JetStreamHold(kv, options, value, await kv.create(options.key, value), sentMs);
        } catch (error) {
          if (connection.isClosed() || (!isTaken(error) && !isTransient(error))) throw error;
        }
        await pause((options.ttlMs / 3) * (0.5 + options.random()), signal);
      }
      throw new Error(`${options.key}: ${options.node} is no longer a candidate`);
    },
  };
};

class JetStreamHold implements Held {
  readonly lost: Promise<Error>;
  #lose: (reason: Error) => void = () => undefined;
  #over = false;
  #renewing: ReturnType<typeof setInterval>;
  #expiry: ReturnType<typeof setTimeout>;

  constructor(
    private readonly kv: KV,
    private readonly options: CandidacyOptions,
    private readonly value: string,
    private revision: number,
    sentMs: number,
  ) {
    this.lost = new Promise((resolve) => (this.#lose = resolve));
    this.#renewing = setInterval(() => void this.#renew(), options.ttlMs / 3);
    this.#expiry = this.#expireAfter(sentMs);
  }

  async release(): Promise<void> {
    if (this.#over) return;
    this.#end();
    // If that fails, the entry dies of age.
    await this.kv.delete(this.options.key, { previousSeq: this.revision }).catch(() => undefined);
  }

  /** The entry lives for `ttlMs` from when the server stored it, which is not before it was sent. */
  #expireAfter(sentMs: number): ReturnType<typeof setTimeout> {
    const { key, ttlMs } = this.options;
    const leftMs = Math.max(0, sentMs + ttlMs - performance.now());
    return setTimeout(() => this.#loses(`${key}: the hold was not renewed within ${ttlMs} ms`), leftMs);
  }

  async #renew(): Promise<void> {
    const sentMs = performance.now();
    const { key } = this.options;
    try {
      this.#renewed(await this.kv.update(key, this.value, this.revision), sentMs);
    } catch {
      // The answer to an earlier renewal may have been lost, and then the revision is newer than we know.
      const found = await this.kv.get(key).catch(() => null);
      if (this.#over || found === null) return;
      if (found.string() === this.value) this.revision = Math.max(this.revision, found.revision);
      else if (found.operation === 'PUT') this.#loses(`${key}: ${found.string()} holds it now`);
    }
  }

  #renewed(revision: number, sentMs: number): void {
    if (this.#over || revision < this.revision) return;
    this.revision = revision;
    clearTimeout(this.#expiry);
    this.#expiry = this.#expireAfter(sentMs);
  }

  #loses(reason: string): void {
    this.#end();
    this.#lose(new Error(reason));
  }

  #end(): void {
    this.#over = true;
    clearInterval(this.#renewing);
    clearTimeout(this.#expiry);
  }
}
