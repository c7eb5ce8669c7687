import { execFileSync, fork, spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { once } from 'node:events';
import type { Load, LoadRun } from './load.js';

export type PeerVersions = { readonly bullmq: string; readonly redis: string };

const PEER = fileURLToPath(new URL('../../../test/bench/bullmq-peer.mjs', import.meta.url));

/** Installs what the comparison needs and says so: Redis by the system's packages, BullMQ into a folder of its own. */
export const installPeer = (folder: string): PeerVersions => {
  if (spawnSync('redis-server', ['--version']).error) {
    process.stdout.write('redis-server is not here; installing it with apt-get\n');
    execFileSync('apt-get', ['install', '-y', '--no-install-recommends', 'redis-server'], {
      stdio: 'ignore',
    });
  }
  mkdirSync(folder, { recursive: true });
  if (!existsSync(join(folder, 'node_modules', 'ioredis'))) {
    process.stdout.write('installing BullMQ\n');
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--no-audit', '--no-fund', 'bullmq@6', 'ioredis@5'], {
      cwd: folder,
      stdio: 'ignore',
    });
  }
  const redis =
    /v=([\d.]+)/.exec(execFileSync('redis-server', ['--version'], { encoding: 'utf8' }))?.[1] ?? '';
  const show = execFileSync('npm', ['ls', 'bullmq', '--json', '--depth=0'], {
    cwd: folder,
    encoding: 'utf8',
  });
  const listed = JSON.parse(show) as { dependencies?: { bullmq?: { version?: string } } };
  return { bullmq: listed.dependencies?.bullmq?.version ?? '', redis };
};

/** What the child says, or its end, whichever comes first. */
const answer = async (child: ChildProcess): Promise<unknown[]> =>
  await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`the BullMQ process ended with exit code ${String(code)}`);
    }),
  ]);

const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return typeof address === 'object' && address ? address.port : 0;
};

/** BullMQ under each load in turn: its own Redis, one worker process, one producer process. */
export const runPeer = async (
  folder: string,
  fsync: 'everysec' | 'always',
  loads: readonly Load[],
): Promise<readonly LoadRun[]> => {
  const port = await freePort();
  const data = mkdtempSync(join(tmpdir(), 'bench-redis-'));
  const args = [
    '--port',
    String(port),
    '--bind',
    '127.0.0.1',
    '--dir',
    data,
    '--appendonly',
    'yes',
    '--appendfsync',
    fsync,
    '--save',
    '',
    '--loglevel',
    'warning',
  ];
  const redis = spawn('redis-server', args, { stdio: 'ignore' });
  const children: ChildProcess[] = [];
  try {
    const worker = fork(PEER, ['worker', String(port)], { cwd: folder });
    children.push(worker);
    await answer(worker);
    const producer = fork(PEER, ['producer', String(port), JSON.stringify(loads)], { cwd: folder });
    children.push(producer);
    const [results] = (await answer(producer)) as [{ seconds: number; waits: number[] }[]];
    return results.map(({ seconds, waits }) => ({ seconds, waitsMs: waits }));
  } finally {
    for (const child of children) child.kill();
    redis.kill();
    await once(redis, 'exit');
    rmSync(data, { recursive: true, force: true });
  }
};
