import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';

type Package = { readonly scripts: Readonly<Record<string, string>> };

const MAIN = 'dist/apps/orchestra/main.js';
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-new-'));
});
afterAll(async () => await rm(folder, { recursive: true, force: true }));

/** The script of this package, in a folder where building is quick. */
const ran = async (build: string): Promise<string> => {
  const { scripts } = JSON.parse(await readFile('package.json', 'utf8')) as Package;
  const made = { type: 'module', scripts: { orchestra: scripts['orchestra'], build } };
  await writeFile(join(folder, 'package.json'), JSON.stringify(made));
  return execFileSync('npm', ['run', '-s', 'orchestra', '--', 'plugins', 'a b'], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
};

describe('npm run orchestra', () => {
  it('says that building failed, and runs nothing', async () => {
    await expect(ran('exit 3')).rejects.toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/^It is not built yet/),
    });
  });

  it('builds what is not built yet, and only then', async () => {
    const main = 'console.log(JSON.stringify(process.argv.slice(2)))';
    expect(await ran(`mkdir -p dist/apps/orchestra && echo '${main}' > ${MAIN}`)).toBe('["plugins","a b"]\n');
    expect(await ran('exit 3')).toBe('["plugins","a b"]\n');
  });
});
