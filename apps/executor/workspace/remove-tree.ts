import { chmod, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/** Removes a folder that programs wrote in; such a folder may be closed even to its owner. Nothing runs in it any more. */
export const removeTree = async (folder: string): Promise<void> => {
  try {
    await rm(folder, { recursive: true, force: true });
  } catch {
    await openUp(folder);
    await rm(folder, { recursive: true, force: true });
  }
};

/** Level by level and without following links. */
const openUp = async (folder: string): Promise<void> => {
  const open = [folder];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const here = next;
    await chmod(here, 0o700);
    for (const entry of await readdir(here, { withFileTypes: true }))
      if (entry.isDirectory()) open.push(join(here, entry.name));
  }
};
