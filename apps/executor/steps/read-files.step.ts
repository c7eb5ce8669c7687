import type { FileHandle } from 'node:fs/promises';
import { StepError } from '../step-error.js';
import type { StepRunner } from '../step-runner.js';
import { openBelow, rootedPath, type ReadRoot } from '../workspace/readable-roots.js';
import type { Workspace } from '../workspace/workspace.js';
import { decodeText, notText, type TextEncoding } from './decode-text.js';
import { findFiles } from './find-files.js';

type ReadInput = {
  readonly paths?: readonly string[];
  readonly globs?: readonly string[];
  readonly encoding?: TextEncoding | 'auto' | 'base64' | 'pdf';
  readonly max_bytes?: number;
  readonly max_files?: number;
};

type FileOutput = {
  readonly path: string;
  readonly text?: string;
  readonly base64?: string;
  /** Of the file, not of what was read of it. */
  readonly bytes: number;
  readonly encoding: string;
  readonly truncated?: true;
};

/** Makes the text of a PDF; at most so many bytes of it. Rejects where this machine cannot. */
export type PdfReader = (
  pdf: Buffer,
  path: string,
  run: { readonly workspace: Workspace; readonly signal: AbortSignal; readonly maxBytes: number },
) => Promise<{ readonly text: string; readonly truncated: boolean }>;

const MAX_BYTES_DEFAULT = 262_144;
const MAX_FILES_DEFAULT = 100;

/** A PDF is read as a whole; this is a thick book with pictures. */
const PDF_MAX_BYTES = 32 * 1024 * 1024;

/** Reads files in the order of `paths`, then what `globs` meet, by name. `roots` are folders besides the workspace. */
export const readFilesStep =
  (roots: readonly ReadRoot[], pdf: PdfReader): StepRunner =>
  async (context) => {
    const input = context.input as ReadInput;
    const { paths = [], globs = [], max_bytes: maxBytes = MAX_BYTES_DEFAULT } = input;
    if (paths.length + globs.length === 0)
      throw new StepError(
        'STEP_INPUT_INVALID',
        'Neither paths nor globs are given; accepted: one of them, or both.',
      );
    const workspace = await context.workspace();
    const all = [{ prefix: '', folder: workspace.files }, ...roots];
    const met = await findFiles(globs, all, context.signal);
    const wanted = [...new Set([...paths, ...met])];
    const taken = wanted.slice(0, input.max_files ?? MAX_FILES_DEFAULT);
    const files: FileOutput[] = [];
    let left = maxBytes;
    for (const path of taken) {
      if (left <= 0) break;
      if (context.signal.aborted) throw new StepError('RUN_ABORTED', 'aborted while reading');
      const handle = await openBelow(rootedPath(path, 'paths', all), path);
      try {
        const { file, used } = await readOne(handle, path, input.encoding ?? 'auto', left, (bytes) =>
          pdf(bytes, path, { workspace, signal: context.signal, maxBytes: left }),
        );
        files.push(file);
        left -= used;
      } finally {
        await handle.close();
      }
    }
    const truncated = files.length < wanted.length || files.some((file) => file.truncated === true);
    return { output: { files, truncated } };
  };

type Read = { readonly file: FileOutput; readonly used: number };

const readOne = async (
  handle: FileHandle,
  path: string,
  encoding: NonNullable<ReadInput['encoding']>,
  maxBytes: number,
  pdf: (bytes: Buffer) => Promise<{ readonly text: string; readonly truncated: boolean }>,
): Promise<Read> => {
  const bytes = (await handle.stat()).size;
  // Not as many as the file says it has: it may be a terabyte of holes, or grow.
  const start = await firstBytes(handle, maxBytes);
  if (encoding === 'pdf' || (encoding === 'auto' && start.subarray(0, PDF_MARK.length).equals(PDF_MARK))) {
    const { text, truncated } = await pdf(await wholePdf(handle, path, bytes));
    return {
      file: { path, text, bytes, encoding: 'pdf', ...cutMark(truncated) },
      used: Buffer.byteLength(text),
    };
  }
  const cut = cutMark(bytes > start.length);
  if (encoding === 'base64')
    return { file: { path, base64: start.toString('base64'), bytes, encoding, ...cut }, used: start.length };
  const decoded = decodeText(start, encoding, cut.truncated === true);
  if (decoded === null) throw notText(path, encoding);
  return {
    file: { path, text: decoded.text, bytes, encoding: decoded.encoding, ...cut },
    used: start.length,
  };
};

const PDF_MARK = Buffer.from('%PDF-');

const cutMark = (truncated: boolean): { readonly truncated?: true } => (truncated ? { truncated: true } : {});

const wholePdf = async (handle: FileHandle, path: string, bytes: number): Promise<Buffer> => {
  if (bytes <= PDF_MAX_BYTES) return await firstBytes(handle, PDF_MAX_BYTES);
  throw new StepError(
    'FILE_NOT_READABLE',
    `'${path}' has ${bytes} bytes; a PDF of at most ${PDF_MAX_BYTES} is accepted.`,
  );
};

/** Read until the file ends or the limit is reached, from its beginning. */
const firstBytes = async (handle: FileHandle, maxBytes: number): Promise<Buffer> => {
  const { size } = await handle.stat();
  const parts = Buffer.alloc(Math.min(maxBytes, size));
  let filled = 0;
  while (filled < parts.length) {
    const { bytesRead } = await handle.read(parts, filled, parts.length - filled, filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return parts.subarray(0, filled);
};
