import { jetstream } from '@nats-io/jetstream';
import { Objm, type ObjectStore } from '@nats-io/obj';
import type { NatsConnection } from '@nats-io/transport-node';
import { LogUnavailableError } from './event-log.js';
import { isTransient } from './jetstream/transient-error.js';
import { entryOf, snapshotOf, withEntry, type SnapshotEntry, type SnapshotStore } from './snapshot-store.js';

/** A state of some 100 MB is written in this time even where each of its pieces is synced to disk. */
const SAVE_TIMEOUT_MS = 120_000;

/** Reading one state; what takes longer is slower than folding. */
const LOAD_TIMEOUT_MS = 60_000;

export type SnapshotStoreOptions = {
  /** An object store, made by provisioning. */
  readonly bucket: string;
  /** Name of the log whose folds these are. */
  readonly log: string;
  /** The connection's own inbox prefix, under which it may hear. */
  readonly inboxPrefix: string;
};

/**
 * Snapshots in an object store: each state under a name of its own, and a list of them that is written last, so that a save
 * that breaks off leaves the old list. Writing an object takes several messages and is not atomic.
 */
export const jetStreamSnapshotStore = (
  connection: NatsConnection,
  { bucket, log, inboxPrefix }: SnapshotStoreOptions,
): SnapshotStore => {
  const listName = `${log}/list`;
  const opened = async (): Promise<ObjectStore> =>
    await new Objm(jetstream(connection, { watcherPrefix: inboxPrefix })).open(bucket);
  const entries = async (store: ObjectStore): Promise<readonly SnapshotEntry[]> => {
    const bytes = await read(store, listName);
    return bytes === null ? [] : parseList(bytes);
  };
  return {
    async save(snapshot) {
      const entry = entryOf(snapshot);
      await asked(log, async () => {
        const store = await opened();
        const { kept, dropped } = withEntry(await entries(store), entry);
        await put(store, `${log}/${entry.name}`, snapshot.state);
        await put(store, listName, new TextEncoder().encode(JSON.stringify(kept)));
        for (const name of dropped) await store.delete(`${log}/${name}`);
      });
    },
    async load(foldVersion, seqMax = Infinity) {
      return await asked(log, async () => {
        const store = await opened();
        for (const entry of await entries(store)) {
          if (entry.foldVersion !== foldVersion || entry.seq > seqMax) continue;
          const found = snapshotOf(entry, await read(store, `${log}/${entry.name}`));
          if (found) return found;
        }
        return null;
      });
    },
  };
};

const asked = async <T>(log: string, work: () => Promise<T>): Promise<T> => {
  try {
    return await work();
  } catch (error) {
    if (!isTransient(error)) throw error;
    throw new LogUnavailableError(`snapshots of ${log}: the broker does not answer: ${String(error)}`, {
      cause: error,
    });
  }
};

const put = async (store: ObjectStore, name: string, bytes: Uint8Array): Promise<void> => {
  await store.putBlob({ name }, bytes, { timeout: SAVE_TIMEOUT_MS });
};

/** Null when it is not there or not whole: the store compares its own digest too. */
const read = async (store: ObjectStore, name: string): Promise<Uint8Array | null> => {
  const found = await store.get(name);
  if (found === null) return null;
  const chunks: Uint8Array[] = [];
  const limit = AbortSignal.timeout(LOAD_TIMEOUT_MS);
  const reader = found.data.getReader();
  const late = new Promise<never>((_, reject) =>
    limit.addEventListener('abort', () => reject(new Error('too slow')), { once: true }),
  );
  late.catch(() => undefined);
  try {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), late]);
      if (done) return Buffer.concat(chunks);
      chunks.push(value);
    }
  } catch {
    await reader.cancel().catch(() => undefined);
    return null;
  } finally {
    found.error.catch(() => undefined);
  }
};

/** A list that cannot be read is no list. */
const parseList = (bytes: Uint8Array): readonly SnapshotEntry[] => {
  try {
    const list: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return Array.isArray(list) ? (list as SnapshotEntry[]) : [];
  } catch {
    return [];
  }
};
