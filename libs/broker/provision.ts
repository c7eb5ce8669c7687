import {
  AckPolicy,
  DeliverPolicy,
  DiscardPolicy,
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

/** A stream of ours exists with settings that cannot be reconciled. */
export class ProvisionError extends Error {
  override readonly name = 'ProvisionError';
}

const NANOS_PER_MS = 1_000_000;

/**
 * Makes the streams, buckets and consumers that are missing. Doing it again changes nothing; a stream that exists with other
 * settings is refused rather than changed, because what is in it was promised under the old ones.
 */
export const provision = async (connection: NatsConnection): Promise<void> => {
  const manager = await jetstreamManager(connection);
  for (const spec of Object.values(STREAMS)) await ensureStream(manager, spec);
  await ensureConsumer(manager);
  await new Kvm(connection).create(BUCKETS.leaders.name, { ttl: BUCKETS.leaders.ttlMs, history: 1 });
  await new Objm(connection).create(BUCKETS.snapshots.name);
};

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
  ...(spec.kind === 'truth' ? { deny_delete: true, deny_purge: true } : {}),
});

const ensureStream = async (manager: JetStreamManager, spec: StreamSpec): Promise<void> => {
  const wanted = streamConfig(spec);
  const existing = await manager.streams.info(spec.name).catch(() => null);
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
    throw new ProvisionError(`Stream ${spec.name} exists with other settings: ${differences.join('; ')}.`);
  }
};

const ensureConsumer = async (manager: JetStreamManager): Promise<void> => {
  const { stream, name, filterSubject } = DISPATCH_CONSUMER;
  const existing = await manager.consumers.info(stream, name).catch(() => null);
  if (existing) return;
  await manager.consumers.add(stream, {
    durable_name: name,
    filter_subject: filterSubject,
    ack_policy: AckPolicy.None,
    deliver_policy: DeliverPolicy.All,
  });
};
