import { randomUUID } from 'node:crypto';
import type { Readable } from 'node:stream';
import { ArtifactError, type ArtifactStore } from '#libs/artifacts/artifact-store.js';
import { BYTES, contentTypeOf } from '#libs/artifacts/content-type-of.js';
import type { UploadArtifact } from '#libs/contracts/commands.js';
import {
  ARTIFACT_MAX_BYTES,
  objectOf,
  referenceText,
  type StoredArtifact,
} from '#libs/domain/task/artifact.js';
import { ApiError } from './http/problem.js';
import type { SchedulerClient } from './scheduler-client.js';

/** Uploads at once: each holds a chunk or two. */
const UPLOADS_MAX = 32;

/** A client that sends nothing for this long is gone. */
const STALLED_MAX_MS = 30_000;

/** The bytes are stored; the scheduler only has to say so. Longer than a change of leaders. */
const DECIDED_WITHIN_MS = 15_000;

export type Uploaded = {
  readonly reference: string;
  readonly name: string;
  readonly size_bytes: number;
  readonly digest: string;
  readonly content_type: string;
};

/** Takes files for tasks that are yet to be submitted, as they arrive. */
export class ArtifactUpload {
  #open = 0;

  constructor(
    private readonly store: ArtifactStore,
    private readonly scheduler: SchedulerClient,
  ) {}

  async take(name: string, workspace: string, body: unknown, traceparent?: string): Promise<Uploaded> {
    if (!isReadable(body))
      throw new ApiError('MEDIA_TYPE_UNSUPPORTED', 'Send the bytes as application/octet-stream.');
    if (this.#open >= UPLOADS_MAX) {
      const message = `${this.#open} artifacts are being received; at most ${UPLOADS_MAX} are accepted. Try again later.`;
      throw new ApiError('RATE_LIMITED', message, [], undefined, { 'retry-after': '5' });
    }
    this.#open += 1;
    try {
      const uploadId = `upload-${randomUUID()}`;
      const artifact = await this.#stored(uploadId, name, body);
      await this.#said(
        { kind: 'upload', commandId: randomUUID(), uploadId, workspace, artifact },
        traceparent,
      );
      return {
        reference: referenceText(uploadId, name),
        name,
        size_bytes: artifact.sizeBytes,
        digest: artifact.digest,
        content_type: artifact.contentType,
      };
    } finally {
      this.#open -= 1;
    }
  }

  async #stored(uploadId: string, name: string, body: Readable): Promise<StoredArtifact> {
    const object = objectOf(uploadId, randomUUID());
    try {
      const put = await this.store.put(object, whileItComes(body), { maxBytes: ARTIFACT_MAX_BYTES });
      return { name, object, ...put, contentType: contentTypeOf(name) ?? BYTES };
    } catch (error) {
      // A client that still sends would not read the answer before it is done.
      body.resume();
      if (error instanceof ArtifactError) throw new ApiError(error.code, error.message, [], error.details);
      throw error;
    }
  }

  /** Until that is in the log it is no artifact, and nobody could read it. */
  async #said(command: UploadArtifact, traceparent: string | undefined): Promise<void> {
    const answer = await this.scheduler.send(command, traceparent, DECIDED_WITHIN_MS);
    if (answer === null)
      throw new ApiError(
        'SERVICE_UNAVAILABLE',
        'The bytes are stored, and no scheduler has said so yet; send them again.',
      );
    if (!answer.ok) throw ApiError.of(answer.failure);
  }
}

const isReadable = (body: unknown): body is Readable =>
  typeof body === 'object' && body !== null && Symbol.asyncIterator in body;

async function* whileItComes(body: Readable): AsyncGenerator<Uint8Array, void, void> {
  const pieces = body[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>;
  for (;;) {
    const timer = setTimeout(
      () => body.destroy(new ApiError('REQUEST_TIMED_OUT', `Nothing arrived for ${STALLED_MAX_MS} ms.`)),
      STALLED_MAX_MS,
    );
    try {
      const piece = await pieces.next();
      if (piece.done === true) return;
      yield piece.value;
    } finally {
      clearTimeout(timer);
    }
  }
}
