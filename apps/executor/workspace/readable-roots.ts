import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import { dirname, relative, resolve, sep } from 'node:path';
import { StepError } from '../step-error.js';
import { inFolder } from './held-directory.js';
import { fileFailure, quoted, segmentsOf } from './inside-path.js';

/** A folder below which files may be read: the workspace, or one that a setting names. */
export type ReadRoot = {
  /** As paths begin that mean it: empty for the workspace. */
  readonly prefix: string;
  /** Absolute and real. */
  readonly folder: string;
};

/** Where a path leads: a root, and the way from there. */
export type RootedPath = { readonly root: ReadRoot; readonly segments: readonly string[] };

/** Throws for a path that begins below no root. The file itself is not looked at. */
export const rootedPath = (path: string, field: string, roots: readonly ReadRoot[]): RootedPath => {
  const root = roots.find(({ prefix }) =>
    prefix === '' ? !path.startsWith('/') : path === prefix || path.startsWith(`${prefix}/`),
  );
  if (root !== undefined)
    return { root, segments: segmentsOf(path.slice(root.prefix.length).replace(/^\/+/, ''), field) };
  const others = roots.flatMap(({ prefix }) => (prefix === '' ? [] : [prefix])).join(', ');
  throw new StepError(
    'PATH_NOT_ALLOWED',
    `${field} ${quoted(path)} is outside of the workspace; accepted: a path in the workspace${others === '' ? '' : `, or below ${others}`}.`,
  );
};

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

/**
 * Opens a regular file. Symbolic links are followed as long as they stay below the root: the path is resolved, the result is held to the
 * root, and the way there is then gone folder by folder without following anything, so that a link which is put there meanwhile leads
 * nowhere.
 */
export const openBelow = async ({ root, segments }: RootedPath, path: string): Promise<FileHandle> => {
  try {
    const real = await realpath(resolve(root.folder, ...segments));
    if (real !== root.folder && !real.startsWith(root.folder + sep))
      throw new StepError(
        'PATH_NOT_ALLOWED',
        `${quoted(path)} is a symbolic link that leads out of ${root.prefix === '' ? 'the workspace' : root.prefix}.`,
      );
    const way = relative(root.folder, dirname(real)).split(sep).filter(Boolean);
    const handle = await inFolder(
      root.folder,
      way,
      false,
      // A pipe that nobody writes to would not open without O_NONBLOCK.
      async (folder) =>
        await open(folder.at(real.slice(dirname(real).length + 1)), O_RDONLY | O_NOFOLLOW | O_NONBLOCK),
    );
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw new StepError('PATH_NOT_ALLOWED', `${quoted(path)} is no regular file; accepted: a regular file.`);
  } catch (error) {
    if (error instanceof StepError) throw error;
    return fileFailure(error, path);
  }
};
