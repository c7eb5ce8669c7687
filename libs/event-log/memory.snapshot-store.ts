import {
  entryOf,
  snapshotOf,
  withEntry,
  type Snapshot,
  type SnapshotEntry,
  type SnapshotStore,
} from './snapshot-store.js';

/** Snapshots in this process, for tests. A test that wants damage changes `states`. */
export class MemorySnapshotStore implements SnapshotStore {
  readonly states = new Map<string, Uint8Array>();
  #entries: readonly SnapshotEntry[] = [];

  async save(snapshot: Snapshot): Promise<void> {
    const { kept, dropped } = withEntry(this.#entries, entryOf(snapshot));
    this.states.set(entryOf(snapshot).name, snapshot.state.slice());
    this.#entries = kept;
    for (const name of dropped) this.states.delete(name);
  }

  async load(foldVersion: string, seqMax = Infinity): Promise<Snapshot | null> {
    for (const entry of this.#entries) {
      if (entry.foldVersion !== foldVersion || entry.seq > seqMax) continue;
      const found = snapshotOf(entry, this.states.get(entry.name) ?? null);
      if (found) return found;
    }
    return null;
  }
}
