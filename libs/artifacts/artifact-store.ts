/** Where the bytes of artifacts are. It knows objects and their digests; what they mean stands in the log. */
export interface ArtifactStore {
  /**
   * Stores what `content` gives, piece by piece. Nothing can be read of it before all of it is there. Rejects with `ArtifactError`, and with
   * whatever `content` throws; what was written by then is a leftover, which the collector removes.
   */
  put(object: string, content: AsyncIterable<Uint8Array>, options: PutOptions): Promise<PutResult>;
  /**
   * Gives the bytes as they are read, the last of them only when all are known to be those that the digest is of: who has got them all
   * knows that they are whole. Throws `ArtifactError`.
   */
  get(object: string, expected: PutResult, signal?: AbortSignal): AsyncIterable<Uint8Array>;
}

export type PutOptions = { readonly maxBytes: number; readonly signal?: AbortSignal };

/** `digest`: `sha256:` and 64 hexadecimal digits. */
export type PutResult = { readonly sizeBytes: number; readonly digest: string };

/** What the collector of a store sees and does. */
export interface ArtifactShelf {
  usage(): Promise<{ readonly usedBytes: number; readonly maxBytes: number }>;
  /** Objects that can be read. */
  objects(): AsyncIterable<ShelvedObject>;
  /** Bytes without an object: a writer died, or has not come to its end yet. `lastWrittenMs` is when it wrote last. */
  leftovers(): Promise<readonly { readonly pieces: string; readonly lastWrittenMs: number }[]>;
  /** Takes an object away, and the bytes behind it. One that is not there is no error. */
  remove(object: string): Promise<void>;
  removeLeftover(pieces: string): Promise<void>;
}

export type ShelvedObject = {
  readonly object: string;
  readonly sizeBytes: number;
  /** Milliseconds since 1970. */
  readonly storedMs: number;
};

export type ArtifactErrorCode =
  | 'ARTIFACT_GONE'
  | 'ARTIFACT_DAMAGED'
  | 'ARTIFACT_TOO_LARGE'
  | 'ARTIFACT_STORE_FULL'
  | 'LOG_UNAVAILABLE';

/** Why bytes could not be stored or read. */
export class ArtifactError extends Error {
  override readonly name = 'ArtifactError';

  constructor(
    readonly code: ArtifactErrorCode,
    message: string,
    readonly details: Readonly<Record<string, unknown>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
