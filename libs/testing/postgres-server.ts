import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { existsSync, globSync } from 'node:fs';
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A PostgreSQL server with a cluster and a port of its own, without passwords, and without care for its disk. */
export type PostgresServer = {
  /** Without the database: add its name. */
  readonly url: string;
  /** Ends it and removes its data. */
  readonly remove: () => Promise<void>;
};

/** Folder with `initdb` and `postgres`, or null where PostgreSQL is not installed. Debian keeps it out of the PATH. */
export const findPostgres = (): string | null => {
  const onPath = (process.env['PATH'] ?? '').split(delimiter);
  const packaged = globSync('/usr/lib/postgresql/*/bin').toSorted().toReversed();
  const brewed = globSync('/opt/homebrew/opt/postgresql@*/bin').toSorted().toReversed();
  return [...packaged, ...brewed, ...onPath].find((folder) => existsSync(join(folder, 'initdb'))) ?? null;
};

/** PostgreSQL refuses to run as root; there it runs as the user that its package made. */
const ownerOf = async (): Promise<{ uid?: number; gid?: number }> => {
  if (process.getuid?.() !== 0) return {};
  const id = async (flag: string): Promise<number> => Number((await run('id', [flag, 'postgres'])).stdout);
  return { uid: await id('-u'), gid: await id('-g') };
};

export const startPostgres = async (binaries: string): Promise<PostgresServer> => {
  const owner = await ownerOf();
  const folder = await mkdtemp(join(tmpdir(), 'orchestra-postgres-'));
  if (owner.uid !== undefined && owner.gid !== undefined) await chown(folder, owner.uid, owner.gid);
  const data = join(folder, 'data');
  await run(
    join(binaries, 'initdb'),
    ['-D', data, '-U', 'orchestra', '-A', 'trust', '-E', 'UTF8', '--no-sync'],
    {
      ...owner,
      cwd: folder,
    },
  );
  const port = await freePort();
  const settings = [
    'listen_addresses=127.0.0.1',
    `port=${port}`,
    `unix_socket_directories=${folder}`,
    'fsync=off',
  ];
  const server = spawn(
    join(binaries, 'postgres'),
    ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
    {
      ...owner,
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const ended = new Promise<void>((resolve) => {
    server.once('exit', () => resolve());
  });
  await accepting(server);
  return {
    url: `postgresql://orchestra@127.0.0.1:${port}/`,
    remove: async () => {
      server.kill('SIGINT');
      await ended;
      await rm(folder, { recursive: true });
    },
  };
};

/** Resolves when the server says that it takes connections; rejects with what it said if it ends before. */
const accepting = (server: ChildProcess): Promise<void> =>
  new Promise((resolve, reject) => {
    let said = '';
    server.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-4_000);
      if (said.includes('ready to accept connections')) resolve();
    });
    server.once('exit', (code) => reject(new Error(`postgres ended with ${code}: ${said}`)));
  });

const freePort = (): Promise<number> =>
  new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
