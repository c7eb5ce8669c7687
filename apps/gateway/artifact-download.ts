import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ArtifactError, type ArtifactStore } from '#libs/artifacts/artifact-store.js';
import type { ArtifactPlace } from '#libs/contracts/queries.js';
import type { Logger } from '#libs/runtime/logger.js';
import { ApiError } from './http/problem.js';

/** Downloads at once: each holds some chunks, and a consumer at the broker. */
const DOWNLOADS_MAX = 32;

/** A reader that takes nothing for this long is gone; its connection may only look alive. */
const STALLED_MAX_MS = 60_000;

/**
 * Sends artifacts as they are read, with no more of them in memory than some chunks. The last chunk comes from the store when the digest
 * is known to be right, so what is damaged ends before its announced length, and no client can take it for whole.
 */
export class ArtifactDownload {
  #open = 0;

  constructor(
    private readonly store: ArtifactStore,
    private readonly logger: Logger,
  ) {}

  async serve(artifact: ArtifactPlace, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    refuseRemoved(artifact);
    const etag = `"${artifact.digest}"`;
    void reply.headers({ etag, 'cache-control': 'private, no-cache' });
    if (isKnown(request.headers['if-none-match'], etag)) return void reply.status(304).send();
    if (this.#open >= DOWNLOADS_MAX)
      throw new ApiError(
        'RATE_LIMITED',
        `${this.#open} artifacts are being sent; at most ${DOWNLOADS_MAX} are accepted. Try again later.`,
        [],
        undefined,
        { 'retry-after': '5' },
      );
    this.#open += 1;
    try {
      await this.#send(artifact, request, reply);
    } finally {
      this.#open -= 1;
    }
  }

  async #send(artifact: ArtifactPlace, request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { size_bytes: sizeBytes, digest, object, reference } = artifact;
    const ending = new AbortController();
    reply.raw.once('close', () => ending.abort());
    const pieces = this.store.get(object, { sizeBytes, digest }, ending.signal)[Symbol.asyncIterator]();
    // Until the first piece is there the answer can still be another one.
    const first = request.method === 'HEAD' ? null : await pieces.next().catch(asApiError);
    const out = begin(reply, headersOf(artifact));
    try {
      for (let piece = first; piece !== null && !piece.done; piece = await pieces.next())
        await write(out, piece.value, ending.signal);
      out.end();
    } catch (error) {
      if (!ending.signal.aborted)
        this.logger.error({ reference, error: String(error) }, 'the download of an artifact broke off');
      out.destroy();
    } finally {
      await pieces.return?.(undefined);
    }
  }
}

const refuseRemoved = ({ reference, removed_at: at, removed_reason: reason }: ArtifactPlace): void => {
  if (at === null) return;
  throw new ApiError('ARTIFACT_GONE', `Artifact ${reference} was removed at ${at} (${reason}).`, [], {
    removed_at: at,
    reason,
  });
};

/** `If-None-Match`, as RFC 9110 (13.1.2) has it. */
const isKnown = (header: string | undefined, etag: string): boolean =>
  header !== undefined && header.split(',').some((one) => ['*', etag, `W/${etag}`].includes(one.trim()));

/** Whatever it says it is, a browser is to save it and not to run it. */
const headersOf = ({ name, content_type: type, size_bytes: bytes, digest }: ArtifactPlace) => ({
  'content-type': type,
  'content-length': String(bytes),
  'content-disposition': `attachment; filename="${name}"`,
  'content-security-policy': "sandbox; default-src 'none'",
  'repr-digest': `sha-256=:${Buffer.from(digest.slice('sha256:'.length), 'hex').toString('base64')}:`,
});

const begin = (reply: FastifyReply, own: Readonly<Record<string, string>>): ServerResponse => {
  const headers = reply.getHeaders() as Record<string, string>;
  reply.hijack();
  reply.raw.writeHead(200, { ...headers, ...own });
  return reply.raw;
};

/** Resolves when the reader keeps up; rejects when it takes nothing any more, or has gone. */
const write = async (out: ServerResponse, piece: Uint8Array, signal: AbortSignal): Promise<void> => {
  signal.throwIfAborted();
  if (out.write(piece)) return;
  await once(out, 'drain', { signal: AbortSignal.any([signal, AbortSignal.timeout(STALLED_MAX_MS)]) });
};

const asApiError = (error: unknown): never => {
  if (error instanceof ArtifactError) throw new ApiError(error.code, error.message, [], error.details);
  throw error;
};
