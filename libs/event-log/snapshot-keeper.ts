import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { START, type LogPosition } from './event-log.js';
import type { SnapshotStore } from './snapshot-store.js';

/** A folded state and how it is put aside. */
export type Keepable = {
  readonly store: SnapshotStore;
  readonly foldVersion: string;
  /** The state as it is now, line by line; what changes later does not show in them. */
  readonly lines: () => Iterable<string>;
  /** Events between two snapshots, at least. A large state waits for as many as it has lines, so that the cost of an event stays what it is. */
  readonly everyEvents: number;
  readonly onFailure: (error: unknown) => void;
};

/** Characters that are written in one turn of the event loop. */
const BLOCK_CHARS = 256 * 1024;

/** Puts the state of one term aside as it grows. A failure costs a snapshot and nothing else. */
export class SnapshotKeeper {
  #nextSeq: number;
  #saving = false;

  /** `fromSeq`: what a snapshot has already, or what was folded at the start. */
  constructor(
    private readonly keepable: Keepable,
    fromSeq: number,
  ) {
    this.#nextSeq = fromSeq + keepable.everyEvents;
  }

  /** Call with the position of the state as it is now, as often as you like. `stored` says when all of it is in the log. */
  offer(position: LogPosition, stored: () => Promise<void>): void {
    if (this.#saving || position.seq < this.#nextSeq) return;
    this.#saving = true;
    this.#nextSeq = position.seq + this.keepable.everyEvents;
    const lines = this.keepable.lines();
    this.#save(position, lines, stored)
      .catch(this.keepable.onFailure)
      .finally(() => (this.#saving = false));
  }

  async #save(position: LogPosition, lines: Iterable<string>, stored: () => Promise<void>): Promise<void> {
    const { store, foldVersion } = this.keepable;
    await stored();
    const { state, count } = await packed(lines);
    await store.save({ position, foldVersion, state });
    this.#nextSeq = Math.max(this.#nextSeq, position.seq + count);
  }
}

/** `seqMax`: of no later event than this. */
export type Restorable = Pick<Keepable, 'store' | 'foldVersion' | 'onFailure'> & { readonly seqMax?: number };

/** Takes up the newest snapshot that can be read and says where it stands; `START` without one. Never rejects: the log has everything. */
export const restored = async (
  { store, foldVersion, onFailure, seqMax }: Restorable,
  take: (lines: Iterable<string>) => unknown,
): Promise<LogPosition> => {
  try {
    const snapshot = await store.load(foldVersion, seqMax);
    if (snapshot === null) return START;
    await take(await unpacked(snapshot.state));
    return snapshot.position;
  } catch (error) {
    onFailure(error);
    return START;
  }
};

/** Blocks are packed one by one, each a whole gzip member (RFC 1952, section 2.2), so that a large state never stands still for long. */
const packed = async (lines: Iterable<string>): Promise<{ state: Uint8Array; count: number }> => {
  const members: Uint8Array[] = [];
  let block = '';
  let count = 0;
  for (const line of lines) {
    block += `${line}\n`;
    count += 1;
    if (block.length < BLOCK_CHARS) continue;
    members.push(await promisify(gzip)(block));
    block = '';
  }
  members.push(await promisify(gzip)(block));
  return { state: Buffer.concat(members), count };
};

const unpacked = async (state: Uint8Array): Promise<readonly string[]> => {
  const text = (await promisify(gunzip)(state)).toString('utf8');
  return text.split('\n').filter((line) => line !== '');
};
