import type { FileHandle } from 'node:fs/promises';
import type { TaskArtifacts } from '../artifacts/task-artifacts.js';
import { StepError } from '../step-error.js';
import type { StepContext, StepRunner } from '../step-runner.js';
import { openBelow, rootedPath, type ReadRoot } from '../workspace/readable-roots.js';
import type { Workspace } from '../workspace/workspace.js';
import { decodeText, notText, type TextEncoding } from './decode-text.js';
import { findFiles } from './find-files.js';

type ReadInput = {
  readonly artifacts?: readonly string[];
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

export type ReadFilesOptions = {
  /** Folders besides the workspace. */
  readonly roots: readonly ReadRoot[];
  readonly pdf: PdfReader;
  readonly artifacts: TaskArtifacts;
};

/** Reads artifacts, then files in the order of `paths`, then what `globs` meet, by name. */
export const readFilesStep =
  (options: ReadFilesOptions): StepRunner =>
  async (context) => {
    const input = context.input as ReadInput;
    const { artifacts = [], paths = [], globs = [], max_bytes: maxBytes = MAX_BYTES_DEFAULT } = input;
    if (artifacts.length + paths.length + globs.length === 0)
      throw new StepError(
        'STEP_INPUT_INVALID',
        'None of paths, globs and artifacts is given; accepted: one of them, or several.',
      );
    const workspace = await context.workspace();
    const all = [{ prefix: '', folder: workspace.files }, ...options.roots];
    const met = await findFiles(globs, all, context.signal);
    const wanted: readonly Wanted[] = [
      ...[...new Set(artifacts)].map((path) => ({ path, open: () => openArtifact(options, context, path) })),
      ...[...new Set([...paths, ...met])].map((path) => ({ path, open: () => openFile(path, all) })),
    ];
    const taken = wanted.slice(0, input.max_files ?? MAX_FILES_DEFAULT);
    const files: FileOutput[] = [];
    let left = maxBytes;
    for (const { path, open } of taken) {
      if (left <= 0) break;
      if (context.signal.aborted) throw new StepError('RUN_ABORTED', 'aborted while reading');
      const source = await open();
      try {
        const { file, used } = await readOne(source, path, input.encoding ?? 'auto', left, (bytes) =>
          options.pdf(bytes, path, { workspace, signal: context.signal, maxBytes: left }),
        );
        files.push(file);
        left -= used;
      } finally {
        await source.close();
      }
    }
    const truncated = files.length < wanted.length || files.some((file) => file.truncated === true);
    return { output: { files, truncated } };
  };

/** Something that can be read from its beginning: a file, or an artifact. */
type Source = {
  readonly bytes: number;
  readonly first: (maxBytes: number) => Promise<Buffer>;
  readonly close: () => Promise<void>;
};

type Wanted = { readonly path: string; readonly open: () => Promise<Source> };

const openFile = async (path: string, roots: readonly ReadRoot[]): Promise<Source> => {
  const handle = await openBelow(rootedPath(path, 'paths', roots), path);
  return {
    bytes: (await handle.stat()).size,
    first: async (maxBytes) => await firstBytes(handle, maxBytes),
    close: async () => await handle.close(),
  };
};

/** Read to its end however little of it is wanted: only then is it known to be what was stored. */
const openArtifact = async (
  { artifacts }: ReadFilesOptions,
  { taskId, signal }: StepContext,
  reference: string,
): Promise<Source> => {
  const { artifact } = await artifacts.find(taskId, reference);
  return {
    bytes: artifact.sizeBytes,
    first: async (maxBytes) => {
      const start = Buffer.alloc(Math.min(maxBytes, artifact.sizeBytes));
      let filled = 0;
      for await (const piece of artifacts.read(artifact, signal)) {
        if (filled < start.length) start.set(piece.subarray(0, start.length - filled), filled);
        filled += piece.length;
      }
      return start;
    },
    close: async () => undefined,
  };
};

type Read = { readonly file: FileOutput; readonly used: number };

const readOne = async (
  source: Source,
  path: string,
  encoding: NonNullable<ReadInput['encoding']>,
  maxBytes: number,
  pdf: (bytes: Buffer) => Promise<{ readonly text: string; readonly truncated: boolean }>,
): Promise<Read> => {
  const { bytes } = source;
  // Not as many as the file says it has: it may be a terabyte of holes, or grow.
  const start = await source.first(maxBytes);
  if (encoding === 'pdf' || (encoding === 'auto' && start.subarray(0, PDF_MARK.length).equals(PDF_MARK))) {
    const { text, truncated } = await pdf(await wholePdf(source, path));
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

const wholePdf = async ({ bytes, first }: Source, path: string): Promise<Buffer> => {
  if (bytes <= PDF_MAX_BYTES) return await first(PDF_MAX_BYTES);
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
