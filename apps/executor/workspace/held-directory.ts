import { constants } from 'node:fs';
import { mkdir, open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;

/**
 * A folder that is held open. What is done by `at` is done in that very folder, whatever stands at its path by now: a program
 * that runs beside us may put a symbolic link in place of any folder between a check and a use. Linux names open files
 * under /proc/self/fd, which serves as `openat` does; elsewhere it is the path, and such a race can be lost.
 */
export class HeldDirectory {
  private constructor(
    private readonly handle: FileHandle,
    private readonly path: string,
  ) {}

  static async open(path: string): Promise<HeldDirectory> {
    return new HeldDirectory(await open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW), path);
  }

  /** Where to find an entry of this folder. The name is one segment. */
  at(name: string): string {
    return process.platform === 'linux' ? `/proc/self/fd/${this.handle.fd}/${name}` : join(this.path, name);
  }

  /** A folder in this one; rejects with ELOOP or ENOTDIR for a symbolic link. */
  async enter(name: string): Promise<HeldDirectory> {
    const handle = await open(this.at(name), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    return new HeldDirectory(handle, join(this.path, name));
  }

  /** The same, and makes it where it is missing. */
  async enterOrMake(name: string): Promise<HeldDirectory> {
    try {
      return await this.enter(name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
    await mkdir(this.at(name)).catch((error: NodeJS.ErrnoException) => {
      // Another step of the task may have made it meanwhile.
      if (error.code !== 'EEXIST') throw error;
    });
    return await this.enter(name);
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Holds the folder that segments lead to, one by one, while `use` runs. No symbolic link is followed. */
export const inFolder = async <T>(
  root: string,
  segments: readonly string[],
  make: boolean,
  use: (folder: HeldDirectory) => Promise<T>,
): Promise<T> => {
  let folder = await HeldDirectory.open(root);
  try {
    for (const segment of segments) {
      const outer = folder;
      folder = make ? await outer.enterOrMake(segment) : await outer.enter(segment);
      await outer.close();
    }
    return await use(folder);
  } finally {
    await folder.close().catch(() => undefined);
  }
};
