import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { Objm } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { BUCKETS, DISPATCH_CONSUMER, STREAMS, type StreamSpec } from '#libs/contracts/streams.js';
import { OUTSIDE_PREFIX } from './permissions.js';

/** A stream of ours exists with settings that cannot be reconciled. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

export type ProvisionOptions = {
  /** Most that the bucket of artifacts may hold. */
  readonly artifactsMaxBytes?: number;
};

const NANOS_PER_MS = 1_000_000;

/**
 * Makes the streams, buckets and consumers that are missing. Doing it again changes nothing; a stream that exists with other
 * settings is refused rather than changed, because what is in it was promised under the old ones.
 */
export const provision = async (
  connection: NatsConnection,
  { artifactsMaxBytes = BUCKETS.artifacts.maxBytes }: ProvisionOptions = {},
): Promise<void> => {
  const manager = await jetstreamManager(connection);
  for (const spec of Object.values(STREAMS)) await ensureStream(manager, spec);
  await ensureConsumer(manager);
  await ensureLeaders(connection);
  await new Objm(connection).create(BUCKETS.snapshots.name);
  await ensureArtifacts(connection, manager, artifactsMaxBytes);
};

/** What the bucket may hold is the one thing that may change: what is in it stays, and writing is refused until there is room again. */
const ensureArtifacts = async (
  connection: NatsConnection,
  manager: JetStreamManager,
  maxBytes: number,
): Promise<void> => {
  const { name } = BUCKETS.artifacts;
  for (let bytes = maxBytes; ; bytes = Math.floor(bytes / 2)) {
    try {
      await new Objm(connection).create(name, { max_bytes: bytes });
      const { config } = await manager.streams.info(`OBJ_${name}`);
      if (config.max_bytes !== bytes) await manager.streams.update(config.name, { max_bytes: bytes });
      return;
    } catch (error) {
      // The broker promises no more than its disk has; a smaller bucket is better than no platform.
      if (!isCode(error, NO_ROOM) || bytes < ARTIFACTS_LEAST_BYTES) throw error;
    }
  }
};

/** The client has no name for it: the server's storage is promised already. */
const NO_ROOM = 10_047;

/** A bucket that could not even hold this is of no use. */
const ARTIFACTS_LEAST_BYTES = 64 * 1024 * 1024;

/** A longer life than ours only delays a takeover and a shorter one loses the hold between renewals, so it must be this one. */
const ensureLeaders = async (connection: NatsConnection): Promise<void> => {
  const { name, ttlMs } = BUCKETS.leaders;
  const bucket = await new Kvm(connection).create(name, { ttl: ttlMs, history: 1 });
  const { ttl } = await bucket.status();
  if (ttl === ttlMs) return;
  throw new ProvisionError(
    `Bucket ${name} exists with a time to live of ${ttl} ms, expected ${ttlMs} ms. Delete it while no service runs; it holds ` +
      'no data.',
  );
};

const isCode = (error: unknown, code: number): boolean =>
  error instanceof JetStreamApiError && error.code === code;

const streamConfig = (spec: StreamSpec): Partial<StreamConfig> & { readonly name: string } => ({
  name: spec.name,
  subjects: [...spec.subjects],
  description: spec.description,
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: spec.kind === 'truth' ? DiscardPolicy.New : DiscardPolicy.Old,
  max_age: spec.maxAgeMs * NANOS_PER_MS,
  duplicate_window: spec.duplicateWindowMs * NANOS_PER_MS,
  allow_direct: true,
  num_replicas: 1,
  ...(spec.kind === 'records' ? { max_msgs_per_subject: 1 } : {}),
  ...(spec.kind === 'truth' ? { deny_delete: true, deny_purge: true, republish: STORED_FACTS } : {}),
});

/**
 * What was stored is said again there, with its sequence, for readers from outside. The subjects that writers publish to would
 * not do: whoever hears those also hears what the fence then refuses.
 */
const STORED_FACTS = { src: '>', dest: `${OUTSIDE_PREFIX}.>` };

const ensureStream = async (manager: JetStreamManager, spec: StreamSpec): Promise<void> => {
  const wanted = streamConfig(spec);
  const existing = await manager.streams.info(spec.name).catch((error: unknown) => {
    if (isCode(error, JetStreamApiCodes.StreamNotFound)) return null;
    throw error;
  });
  if (existing === null) {
    await manager.streams.add(wanted);
    return;
  }
  const actual = existing.config as unknown as Readonly<Record<string, unknown>>;
  const differences = Object.entries(wanted)
    .filter(
      ([name, value]) =>
        JSON.stringify(actual[name] ?? false) !== JSON.stringify(value ?? false) && name !== 'description',
    )
    .map(([name, value]) => `${name} is ${JSON.stringify(actual[name])}, expected ${JSON.stringify(value)}`);
  if (differences.length > 0) {
    throw new ProvisionError(
      `Stream ${spec.name} exists with other settings: ${differences.join('; ')}. It was made by another version or by hand; ` +
        'nothing was changed.',
    );
  }
};

const ensureConsumer = async (manager: JetStreamManager): Promise<void> => {
  const { stream, name, filterSubject } = DISPATCH_CONSUMER;
  const existing = await manager.consumers.info(stream, name).catch((error: unknown) => {
    if (isCode(error, JetStreamApiCodes.ConsumerNotFound)) return null;
    throw error;
  });
  if (existing) {
    if (existing.config.filter_subject === filterSubject && existing.config.ack_policy === AckPolicy.None)
      return;
    throw new ProvisionError(
      `Consumer ${name} of ${stream} exists with the filter ${String(existing.config.filter_subject)} and acknowledgements ` +
        `'${existing.config.ack_policy}', expected ${filterSubject} and 'none'. Delete it; it holds no data.`,
    );
  }
  await manager.consumers.add(stream, {
    durable_name: name,
    filter_subject: filterSubject,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
  });
};
