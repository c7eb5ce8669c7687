import { BUCKETS } from '#libs/contracts/streams.js';

/** The layout of NATS object stores (ADR-20), so that every tool that reads those reads these. */

const { name: bucket } = BUCKETS.artifacts;

export const OBJECT_STREAM = `OBJ_${bucket}`;

export const ALL_CHUNKS = `$O.${bucket}.C.>`;
export const ALL_METAS = `$O.${bucket}.M.>`;

export const chunkSubject = (pieces: string): string => `$O.${bucket}.C.${pieces}`;

export const metaSubject = (object: string): string =>
  `$O.${bucket}.M.${Buffer.from(object).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`;

/** What the store keeps of an object beside its bytes. */
export type ObjectMeta = {
  readonly name: string;
  readonly bucket: string;
  /** Names the chunks. */
  readonly nuid: string;
  readonly size: number;
  readonly chunks: number;
  /** RFC 3339. */
  readonly mtime: string;
  /** `SHA-256=` and base64 for URLs. */
  readonly digest: string;
  readonly options: { readonly max_chunk_size: number };
};

/** Half of what one message may have: fewer round trips, and still some room. */
export const CHUNK_BYTES = 512 * 1024;

export const metaOf = (
  object: string,
  pieces: string,
  written: { readonly sizeBytes: number; readonly chunks: number; readonly sha256: Buffer },
  atMs: number,
): ObjectMeta => ({
  name: object,
  bucket,
  nuid: pieces,
  size: written.sizeBytes,
  chunks: written.chunks,
  mtime: new Date(atMs).toISOString(),
  digest: `SHA-256=${written.sha256.toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`,
  options: { max_chunk_size: CHUNK_BYTES },
});
