import { createHash } from 'node:crypto';
import { JetStreamApiError, jetstream } from '@nats-io/jetstream';
import { headers, nuid, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { followStream } from '#libs/event-log/jetstream/follow-stream.js';
import { isTransient } from '#libs/event-log/jetstream/transient-error.js';
import { pause } from '#libs/event-log/pause.js';
import { ArtifactError, type ArtifactStore, type PutOptions, type PutResult } from './artifact-store.js';
import { storedMeta } from './stored-meta.js';
import { CHUNK_BYTES, chunkSubject, metaOf, metaSubject, OBJECT_STREAM } from './object-layout.js';
import { piecesOf } from './pieces-of.js';

/** One request; the broker answers within milliseconds, or a sync to disk. */
const TIMEOUT_MS = 5_000;

/** A broker that is away for longer fails the writing. Shorter than the two minutes in which a repeated chunk is known as one. */
const AWAY_MAX_MS = 60_000;
const AGAIN_MS = 250;

/** Chunks fetched ahead: this and what the reader holds is all that is in memory of an artifact. */
const AHEAD_MAX = 8;

/** The client has no name for it: the bucket holds all that it may. */
const STREAM_FULL = 10_077;

/**
 * Artifacts in an object store of the broker. The client library writes and reads such stores too, but reads as fast as it can, whoever
 * takes it; here a reader that is slow is a broker that waits, and memory stays the same whatever the size.
 */
export const jetStreamArtifactStore = (connection: NatsConnection): ArtifactStore => ({
  put: async (object, content, options) => await put(connection, object, content, options),
  get: (object, expected, signal) => get(connection, object, expected, signal),
});

const put = async (
  connection: NatsConnection,
  object: string,
  content: AsyncIterable<Uint8Array>,
  { maxBytes, signal }: PutOptions,
): Promise<PutResult> => {
  const pieces = nuid.next();
  const hash = createHash('sha256');
  let sizeBytes = 0;
  let chunks = 0;
  for await (const piece of piecesOf(content, CHUNK_BYTES)) {
    signal?.throwIfAborted();
    sizeBytes += piece.length;
    if (sizeBytes > maxBytes)
      throw new ArtifactError(
        'ARTIFACT_TOO_LARGE',
        `The artifact has more than ${maxBytes} bytes, which are the most that are accepted.`,
        { maxBytes },
      );
    hash.update(piece);
    await publish(connection, chunkSubject(pieces), piece, idHeaders(`${pieces}.${chunks}`));
    chunks += 1;
  }
  const sha256 = hash.digest();
  const meta = metaOf(object, pieces, { sizeBytes, chunks, sha256 }, Date.now());
  const once = idHeaders(`${pieces}.meta`);
  once.set('Nats-Rollup', 'sub');
  await publish(connection, metaSubject(object), JSON.stringify(meta), once);
  return { sizeBytes, digest: `sha256:${sha256.toString('hex')}` };
};

/** A chunk whose answer was lost is sent again under the same id, which the broker knows. */
const idHeaders = (id: string): MsgHdrs => {
  const own = headers();
  own.set('Nats-Msg-Id', id);
  return own;
};

/** Chunks go one by one: a chunk that has to be sent again must not come behind its successor. */
const publish = async (
  connection: NatsConnection,
  subject: string,
  payload: Uint8Array | string,
  own: MsgHdrs,
): Promise<void> => {
  const giveUpMs = Date.now() + AWAY_MAX_MS;
  for (;;) {
    try {
      await jetstream(connection, { timeout: TIMEOUT_MS }).publish(subject, payload, {
        headers: own,
        timeout: TIMEOUT_MS,
      });
      return;
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === STREAM_FULL) throw full(error);
      if (!isTransient(error)) throw error;
      if (Date.now() > giveUpMs || connection.isClosed()) throw away(error);
    }
    await pause(AGAIN_MS);
  }
};

const full = (cause: unknown): ArtifactError =>
  new ArtifactError(
    'ARTIFACT_STORE_FULL',
    'The object store holds as much as it may (ORCHESTRA_ARTIFACTS_MAX_BYTES).',
    {},
    { cause },
  );

const away = (cause: unknown): ArtifactError =>
  new ArtifactError('LOG_UNAVAILABLE', `The object store does not answer: ${String(cause)}`, {}, { cause });

async function* get(
  connection: NatsConnection,
  object: string,
  expected: PutResult,
  signal?: AbortSignal,
): AsyncGenerator<Uint8Array, void, void> {
  const found = await storedMeta(connection, object).catch((error: unknown) => {
    throw isTransient(error) ? away(error) : error;
  });
  if (found === null)
    throw new ArtifactError('ARTIFACT_GONE', `The object store has nothing of '${object}' any more.`);
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const chunks = followStream(connection, OBJECT_STREAM, 0, {
    filterSubjects: [chunkSubject(found.meta.nuid)],
    untilSeq: found.seq,
    bufferMax: AHEAD_MAX,
    ...(signal ? { signal } : {}),
  });
  // The last one is handed on when all of them are known to be right, so nobody gets to the end of what is damaged.
  let held: Uint8Array | null = null;
  try {
    for await (const { data } of chunks) {
      sizeBytes += data.length;
      if (sizeBytes > expected.sizeBytes) break;
      hash.update(data);
      if (held) yield held;
      held = data;
    }
  } catch (error) {
    throw isTransient(error) ? away(error) : error;
  }
  signal?.throwIfAborted();
  const digest = `sha256:${hash.digest('hex')}`;
  if (sizeBytes === expected.sizeBytes && digest === expected.digest) {
    if (held) yield held;
    return;
  }
  throw new ArtifactError(
    'ARTIFACT_DAMAGED',
    `'${object}' has ${sizeBytes} bytes with the digest ${digest}; stored were ${expected.sizeBytes} bytes with ${expected.digest}.`,
    { sizeBytes, digest, expected: expected.digest },
  );
}
