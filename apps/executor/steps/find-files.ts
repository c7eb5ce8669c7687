import { opendir } from 'node:fs/promises';
import { StepError } from '../step-error.js';
import { inFolder } from '../workspace/held-directory.js';
import { fileFailure } from '../workspace/inside-path.js';
import { rootedPath, type ReadRoot } from '../workspace/readable-roots.js';
import { matchesGlob } from './glob.js';

/** Entries looked at for one step; a checkout of the Linux kernel has 90,000. */
const ENTRIES_MAX = 200_000;

/** Folders below folders. */
const DEPTH_MAX = 64;

/** Paths of the files that the patterns meet, in order. Symbolic links are passed over. */
export const findFiles = async (
  globs: readonly string[],
  roots: readonly ReadRoot[],
  signal: AbortSignal,
): Promise<readonly string[]> => {
  const found = new Set<string>();
  const seen = { entries: 0 };
  for (const glob of globs) {
    const { root, segments } = rootedPath(glob, 'globs', roots);
    const plain = segments.findIndex((segment) => /[*?]/.test(segment));
    const start = segments.slice(0, plain < 0 ? -1 : plain);
    for await (const path of filesBelow(root, start, seen, signal)) {
      if (!matchesGlob(segments, path)) continue;
      found.add(root.prefix === '' ? path.join('/') : [root.prefix, ...path].join('/'));
    }
  }
  // By code units, so that the order is the same everywhere.
  return [...found].toSorted((a, b) => (a < b ? -1 : 1));
};

async function* filesBelow(
  root: ReadRoot,
  start: readonly string[],
  seen: { entries: number },
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const open = [start];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { files, folders } = await entriesOf(root, next, seen);
    if (signal.aborted) throw new StepError('RUN_ABORTED', 'aborted while looking for files');
    yield* files;
    if (next.length < DEPTH_MAX) open.push(...folders);
  }
}

type Entries = {
  readonly files: readonly (readonly string[])[];
  readonly folders: readonly (readonly string[])[];
};

const entriesOf = async (
  root: ReadRoot,
  way: readonly string[],
  seen: { entries: number },
): Promise<Entries> => {
  const files: (readonly string[])[] = [];
  const folders: (readonly string[])[] = [];
  try {
    await inFolder(root.folder, way, false, async (folder) => {
      for await (const entry of await opendir(folder.at('.'))) {
        seen.entries += 1;
        if (seen.entries > ENTRIES_MAX) throw tooMany();
        if (entry.isFile()) files.push([...way, entry.name]);
        else if (entry.isDirectory()) folders.push([...way, entry.name]);
      }
    });
  } catch (error) {
    if (error instanceof StepError) throw error;
    // A folder that is not there, or no longer, has no files.
    if (!GONE.has((error as NodeJS.ErrnoException).code ?? '')) fileFailure(error, way.join('/'));
  }
  return { files, folders };
};

const GONE: ReadonlySet<string> = new Set(['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES']);

const tooMany = (): StepError =>
  new StepError(
    'PROGRAM_OVER_LIMIT',
    `There are more than ${ENTRIES_MAX} files to look through; accepted: globs that begin with a folder further down.`,
  );
