import { createHash } from 'node:crypto';
import type { LogPosition } from './event-log.js';

/**
 * The port to folded states that were put aside, so that the next start need not fold from the beginning. Never truth: one that
 * is missing, damaged or of another fold costs replay time and nothing else, so `load` answers null rather than fail on it.
 */
export interface SnapshotStore {
  /** Keeps it and the two before it. Rejects when the broker is away; the caller goes on without. */
  save(snapshot: Snapshot): Promise<void>;
  /**
   * The newest one made by this fold that is whole, and of no later event than `seqMax` where that is given. Whether the log still has
   * its position is checked by reading on from there.
   */
  load(foldVersion: string, seqMax?: number): Promise<Snapshot | null>;
}

export type Snapshot = {
  /** The last event that is in the state. */
  readonly position: LogPosition;
  /** Changes with the code of the fold: a state that other code folded is not taken up. */
  readonly foldVersion: string;
  readonly state: Uint8Array;
};

/** Snapshots kept: the newest, and two more should it be damaged. */
export const SNAPSHOTS_KEPT = 3;

/** What the list of snapshots says of each. */
export type SnapshotEntry = {
  readonly name: string;
  readonly seq: number;
  readonly hash: string;
  readonly foldVersion: string;
  readonly sha256: string;
};

export const entryOf = ({ position, foldVersion, state }: Snapshot): SnapshotEntry => ({
  name: `${foldVersion}-${position.seq}`,
  ...position,
  foldVersion,
  sha256: sha256(state),
});

/** The snapshot of an entry, if these are the bytes that were saved. */
export const snapshotOf = (entry: SnapshotEntry, state: Uint8Array | null): Snapshot | null => {
  if (state === null || sha256(state) !== entry.sha256) return null;
  return { position: { seq: entry.seq, hash: entry.hash }, foldVersion: entry.foldVersion, state };
};

/** The list with the new one first, and the names that fell out of it. */
export const withEntry = (
  entries: readonly SnapshotEntry[],
  added: SnapshotEntry,
): { readonly kept: readonly SnapshotEntry[]; readonly dropped: readonly string[] } => {
  const all = [added, ...entries.filter(({ name }) => name !== added.name)];
  const kept = all.slice(0, SNAPSHOTS_KEPT);
  return { kept, dropped: all.slice(SNAPSHOTS_KEPT).map(({ name }) => name) };
};

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
