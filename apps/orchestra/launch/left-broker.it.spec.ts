import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { brokersOn, endLeftBrokers } from './left-broker.js';

let folder: string;
const children: ChildProcess[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-left-'));
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await rm(folder, { recursive: true });
});

/** A process with a broker's command line; what it is does not matter. */
const processOn = async (configFile: string, script = ''): Promise<ChildProcess> => {
  const program = `${script}; setInterval(() => {}, 1000); console.log('up')`;
  const child = spawn(process.execPath, ['-e', program, '--', '--config', configFile, '--name', 'x'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout, 'data');
  return child;
};

describe('a broker that an earlier launcher left behind', () => {
  it('is known by its configuration file, and others are not touched', async () => {
    const configFile = join(folder, 'a', 'nats-server.conf');
    const left = await processOn(configFile);
    const other = await processOn(`${configFile}.old`);
    expect(brokersOn(configFile)).toEqual([left.pid]);
    const said: string[] = [];
    await endLeftBrokers(configFile, (line) => said.push(line));
    expect(said).toEqual([`stopping the broker that an earlier launcher left behind (process ${left.pid})`]);
    expect(brokersOn(configFile)).toEqual([]);
    expect(brokersOn(`${configFile}.old`)).toEqual([other.pid]);
  });

  it('is nothing to speak of where there is none', async () => {
    const said: string[] = [];
    await endLeftBrokers(join(folder, 'nats-server.conf'), (line) => said.push(line));
    expect(said).toEqual([]);
  });
});
