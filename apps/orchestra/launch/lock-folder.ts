import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Another launcher works on this folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError';
}

/** Takes the data folder for this process; a lock whose process is gone is taken over. Answers with what gives it back. */
export const lockFolder = async (folder: string): Promise<() => Promise<void>> => {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'launcher.pid');
  for (let attempt = 0; attempt < 2; attempt += 1) {
    try {
      await writeFile(file, String(process.pid), { flag: 'wx' });
      return async () => await rm(file, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    }
    const holder = Number((await readFile(file, 'utf8')).trim());
    if (isAlive(holder)) {
      throw new FolderLockedError(
        `${folder} is in use by process ${holder}; stop it, or use another folder with --data`,
      );
    }
    await rm(file, { force: true });
  }
  throw new FolderLockedError(`${folder} is being taken by another launcher`);
};

const isAlive = (pid: number): boolean => {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};
