import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { FolderLockedError, lockFolder } from './lock-folder.js';
import { startOf } from './process-identity.js';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-lock-'));
});
afterEach(async () => await rm(folder, { recursive: true }));

const holder = async (pid: number, started: string | null): Promise<void> =>
  await writeFile(join(folder, 'launcher.pid'), JSON.stringify({ pid, started }));

/** Above the largest process id of any system. */
const NOBODY = 2 ** 22 + 1;

describe('the lock of a data folder', () => {
  it('is held by one launcher at a time', async () => {
    const unlock = await lockFolder(folder);
    await expect(lockFolder(folder)).rejects.toThrow(
      `${folder} is in use by process ${process.pid}; stop that, or take another folder with --data`,
    );
    await unlock();
    expect(await readdir(folder)).toEqual([]);
    await (
      await lockFolder(folder)
    )();
  });

  it('makes the folder where there is none', async () => {
    const unlock = await lockFolder(join(folder, 'new', 'data'));
    expect(await readdir(join(folder, 'new', 'data'))).toEqual(['launcher.pid']);
    await unlock();
  });

  it('is given to one of many that want it at once', async () => {
    const tries = await Promise.allSettled(Array.from({ length: 8 }, () => lockFolder(folder)));
    expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  it('is taken over from a process that is gone', async () => {
    await holder(NOBODY, 'some time');
    await (
      await lockFolder(folder)
    )();
  });

  it('is taken over where another process has the id meanwhile', async () => {
    await holder(process.pid, 'a start before that of this process');
    await (
      await lockFolder(folder)
    )();
  });

  it.each(['', 'nonsense', '{}', '[]', '7', '{"pid": -1}', 'null'])(
    'is taken over where the file says %j, which no launcher writes',
    async (text) => {
      await writeFile(join(folder, 'launcher.pid'), text);
      await (
        await lockFolder(folder)
      )();
    },
  );

  it('is respected where nothing is known but that the process is there', async () => {
    await holder(process.pid, null);
    await expect(lockFolder(folder)).rejects.toThrow(FolderLockedError);
  });

  it('names the process and when that began', async () => {
    const unlock = await lockFolder(folder);
    const text = await readFile(join(folder, 'launcher.pid'), 'utf8');
    expect(JSON.parse(text)).toEqual({ pid: process.pid, started: await startOf(process.pid) });
    expect(await startOf(process.pid)).not.toBeNull();
    await unlock();
  });
});
