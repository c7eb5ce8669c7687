import { createHash, randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { open, rename, rm, type FileHandle } from 'node:fs/promises';
import type { TaskArtifacts } from '../artifacts/task-artifacts.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { inFolder, type HeldDirectory } from '../workspace/held-directory.js';
import { fileFailure, quoted, segmentsOf } from '../workspace/inside-path.js';
import { makeRoom } from '../workspace/workspace.js';

type WriteInput = {
  readonly path: string;
  readonly text?: string;
  readonly base64?: string;
  readonly json?: unknown;
  readonly artifact?: string;
  readonly append?: boolean;
  readonly mode?: string;
};

const DEFAULT_MODE = '644';

/** Writes a file of the workspace. A file is replaced as a whole, so nobody ever reads half of it. */
export const writeFileStep =
  (artifacts: TaskArtifacts): StepRunner =>
  async (context) => {
    const input = context.input as WriteInput;
    const segments = segmentsOf(input.path, 'path');
    const name = segments.at(-1);
    if (name === undefined)
      throw new StepError(
        'PATH_NOT_ALLOWED',
        `path ${quoted(input.path)} is the workspace itself; accepted: a file in it.`,
      );
    const content = await contentOf(input, artifacts, context);
    const workspace = await context.workspace();
    await makeRoom(workspace, content.bytes);
    const mode = Number.parseInt(input.mode ?? DEFAULT_MODE, 8);
    try {
      const written = await inFolder(workspace.files, segments.slice(0, -1), true, async (folder) =>
        input.append === true
          ? await append(folder, name, content, mode)
          : await replace(folder, name, content, mode),
      );
      return { output: { path: segments.join('/'), ...written } };
    } catch (error) {
      if (error instanceof StepError) throw error;
      return fileFailure(error, input.path);
    }
  };

const CONTENTS = ['text', 'base64', 'json', 'artifact'] as const;

type Content = { readonly bytes: number; readonly pieces: () => AsyncIterable<Uint8Array> };

const contentOf = async (
  input: WriteInput,
  artifacts: TaskArtifacts,
  { taskId, signal }: StepContext,
): Promise<Content> => {
  const given = CONTENTS.filter((field) => input[field] !== undefined);
  if (given.length !== 1)
    throw new StepError(
      'STEP_INPUT_INVALID',
      `${given.length === 0 ? 'None' : given.join(' and ')} of text, base64, json and artifact ${given.length === 0 ? 'is' : 'are'} given; accepted: exactly one.`,
    );
  if (input.artifact === undefined) return inMemory(bytesOf(input));
  const { artifact } = await artifacts.find(taskId, input.artifact);
  return { bytes: artifact.sizeBytes, pieces: () => artifacts.read(artifact, signal) };
};

const inMemory = (bytes: Buffer): Content => ({
  bytes: bytes.length,
  pieces: async function* () {
    yield await Promise.resolve(bytes);
  },
});

const bytesOf = (input: WriteInput): Buffer => {
  if (input.text !== undefined) return Buffer.from(input.text);
  if (input.base64 === undefined) return Buffer.from(`${JSON.stringify(input.json, null, 2)}\n`);
  if (input.base64.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(input.base64))
    throw new StepError(
      'STEP_INPUT_INVALID',
      'base64 is no base64; accepted: A-Z, a-z, 0-9, + and /, padded with =.',
    );
  return Buffer.from(input.base64, 'base64');
};

type Written = { readonly bytes: number; readonly sha256: string };

const { O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_APPEND, O_NOFOLLOW, O_NONBLOCK } = constants;

/** What stood there is never written through: a link to another file would lead there. */
const replace = async (
  folder: HeldDirectory,
  name: string,
  content: Content,
  mode: number,
): Promise<Written> => {
  const fresh = folder.at(`.write-${randomUUID()}`);
  const handle = await open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const hash = createHash('sha256');
    for await (const piece of content.pieces()) {
      hash.update(piece);
      await handle.writeFile(piece);
    }
    await handle.chmod(mode);
    await rename(fresh, folder.at(name));
    return { bytes: content.bytes, sha256: hash.digest('hex') };
  } catch (error) {
    await rm(fresh, { force: true });
    throw error;
  } finally {
    await handle.close();
  }
};

const append = async (
  folder: HeldDirectory,
  name: string,
  content: Content,
  mode: number,
): Promise<Written> => {
  const handle = await open(folder.at(name), O_RDWR | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK, 0o600);
  try {
    const { nlink, size } = await handle.stat();
    const regular = (await handle.stat()).isFile();
    if (!regular || nlink > 1)
      throw new StepError(
        'PATH_NOT_ALLOWED',
        `${quoted(name)} ${regular ? 'has another name as well (a hard link)' : 'is no regular file'}; accepted: a regular file of one name.`,
      );
    try {
      for await (const piece of content.pieces()) await handle.appendFile(piece);
    } catch (error) {
      // What was not read to its end may be anything.
      await handle.truncate(size);
      throw error;
    }
    if (size === 0) await handle.chmod(mode);
    const bytes = size + content.bytes;
    return { bytes, sha256: await hashOf(handle, bytes) };
  } finally {
    await handle.close();
  }
};

const HASH_PART_BYTES = 1024 * 1024;

const hashOf = async (handle: FileHandle, bytes: number): Promise<string> => {
  const hash = createHash('sha256');
  const part = Buffer.alloc(Math.min(HASH_PART_BYTES, bytes));
  for (let at = 0; at < bytes;) {
    const { bytesRead } = await handle.read(part, 0, Math.min(part.length, bytes - at), at);
    if (bytesRead === 0) break;
    hash.update(part.subarray(0, bytesRead));
    at += bytesRead;
  }
  return hash.digest('hex');
};
