import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { provision } from '#libs/broker/provision.js';
import type { QueryReply, QueryRequest, RebuildReply } from '#libs/contracts/queries.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { RPC } from '#libs/contracts/subjects.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { Health } from '#libs/runtime/health.js';
import { rpcRequest } from '#libs/runtime/rpc-client.js';
import type { RunningService } from '#libs/runtime/run-service.js';
import { loadSettings } from '#libs/runtime/settings.js';
import { submitted } from '#libs/testing/builders.js';
import { FactLog } from '#libs/testing/fact-log.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { taskStories } from '#libs/testing/task-stories.js';
import { eventually, SILENT } from './read-model.harness.conformance.js';
import { RESULTS_SETTINGS } from './results.config.js';
import { startResults } from './start-results.js';

/** The service as it runs, on a real broker and a real file. */
describe('the results service', () => {
  let broker: TestServer;
  let connection: NatsConnection;
  let folder: string;
  let tasks: FactLog;
  let leases: FactLog;
  let health: Health;
  let service: RunningService;

  beforeAll(async () => {
    broker = await startNatsServer();
    connection = await connect({ servers: broker.url, maxReconnectAttempts: -1, reconnectTimeWait: 100 });
    await provision(connection);
    folder = await mkdtemp(join(tmpdir(), 'orchestra-results-'));
    tasks = await FactLog.start(jetStreamEventLog(connection, STREAMS.tasks));
    leases = await FactLog.start(jetStreamEventLog(connection, STREAMS.leases));
    await start();
  }, 120_000);
  afterAll(async () => {
    await service.stop();
    await connection.close();
    await broker.remove();
    await rm(folder, { recursive: true });
  });

  const start = async (): Promise<void> => {
    health = new Health('results', 'spec', '0.0.0');
    const config = loadSettings(RESULTS_SETTINGS, { ORCHESTRA_DATA_DIR: folder });
    const fail = (error: unknown): void => {
      throw error;
    };
    const context = {
      service: 'results',
      instance: 'spec',
      logger: SILENT,
      connection,
      health,
      fail,
    } as const;
    service = await startResults(context, config);
  };
  const ask = (request: QueryRequest): Promise<QueryReply> =>
    rpcRequest(connection, RPC.query, request, 5_000);
  const rebuild = (follow: boolean): Promise<RebuildReply> =>
    rpcRequest(connection, RPC.rebuildResults, { follow }, 5_000);

  it('answers over the broker what the streams tell', async () => {
    const story = taskStories(100);
    const atLeastSeq = await tasks.append(...story.tasks);
    await leases.append(...story.leases);
    expect(await ask({ kind: 'status-counts', filter: {}, atLeastSeq })).toMatchObject({
      ok: true,
      value: { total: 100 },
    });
    await eventually('ready', () => health.report().ready);
    expect(health.report().progress).toMatchObject({ seq: atLeastSeq, lag: 0 });
  });

  it('refuses what it does not understand, and stays', async () => {
    for (const request of [
      null,
      [],
      'tasks',
      7,
      { kind: 'tasks' },
      { kind: 'tasks', page: { size: 1, after: '?' } },
    ]) {
      expect(await ask(request as unknown as QueryRequest)).toMatchObject({ ok: false });
    }
  });

  it('rebuilds when asked to, and says how that went', async () => {
    expect(await rebuild(false)).toMatchObject({ rebuild: { state: 'running', reason: 'asked for' } });
    await eventually('rebuilt', async () => (await rebuild(true)).rebuild?.state === 'finished');
    expect(await ask({ kind: 'status-counts', filter: {} })).toMatchObject({
      ok: true,
      value: { total: 100 },
    });
  });

  it('goes on where it stopped, and from nothing when its file is gone', async () => {
    const before = await ask({ kind: 'tasks', filter: {}, page: { size: 50 } });
    await service.stop();
    await start();
    await eventually('ready', () => health.report().ready);
    expect(await ask({ kind: 'tasks', filter: {}, page: { size: 50 } })).toEqual(before);
    await service.stop();
    await rm(join(folder, 'results.sqlite'));
    await start();
    await eventually('ready', () => health.report().ready);
    expect(await ask({ kind: 'tasks', filter: {}, page: { size: 50 } })).toEqual(before);
  });

  it('notices that a stream was deleted and made anew, and builds everything anew', async () => {
    const manager = await jetstreamManager(connection);
    await manager.streams.delete(STREAMS.tasks.name);
    await provision(connection);
    tasks = await FactLog.start(jetStreamEventLog(connection, STREAMS.tasks), 'log-2');
    const atLeastSeq = await tasks.append(submitted({ taskId: 'first-of-another-life' }));
    await eventually(
      'rebuilt',
      async () => (await rebuild(true)).rebuild?.reason.includes('it lost events') ?? false,
    );
    await eventually(
      'included',
      async () => (await ask({ kind: 'status-counts', filter: {}, atLeastSeq })).ok,
    );
    expect(await ask({ kind: 'status-counts', filter: {} })).toMatchObject({ ok: true, value: { total: 1 } });
    await eventually('ready', () => health.report().ready);
  }, 30_000);

  it('follows on when the broker was killed', async () => {
    await broker.kill();
    await broker.start();
    await eventually('connected', () =>
      connection.rtt().then(
        () => true,
        () => false,
      ),
    );
    const atLeastSeq = await tasks.append(submitted({ taskId: 'after-the-crash' }));
    await eventually(
      'included',
      async () => (await ask({ kind: 'task', taskId: 'after-the-crash', atLeastSeq })).ok,
    );
  }, 30_000);
});
