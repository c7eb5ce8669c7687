import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { EXIT } from '../exit-codes.js';
import { readChange } from './read-change.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-backtest-'));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

const written = async (name: string, text: string): Promise<string> => {
  const file = join(folder, name);
  await writeFile(file, text);
  return file;
};

describe('the change of a backtest', () => {
  it('is read from the files of the platform', async () => {
    const policy = await written('policy.yaml', 'aging: 5s\nweights: { lab: 2 }\n');
    const servers = await written(
      'servers.yaml',
      "servers: [{ id: a, url: 'http://a:1', vram: 8GiB, slots: 2 }]\n",
    );
    expect(await readChange({ policy, servers })).toMatchObject({
      policy: { agingMs: 5_000, weights: { lab: 2 }, swapShareMax: 0.1 },
      servers: [{ serverId: 'a', vramBytes: 8 * 1024 ** 3, slots: 2 }],
    });
    expect(Object.keys(await readChange({ policy }))).toEqual(['policy']);
  });

  it('is refused with every problem of both files, as their readers tell them', async () => {
    const policy = await written('policy.yaml', 'aging: soon\n');
    const servers = await written('servers.yaml', 'servers: [{ id: a, url: nowhere, vram: 8GiB }]\n');
    await expect(readChange({ policy, servers })).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringMatching(
        /policy.yaml:1:1: aging "soon" — expected a duration[\s\S]*servers.yaml:1:11: url "nowhere"/,
      ),
    });
  });

  it('is refused where there is none, or no such file', async () => {
    await expect(readChange({})).rejects.toMatchObject({ exitCode: EXIT.usage });
    await expect(readChange({ policy: join(folder, 'nothing') })).rejects.toMatchObject({
      exitCode: EXIT.usage,
      message: expect.stringContaining('nothing cannot be read'),
    });
  });
});
