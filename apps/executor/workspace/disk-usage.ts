import type { Dirent, Stats } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

export type DiskUsage = { readonly bytes: number; readonly entries: number; readonly files: number };

/** `st_blocks` counts these, whatever the file system. */
const BLOCK_BYTES = 512;

/** Every entry costs a little even where it holds nothing: so many empty ones fill a workspace of the default size. */
const ENTRY_BYTES = 4096;

/**
 * Disk space below a folder: what is really there, so that a file of holes counts little and a million empty files much.
 * Reads no further than `enoughBytes`; what vanishes meanwhile is passed over, and no symbolic link is followed.
 */
export const diskUsage = async (folder: string, enoughBytes: number): Promise<DiskUsage> => {
  let bytes = 0;
  let entries = 0;
  let files = 0;
  const open = [folder];
  for (let next = open.pop(); next !== undefined && bytes <= enoughBytes; next = open.pop()) {
    const here = next;
    const found = await readdir(here, { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of found) {
      const path = join(here, entry.name);
      if (entry.isDirectory()) open.push(path);
      const stats = await lstat(path).catch((): Stats | null => null);
      if (stats === null) continue;
      entries += 1;
      if (!entry.isDirectory()) files += 1;
      bytes += Math.max(stats.blocks * BLOCK_BYTES, ENTRY_BYTES);
      if (bytes > enoughBytes) break;
    }
  }
  return { bytes, entries, files };
};
