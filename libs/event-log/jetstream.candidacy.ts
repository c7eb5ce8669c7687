import { Kvm, type KV } from '@nats-io/kv';
import type { NatsConnection } from '@nats-io/transport-node';
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
      for (;;) {
        if (signal.aborted) throw new Error('no longer a candidate');
        try {
          const kv = await opened();
          const revision = await kv.create(options.key, options.node);
          return hold(kv, options, revision);
        } catch {
          // Held by another, or the broker is away: both pass.
        }
        await pause((options.ttlMs / 3) * (0.5 + options.random()), signal);
      }
    },
  };
};

const hold = (kv: KV, options: CandidacyOptions, first: number): Held => {
  let revision = first;
  let renewedMs = Date.now();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let released = false;
  let lose: (reason: Error) => void = () => undefined;
  const lost = new Promise<Error>((resolve) => (lose = resolve));
  const renew = async (): Promise<void> => {
    try {
      const sentMs = Date.now();
      revision = await kv.update(options.key, options.node, revision);
      renewedMs = sentMs;
    } catch (error) {
      // The entry may live on at the server though the answer was lost: only its age decides.
      if (Date.now() - renewedMs >= options.ttlMs)
        return lose(new Error(`${options.key}: the hold was not renewed: ${String(error)}`));
      const found = await kv.get(options.key).catch(() => null);
      if (found && found.string() === options.node) revision = found.revision;
      else if (found) return lose(new Error(`${options.key}: ${found.string()} holds it now`));
    }
    if (!released) timer = setTimeout(() => void renew(), options.ttlMs / 3);
  };
  timer = setTimeout(() => void renew(), options.ttlMs / 3);
  return {
    lost,
    release: async () => {
      released = true;
      clearTimeout(timer);
      await kv.delete(options.key, { previousSeq: revision }).catch(() => undefined);
    },
  };
};
