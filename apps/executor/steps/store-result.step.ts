import type { FileHandle } from 'node:fs/promises';
import { ARTIFACT_MAX_BYTES, referenceText, type StoredArtifact } from '#libs/domain/task/artifact.js';
import type { Redactor } from '#libs/secrets/redactor.js';
import { BYTES, contentTypeOf } from '#libs/artifacts/content-type-of.js';
import type { TaskArtifacts } from '../artifacts/task-artifacts.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { openBelow, rootedPath } from '../workspace/readable-roots.js';
import { quoted } from '../workspace/inside-path.js';

type StoreInput = {
  readonly name: string;
  readonly content?: unknown;
  readonly from_file?: string;
  readonly content_type?: string;
};

const PIECE_BYTES = 256 * 1024;

/** Stores a value, or a file of the workspace, as an artifact of the task. The fact of it is the step's own end. */
export const storeResultStep =
  (artifacts: TaskArtifacts): StepRunner =>
  async (context) => {
    const input = context.input as StoreInput;
    const { name, from_file: file } = input;
    if ((input.content === undefined) === (file === undefined))
      throw new StepError(
        'STEP_INPUT_INVALID',
        `${file === undefined ? 'Neither content nor from_file is' : 'Both content and from_file are'} given; accepted: exactly one.`,
      );
    const artifact =
      file === undefined
        ? await storeValue(artifacts, context, input)
        : await storeFile(artifacts, context, { ...input, file });
    return { output: { artifact: shownArtifact(context.taskId, name, artifact) }, artifacts: [artifact] };
  };

const storeValue = async (
  artifacts: TaskArtifacts,
  { taskId, redactor, signal }: StepContext,
  { name, content, content_type: contentType }: StoreInput,
): Promise<StoredArtifact> => {
  const isText = typeof content === 'string';
  const bytes = Buffer.from(redactor.text(isText ? content : `${JSON.stringify(content, null, 2)}\n`));
  const byValue = isText ? 'text/plain; charset=utf-8' : 'application/json';
  return await artifacts.put({
    taskId,
    name,
    contentType: contentType ?? contentTypeOf(name) ?? byValue,
    content: only(bytes),
    signal,
  });
};

const storeFile = async (
  artifacts: TaskArtifacts,
  { taskId, redactor, signal, progress, workspace }: StepContext,
  { name, file, content_type: contentType }: StoreInput & { readonly file: string },
): Promise<StoredArtifact> => {
  const { files } = await workspace();
  const handle = await openBelow(rootedPath(file, 'from_file', [{ prefix: '', folder: files }]), file);
  try {
    const { size } = await handle.stat();
    if (size > ARTIFACT_MAX_BYTES)
      throw new StepError(
        'ARTIFACT_TOO_LARGE',
        `${quoted(file)} has ${size} bytes; an artifact has up to ${ARTIFACT_MAX_BYTES}.`,
        { bytes: size, maxBytes: ARTIFACT_MAX_BYTES },
      );
    const content = searched(
      piecesIn(handle, signal, (bytes) => progress(`storing ${name}`, bytes, size)),
      redactor,
    );
    const byName = contentTypeOf(name) ?? contentTypeOf(file) ?? BYTES;
    return await artifacts.put({ taskId, name, contentType: contentType ?? byName, content, signal });
  } finally {
    await handle.close();
  }
};

/** As steps and people see it. */
export const shownArtifact = (taskId: string, name: string, artifact: StoredArtifact) => ({
  reference: referenceText(taskId, name),
  name,
  size_bytes: artifact.sizeBytes,
  digest: artifact.digest,
  content_type: artifact.contentType,
});

async function* only(bytes: Uint8Array): AsyncGenerator<Uint8Array, void, void> {
  yield await Promise.resolve(bytes);
}

/** From the beginning to the end that it has when it is reached. */
async function* piecesIn(
  handle: FileHandle,
  signal: AbortSignal,
  read: (bytes: number) => void,
): AsyncGenerator<Buffer, void, void> {
  for (let at = 0; ;) {
    if (signal.aborted) throw new StepError('RUN_ABORTED', 'aborted while storing');
    const { bytesRead, buffer } = await handle.read(Buffer.allocUnsafe(PIECE_BYTES), 0, PIECE_BYTES, at);
    if (bytesRead === 0) return;
    at += bytesRead;
    read(at);
    yield buffer.subarray(0, bytesRead);
  }
}

/** Files are searched for values of secrets as outputs are. */
async function* searched(
  content: AsyncIterable<Buffer>,
  redactor: Redactor,
): AsyncGenerator<Uint8Array, void, void> {
  const search = redactor.bytes();
  for await (const piece of content) yield search.push(piece);
  yield search.end();
}
