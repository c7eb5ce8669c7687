/**
 * The port to records that are kept by key, of which the last value counts: for what belongs to one service and is no truth of the
 * platform. Whoever writes names the revision that it knows, so of two writers one finds out.
 */
export interface RecordStore {
  /** Every record that was there when the reading began. One that is written meanwhile may come twice: its last value counts. */
  all(): AsyncIterable<StoredRecord>;
  get(key: string): Promise<StoredRecord | null>;
  /**
   * Resolves with the new revision once it is stored. `revision` 0: there is no such record yet. Rejects with `RecordMovedError` when that
   * is not so, with `LogUnavailableError` when the broker does not confirm in time.
   */
  put(key: string, value: unknown, revision: number): Promise<number>;
  remove(key: string): Promise<void>;
}

export type StoredRecord = { readonly key: string; readonly value: unknown; readonly revision: number };

/** Somebody else has written the record, or it is there already. */
export class RecordMovedError extends Error {
  override readonly name = 'RecordMovedError';
}
