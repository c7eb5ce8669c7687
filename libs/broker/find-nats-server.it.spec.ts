import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { findNatsServer, NatsServerMissingError, PINNED_VERSION } from './find-nats-server.js';

/** Programs here are small shell scripts: what is looked at is which one is taken, and why not the others. */
describe('looking for a nats-server', () => {
  let folder: string;
  let said: string[];

  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'orchestra-find-'));
    said = [];
  });
  afterEach(async () => await rm(folder, { recursive: true, force: true }));

  const program = async (path: string, script: string): Promise<string> => {
    const file = join(folder, path);
    await mkdir(join(file, '..'), { recursive: true });
    await writeFile(file, `#!/bin/sh\n${script}\n`);
    await chmod(file, 0o755);
    return file;
  };

  const find = async (env: NodeJS.ProcessEnv) =>
    await findNatsServer({
      env: { XDG_CACHE_HOME: join(folder, 'cache'), ...env },
      say: (line) => said.push(line),
      install: false,
    });

  const cached = `cache/ai-task-orchestra/bin/nats-server-${PINNED_VERSION}`;

  it('takes the one that is asked for, and no other when that one does not run', async () => {
    const path = await program('mine', 'echo "nats-server: v2.11.4"');
    expect(await find({ ORCHESTRA_NATS_SERVER: path })).toMatchObject({ path, version: '2.11.4' });
    await expect(find({ ORCHESTRA_NATS_SERVER: join(folder, 'none') })).rejects.toThrow(
      /ORCHESTRA_NATS_SERVER: .*none --version gave no exit code/,
    );
    const broken = await program('broken', 'echo "no such library"; exit 127');
    await expect(find({ ORCHESTRA_NATS_SERVER: broken })).rejects.toThrow(/gave 127: no such library/);
  });

  it('takes the one on the PATH first', async () => {
    const path = await program('bin/nats-server', 'echo "nats-server: v2.12.1"');
    await program(cached, `echo "nats-server: v${PINNED_VERSION}"`);
    expect(await find({ PATH: join(folder, 'bin') })).toMatchObject({ path, source: 'on the PATH' });
    expect(said).toEqual([`nats-server 2.12.1: ${path} (on the PATH)`]);
  });

  it('passes over one that is too old, and says so', async () => {
    await program('bin/nats-server', 'echo "nats-server: v2.9.9"');
    const path = await program(cached, `echo "nats-server: v${PINNED_VERSION}"`);
    expect(await find({ PATH: join(folder, 'bin') })).toMatchObject({ path, version: PINNED_VERSION });
    expect(said[0]).toMatch(/version 2\.9\.9; 2\.9\.10 or newer is needed/);
  });

  it('says what to install when there is none', async () => {
    await program('bin/nats-server', 'echo "nats-server: v1.4.1"');
    const finding = find({ PATH: join(folder, 'bin') });
    await expect(finding).rejects.toThrow(NatsServerMissingError);
    await expect(finding).rejects.toThrow(/apt-get install nats-server.*ORCHESTRA_NATS_SERVER.*NATS_URL/);
  });
});
