import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gpusOfThisMachine } from './gpu-inventory.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-smi-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** A program of that name, found by the PATH as the real one is. */
const told = async (script: string) => {
  const file = join(folder, 'nvidia-smi');
  await writeFile(file, `#!/bin/sh\n${script}\n`);
  await chmod(file, 0o755);
  return await gpusOfThisMachine({ PATH: `${folder}:/usr/bin:/bin` });
};

describe('the GPUs of this machine', () => {
  it('are those that nvidia-smi tells, asked without units and head line', async () => {
    const script = '[ "$*" = "--query-gpu=index,name,memory.total --format=csv,noheader,nounits" ] || exit 2';
    expect(await told(`${script}\necho "0, NVIDIA L40S, 46068"`)).toEqual([
      { index: 0, name: 'NVIDIA L40S', memoryBytes: 46_068 * 1024 ** 2 },
    ]);
  });

  it.each([
    ['it fails', 'echo "NVIDIA-SMI has failed because it could not communicate with the driver."; exit 9'],
    ['it finds none', 'echo "No devices were found"; exit 6'],
    ['it says too much', 'yes "0, NVIDIA L40S, 46068"'],
  ])('are none where %s', async (_, script) => expect(await told(script)).toEqual([]));

  it('are none where there is no such program', async () =>
    expect(await gpusOfThisMachine({ PATH: join(folder, 'nowhere') })).toEqual([]));
});
