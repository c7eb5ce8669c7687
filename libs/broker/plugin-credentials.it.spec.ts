import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { readFile } from 'node:fs/promises';
import { PLUGIN_SUBJECTS } from '#libs/contracts/plugin-wire.js';
import { RPC, SUBJECTS } from '#libs/contracts/subjects.js';
import { freePort } from '#libs/testing/nats-server.js';
import { startBroker, type Broker } from './broker.js';
import { letWorkersIn, pluginAccountsIn, pluginPassword } from './plugin-credentials.js';

const [MINE, OTHER] = ['acme.mine', 'acme.other'] as const;
let broker: Broker;
let dataDir: string;
let mine: NatsConnection;
let executor: NatsConnection;

const signedIn = async (type: string, pass: string): Promise<NatsConnection> =>
  await connect({ servers: broker.url, user: type, pass, reconnect: false });

const letIn = async (type: string, password: string): Promise<NatsConnection> => {
  await letWorkersIn({ url: broker.url, type, password, reload: () => broker.signal('SIGHUP') });
  return await signedIn(type, password);
};

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orchestra-broker-'));
  broker = await startBroker({
    dataDir,
    port: await freePort(),
    durability: 'process-safe',
    env: process.env,
    say: () => undefined,
  });
  executor = await connect({
    servers: broker.url,
    inboxPrefix: '_INBOX_executor',
    authenticator: nkeyAuthenticator(new Uint8Array(await readFile(broker.seedFile('executor')))),
  });
  executor.subscribe(PLUGIN_SUBJECTS.allHellos, { callback: (_, message) => void message.respond('"yes"') });
  await executor.flush();
  mine = await letIn(MINE, await pluginPassword(dataDir, MINE, false));
}, 60_000);

afterAll(async () => {
  await Promise.all([mine?.close(), executor?.close()]);
  await broker?.stop();
  await rm(dataDir, { recursive: true, force: true });
}, 60_000);

const refusalOf = async (act: (connection: NatsConnection) => void): Promise<string | null> => {
  const refusals: string[] = [];
  const statuses = mine.status() as AsyncIterable<{ type: string; error?: Error }> & { stop(): void };
  const watching = (async () => {
    for await (const { type, error } of statuses) if (type === 'error') refusals.push(String(error));
  })();
  act(mine);
  await mine.flush();
  await new Promise((resolve) => setImmediate(resolve));
  statuses.stop();
  await watching;
  return refusals[0] ?? null;
};

describe('a worker of one step type', () => {
  it('says hello and is answered, is told what to do, and tells how that went', async () => {
    executor.subscribe(PLUGIN_SUBJECTS.allHellos, {
      callback: (_, message) => void message.respond('"yes"'),
    });
    const heard = executor.subscribe(PLUGIN_SUBJECTS.allFrom, { max: 1 });
    const told = mine.subscribe(PLUGIN_SUBJECTS.to(MINE, 'w1'), { max: 1 });
    await Promise.all([executor.flush(), mine.flush()]);
    const reply = await mine.request(PLUGIN_SUBJECTS.hello(MINE), '{}', { timeout: 5_000 });
    expect(reply.json()).toBe('yes');
    executor.publish(PLUGIN_SUBJECTS.to(MINE, 'w1'), '"run"');
    for await (const message of told) expect(message.json()).toBe('run');
    mine.publish(PLUGIN_SUBJECTS.from(MINE), '"done"');
    for await (const message of heard)
      expect([message.subject, message.json()]).toEqual([PLUGIN_SUBJECTS.from(MINE), 'done']);
  });

  it.each([
    PLUGIN_SUBJECTS.hello(OTHER),
    PLUGIN_SUBJECTS.from(OTHER),
    PLUGIN_SUBJECTS.to(MINE, 'w2'),
    SUBJECTS.task('t1', 'completed'),
    SUBJECTS.report('t1'),
    SUBJECTS.command('submit', 'c1'),
    RPC.presentLeases,
    '$JS.API.STREAM.LIST',
  ])('may not write %s', async (subject) => {
    expect(await refusalOf((connection) => connection.publish(subject, '{}'))).toMatch(
      /permissions violation/i,
    );
  });

  it.each([PLUGIN_SUBJECTS.to(OTHER, 'w1'), PLUGIN_SUBJECTS.allFrom, 'live.>', 'evt.>', '>'])(
    'may not hear %s',
    async (subject) => {
      expect(
        await refusalOf((connection) => void connection.subscribe(subject, { callback: () => undefined })),
      ).toMatch(/permissions violation/i);
    },
  );

  it('signs in with the password of its type alone, and no longer once that was renewed', async () => {
    const other = await pluginPassword(dataDir, OTHER, false);
    expect(await pluginPassword(dataDir, OTHER, false)).toBe(other);
    await (await letIn(OTHER, other)).close();
    await expect(signedIn(MINE, other)).rejects.toThrow(/authorization/i);
    const renewed = await pluginPassword(dataDir, OTHER, true);
    await (await letIn(OTHER, renewed)).close();
    await expect(signedIn(OTHER, other)).rejects.toThrow(/authorization/i);
    expect((await stat(pluginAccountsIn(dataDir))).mode & 0o777).toBe(0o600);
    await expect(pluginPassword(dataDir, 'Nobody', false)).rejects.toThrow(/'Nobody' is no step type/);
  });
});
