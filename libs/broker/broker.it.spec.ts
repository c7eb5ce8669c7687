import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { STREAMS } from '#libs/contracts/streams.js';
import { freePort } from '#libs/testing/nats-server.js';
import { startBroker, type Broker } from './broker.js';

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

describe('the broker that the launcher runs', () => {
  let dataDir: string;
  let port: number;
  let broker: Broker | null;
  let said: string[];

  const start = async (): Promise<Broker> => {
    broker = await startBroker({
      dataDir,
      port,
      durability: 'power-safe',
      env: process.env,
      say: (line) => said.push(line),
    });
    return broker;
  };

  const asAdmin = async ({ url, seedFile }: Broker): Promise<NatsConnection> =>
    await connect({
      servers: url,
      inboxPrefix: '_INBOX_admin',
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      authenticator: nkeyAuthenticator(new Uint8Array(await readFile(seedFile('admin')))),
    });

  beforeEach(async () => {
    dataDir = await mkdtemp(join(tmpdir(), 'orchestra-broker-'));
    port = await freePort();
    said = [];
    broker = null;
  });

  afterEach(async () => {
    await broker?.stop();
    await rm(dataDir, { recursive: true, force: true });
  });

  it('comes back by itself when it is killed, with everything that it held', async () => {
    const running = await start();
    const admin = await asAdmin(running);
    const manager = await jetstreamManager(admin);
    const { created } = await manager.streams.info(STREAMS.tasks.name);
    const back = (async () => {
      for await (const { type } of admin.status()) if (type === 'reconnect') return;
    })();
    const before = running.pid();
    running.signal('SIGKILL');
    await back;
    expect(running.pid()).not.toBe(before);
    expect((await manager.streams.info(STREAMS.tasks.name)).created).toBe(created);
    expect(said.filter((line) => line.includes('starting it again'))).toHaveLength(1);
    await admin.close();
  });

  it('leaves no process behind, stopped at any moment', async () => {
    const running = await start();
    const pid = running.pid() ?? 0;
    running.signal('SIGKILL');
    await running.stop();
    expect(isAlive(pid)).toBe(false);
    await expect(connect({ servers: running.url, reconnect: false, timeout: 500 })).rejects.toThrow(
      /connection refused/i,
    );
  });

  it('keeps keys and streams from one start to the next', async () => {
    const first = await start();
    const seed = await readFile(first.seedFile('scheduler'), 'utf8');
    await first.stop();
    const second = await start();
    expect(await readFile(second.seedFile('scheduler'), 'utf8')).toBe(seed);
    const admin = await asAdmin(second);
    const names = (await (await jetstreamManager(admin)).streams.list().next()).map(
      ({ config }) => config.name,
    );
    expect(names.toSorted()).toEqual([
      'COMMANDS',
      'KV_leaders',
      'LEASES',
      'NOTIFICATIONS',
      'OBJ_artifacts',
      'OBJ_snapshots',
      'REPORTS',
      'TASKS',
    ]);
    await admin.close();
  });
});
