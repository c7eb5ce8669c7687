import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isAlive, startOf } from './process-identity.js';

/** Another launcher works on this folder. */
export class FolderLockedError extends Error {
  override readonly name = 'FolderLockedError';
}

type Holder = { readonly pid: number; readonly started: string | null };

/** Each try meets either a holder or the remains of one; more than this many means that launchers are fighting. */
const TRIES_MAX = 5;

/**
 * Takes the data folder for this process, because two launchers on one folder would run two brokers on the same files. A lock whose
 * process is gone is taken over. Answers with what gives the folder back.
 */
export const lockFolder = async (folder: string): Promise<() => Promise<void>> => {
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'launcher.pid');
  const mine = JSON.stringify({ pid: process.pid, started: await startOf(process.pid) } satisfies Holder);
  // Written aside and linked, so that the lock is never seen half written.
  const draft = `${file}.${randomUUID()}`;
  await writeFile(draft, mine);
  try {
    for (let tries = 0; tries < TRIES_MAX; tries += 1) {
      if (await linked(draft, file)) return async () => await rm(file, { force: true });
      await removeIfStale(folder, file);
    }
  } finally {
    await rm(draft, { force: true });
  }
  throw new FolderLockedError(`${folder} is being taken by other launchers; try again`);
};

const linked = async (from: string, to: string): Promise<boolean> => {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
};

/** Throws `FolderLockedError` where the holder lives. */
const removeIfStale = async (folder: string, file: string): Promise<void> => {
  const seen = await readFile(file, 'utf8').catch(() => null);
  if (seen === null) return;
  const holder = holderIn(seen);
  if (holder && (await holds(holder))) {
    throw new FolderLockedError(
      `${folder} is in use by process ${holder.pid}; stop that, or take another folder with --data`,
    );
  }
  // Moved away and looked at again: between reading and removing, another launcher may have taken the stale lock over.
  const aside = `${file}.stale-${randomUUID()}`;
  await rename(file, aside).catch(() => undefined);
  const moved = await readFile(aside, 'utf8').catch(() => null);
  if (moved !== null && moved !== seen) await linked(aside, file);
  await rm(aside, { force: true });
};

const holderIn = (text: string): Holder | null => {
  try {
    const { pid, started } = JSON.parse(text) as Partial<Holder>;
    return Number.isInteger(pid) && Number(pid) > 0 ? { pid: Number(pid), started: started ?? null } : null;
  } catch {
    return null;
  }
};

const holds = async ({ pid, started }: Holder): Promise<boolean> => {
  if (!isAlive(pid)) return false;
  const now = await startOf(pid);
  return started === null || now === null || now === started;
};
