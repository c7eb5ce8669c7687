import { mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, nkeyAuthenticator, type NatsConnection } from '@nats-io/transport-node';
import { jetStreamArtifactShelf } from '#libs/artifacts/jetstream.artifact-shelf.js';
import { jetStreamArtifactStore } from '#libs/artifacts/jetstream.artifact-store.js';
import { BUCKETS, DISPATCH_CONSUMER, STREAMS } from '#libs/contracts/streams.js';
import { RPC, SUBJECTS } from '#libs/contracts/subjects.js';
import { collect, fact } from '#libs/event-log/event-log.conformance.js';
import { START } from '#libs/event-log/event-log.js';
import { jetStreamCandidacy } from '#libs/event-log/jetstream.candidacy.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { jetStreamInbox } from '#libs/event-log/jetstream.inbox.js';
import { jetStreamRecordStore } from '#libs/event-log/jetstream.record-store.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import { jetStreamWorkFeed } from '#libs/event-log/jetstream.work-feed.js';
import { freePort } from '#libs/testing/nats-server.js';
import { startBroker, type Broker } from './broker.js';
import { BROKER_USERS, type BrokerUser } from './permissions.js';
import { provision } from './provision.js';

let broker: Broker;
let dataDir: string;
const connections = {} as Record<BrokerUser, NatsConnection>;

beforeAll(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'orchestra-broker-'));
  const port = await freePort();
  broker = await startBroker({
    dataDir,
    port,
    durability: 'process-safe',
    env: process.env,
    say: () => undefined,
  });
  for (const user of BROKER_USERS) {
    const seed = await readFile(broker.seedFile(user));
    connections[user] = await connect({
      servers: broker.url,
      inboxPrefix: `_INBOX_${user}`,
      authenticator: nkeyAuthenticator(new Uint8Array(seed)),
    });
  }
}, 60_000);

afterAll(async () => {
  await Promise.all(Object.values(connections).map((connection) => connection.close()));
  await broker.stop();
  await rm(dataDir, { recursive: true, force: true });
});

/** Resolves with the first refusal that the broker reports on this connection, or null after the broker has seen everything. */
const refusalOf = async (
  user: BrokerUser,
  act: (connection: NatsConnection) => void,
): Promise<string | null> => {
  const connection = connections[user];
  const refusals: string[] = [];
  const statuses = connection.status() as AsyncIterable<{ type: string; error?: Error }> & { stop(): void };
  const watching = (async () => {
    for await (const { type, error } of statuses) if (type === 'error') refusals.push(String(error));
  })();
  act(connection);
  // The broker answers in order, so whatever it refused was said before this comes back.
  await connection.flush();
  await new Promise((resolve) => setImmediate(resolve));
  statuses.stop();
  await watching;
  return refusals[0] ?? null;
};

async function* pieces(): AsyncGenerator<Uint8Array> {
  yield new TextEncoder().encode('bytes');
}

const publishing = (user: BrokerUser, subject: string): Promise<string | null> =>
  refusalOf(user, (connection) => connection.publish(subject, '{}'));

const subscribing = (user: BrokerUser, subject: string): Promise<string | null> =>
  refusalOf(user, (connection) => {
    const subscription = connection.subscribe(subject, { callback: () => undefined });
    setImmediate(() => subscription.unsubscribe());
  });

/** Subjects that only the named users may write. Stored ones are checked without storing anything: see below. */
const WRITERS: readonly (readonly [subject: string, ...users: BrokerUser[]])[] = [
  [SUBJECTS.task('t1', 'submitted'), 'scheduler'],
  [SUBJECTS.scheduler('leader-elected'), 'scheduler'],
  [SUBJECTS.lease('s1', 'granted'), 'gpu-allocator'],
  [SUBJECTS.server('s1', 'configured'), 'gpu-allocator'],
  [SUBJECTS.allocator('leader-elected'), 'gpu-allocator'],
  [SUBJECTS.command('submit', 'c1'), 'gateway'],
  [SUBJECTS.command('remove-artifacts', 'c1'), 'gateway', 'results'],
  [SUBJECTS.report('t1'), 'executor'],
  [SUBJECTS.live('t1'), 'executor'],
  [SUBJECTS.answers('g1'), 'scheduler'],
  [RPC.grantLeases, 'gateway', 'scheduler'],
  [RPC.presentLeases, 'gateway', 'scheduler', 'executor'],
  [RPC.query, 'gateway'],
  [RPC.notify, 'gateway', 'executor'],
  [RPC.resendDelivery, 'gateway'],
  [`${SUBJECTS.notifications}.delivery.d1`, 'results'],
  [`$JS.API.STREAM.PURGE.${STREAMS.notifications.name}`, 'results', 'admin'],
  [`$JS.API.STREAM.MSG.GET.${STREAMS.notifications.name}`, 'results', 'admin'],
  [`$KV.${BUCKETS.leaders.name}.notifier`, 'scheduler', 'gpu-allocator', 'results', 'admin'],
  ['$O.artifacts.C.x', 'gateway', 'executor', 'admin'],
  ['$O.artifacts.M.x', 'gateway', 'executor', 'admin'],
  ['$JS.API.STREAM.PURGE.OBJ_artifacts', 'results', 'admin'],
  ['$JS.API.STREAM.MSG.GET.OBJ_artifacts', 'gateway', 'executor', 'results', 'admin'],
  ['$JS.API.STREAM.MSG.DELETE.OBJ_artifacts', 'admin'],
  [RPC.health('results'), 'gateway'],
  [`$KV.${BUCKETS.leaders.name}.scheduler`, 'scheduler', 'gpu-allocator', 'admin'],
  ['$JS.API.STREAM.CREATE.MINE', 'admin'],
  [`$JS.API.STREAM.DELETE.${STREAMS.tasks.name}`, 'admin'],
  [`$JS.API.STREAM.PURGE.${STREAMS.tasks.name}`, 'admin'],
  [`$JS.API.STREAM.UPDATE.${STREAMS.tasks.name}`, 'admin'],
  [`$JS.API.STREAM.MSG.DELETE.${STREAMS.tasks.name}`, 'admin'],
  [RPC.stateDigest, 'gateway', 'observer'],
  [`$JS.API.CONSUMER.CREATE.${STREAMS.commands.name}.x`, 'scheduler', 'observer', 'admin'],
  [`$JS.API.STREAM.MSG.GET.${STREAMS.reports.name}`, 'scheduler', 'admin'],
  ['pub.evt.task.t1.completed'],
  [
    `$JS.API.CONSUMER.CREATE.${STREAMS.tasks.name}.x`,
    ...BROKER_USERS.filter((user) => user !== 'subscriber'),
  ],
  ['$SYS.REQ.SERVER.PING'],
  ['anything.else'],
];

describe('who may write what', () => {
  const cases = WRITERS.flatMap(([subject, ...writers]) =>
    BROKER_USERS.map((user) => ({ subject, user, may: writers.includes(user) })),
  );
  // Where it may, the effect is shown by use in the tests below; here nothing is to be stored or changed.
  it.each(cases.filter(({ may }) => !may))('$user may not publish $subject', async ({ user, subject }) => {
    expect(await publishing(user, subject)).toMatch(/permissions violation/i);
  });

  it.each(cases.filter(({ may, subject }) => may && /^(rpc|live|rpl)\./.test(subject)))(
    '$user may publish $subject',
    async ({ user, subject }) => {
      expect(await publishing(user, subject)).toBeNull();
    },
  );
});

describe('who may hear what', () => {
  it.each(BROKER_USERS)("%s hears its own inbox and nobody else's", async (user) => {
    expect(await subscribing(user, `_INBOX_${user}.x.*`)).toBeNull();
    for (const other of BROKER_USERS.filter((name) => name !== user))
      expect(await subscribing(user, `_INBOX_${other}.>`)).toMatch(/permissions violation/i);
    expect(await subscribing(user, '>')).toMatch(/permissions violation/i);
    expect(await subscribing(user, '_INBOX.>')).toMatch(/permissions violation/i);
  });

  it('serves requests only where they belong', async () => {
    expect(await subscribing('results', RPC.query)).toBeNull();
    expect(await subscribing('executor', RPC.query)).toMatch(/permissions violation/i);
    expect(await subscribing('executor', RPC.grantLeases)).toMatch(/permissions violation/i);
    expect(await subscribing('results', SUBJECTS.command('submit', '*'))).toMatch(/permissions violation/i);
  });
});

describe('what each service does, with what it may', () => {
  const log = (user: BrokerUser, { name }: { readonly name: string }) =>
    jetStreamEventLog(connections[user], { name });

  it('scheduler and allocator lead and write, the others read, executors take work', async () => {
    const candidacy = jetStreamCandidacy(connections.scheduler, {
      bucket: BUCKETS.leaders.name,
      key: 'scheduler',
      node: 'n1',
      ttlMs: BUCKETS.leaders.ttlMs,
      random: Math.random,
    });
    const held = await candidacy.acquire(AbortSignal.timeout(5_000));
    const tasks = await log('scheduler', STREAMS.tasks).openWriter(
      START,
      fact({}, { subject: SUBJECTS.scheduler('log-started') }),
    );
    const dispatched = fact({ attempt: 1 }, { subject: SUBJECTS.task('t1', 'dispatched') });
    await tasks.append([dispatched]).acknowledged();
    const leases = await log('gpu-allocator', STREAMS.leases).openWriter(
      START,
      fact({}, { subject: SUBJECTS.allocator('log-started') }),
    );
    await leases.append([fact({}, { subject: SUBJECTS.lease('s1', 'granted') })]).acknowledged();
    for (const user of ['gateway', 'scheduler', 'gpu-allocator', 'results', 'executor', 'observer'] as const)
      expect(await collect(log(user, STREAMS.tasks).replay(START))).toHaveLength(2);
    for (const user of ['gateway', 'scheduler', 'gpu-allocator', 'results', 'observer'] as const)
      expect(await collect(log(user, STREAMS.leases).replay(START))).toHaveLength(2);
    const feed = jetStreamWorkFeed(connections.executor, DISPATCH_CONSUMER);
    for await (const { data } of feed.take(AbortSignal.timeout(5_000))) {
      expect(data).toEqual({ attempt: 1 });
      break;
    }
    await held.release();
    await Promise.all([tasks.close(), leases.close()]);
  });

  it('the gateway sends commands and executors reports, and the scheduler reads both, the operator the former', async () => {
    await jetStreamInbox(connections.gateway, STREAMS.commands).put({
      id: 'c1',
      subject: SUBJECTS.command('submit', 'c1'),
      data: 1,
    });
    await jetStreamInbox(connections.executor, STREAMS.reports).put({
      id: 'r1',
      subject: SUBJECTS.report('t1'),
      data: 2,
    });
    for (const [stream, data, reader] of [
      [STREAMS.commands, 1, 'scheduler'],
      [STREAMS.commands, 1, 'observer'],
      [STREAMS.reports, 2, 'scheduler'],
    ] as const) {
      const stop = new AbortController();
      for await (const message of jetStreamInbox(connections[reader], stream).follow(0, stop)) {
        expect(message.data).toBe(data);
        stop.abort();
      }
    }
  });

  it('results leads as notifier, and keeps and removes its records', async () => {
    const held = await jetStreamCandidacy(connections.results, {
      bucket: BUCKETS.leaders.name,
      key: 'notifier',
      node: 'n1',
      ttlMs: BUCKETS.leaders.ttlMs,
      random: Math.random,
    }).acquire(AbortSignal.timeout(5_000));
    const store = jetStreamRecordStore(
      connections.results,
      STREAMS.notifications.name,
      SUBJECTS.notifications,
    );
    await store.put('position', { seq: 1 }, 0);
    expect(await store.get('position')).toMatchObject({ value: { seq: 1 } });
    await store.remove('position');
    expect(await collect(store.all())).toEqual([]);
    await held.release();
  });

  it.each(['scheduler', 'gpu-allocator'] as const)(
    '%s puts snapshots aside and takes them up',
    async (user) => {
      const store = jetStreamSnapshotStore(connections[user], {
        bucket: BUCKETS.snapshots.name,
        log: user,
        inboxPrefix: `_INBOX_${user}`,
      });
      const state = new Uint8Array(500_000).fill(7);
      for (const seq of [1, 2, 3, 4])
        await store.save({ position: { seq, hash: 'a'.repeat(64) }, foldVersion: 'v1', state });
      const found = await store.load('v1');
      expect(found?.position.seq).toBe(4);
      expect(found?.state.length).toBe(500_000);
    },
  );

  it('executors and gateways store artifacts and read them, and results takes them away', async () => {
    for (const user of ['executor', 'gateway'] as const) {
      const store = jetStreamArtifactStore(connections[user]);
      const put = await store.put(`t-1/${user}`, pieces(), { maxBytes: 10 });
      for await (const piece of jetStreamArtifactStore(connections.gateway).get(`t-1/${user}`, put))
        expect(new TextDecoder().decode(piece)).toBe('bytes');
    }
    const shelf = jetStreamArtifactShelf(connections.results);
    expect((await shelf.usage()).usedBytes).toBeGreaterThan(0);
    const names = (await collect(shelf.objects())).map(({ object }) => object);
    expect(names).toEqual(['t-1/executor', 't-1/gateway']);
    for (const name of names) await shelf.remove(name);
    expect(await shelf.leftovers()).toEqual([]);
    expect((await shelf.usage()).usedBytes).toBe(0);
  });

  it('the gateway and the operator ask, the others answer', async () => {
    for (const [user, subject, asker] of [
      ['results', RPC.query, 'gateway'],
      ['gpu-allocator', RPC.listServers, 'gateway'],
      ['scheduler', RPC.stateDigest, 'gateway'],
      ['scheduler', RPC.stateDigest, 'observer'],
      ['executor', RPC.health('executor'), 'gateway'],
    ] as const) {
      const serving = connections[user].subscribe(subject, {
        callback: (_, message) => void message.respond('"here"'),
      });
      await connections[user].flush();
      const reply = await connections[asker].request(subject, '{}', { timeout: 2_000 });
      expect(reply.json()).toBe('here');
      serving.unsubscribe();
    }
  });
});

describe('what would get round the single writer', () => {
  it('a subscriber hears facts as they come, and reads stored ones', async () => {
    const subscriber = connections.subscriber;
    const tokens = subscriber.subscribe('live.>', { max: 1 });
    const heard = subscriber.subscribe('pub.evt.task.>', { max: 1 });
    await subscriber.flush();
    connections.executor.publish(SUBJECTS.live('t1'), 'token');
    for await (const { data } of tokens) expect(new TextDecoder().decode(data)).toBe('token');
    const tasks = jetStreamEventLog(connections.scheduler, STREAMS.tasks);
    const end = (await collect(tasks.replay(START))).at(-1);
    const writer = await tasks.openWriter(
      { seq: end?.seq ?? 0, hash: end?.hash ?? '' },
      fact({}, { subject: SUBJECTS.scheduler('leader-elected') }),
    );
    await writer.append([fact({ done: true }, { subject: SUBJECTS.task('t1', 'completed') })]).acknowledged();
    for await (const message of heard) {
      expect(message.json()).toEqual({ done: true });
      expect(message.headers?.get('Nats-Sequence')).toBe(String(writer.position.seq));
    }
    await writer.close();
    const stored = await subscriber.request(
      `$JS.API.DIRECT.GET.${STREAMS.tasks.name}`,
      JSON.stringify({ seq: 1 }),
      { timeout: 2_000 },
    );
    expect(stored.headers?.get('ce-type')).toBe('task.noted');
  });

  it('a subscriber cannot have the server write for it', async () => {
    const before = (await jetStreamEventLog(connections.scheduler, STREAMS.leases).tail()).lastSeq;
    const subscriber = connections.subscriber;
    const manager = await jetstreamManager(connections.admin);
    // A push consumer delivers wherever it is told to, and a reply goes where the request says.
    subscriber.publish(
      `$JS.API.CONSUMER.CREATE.${STREAMS.tasks.name}.thief`,
      JSON.stringify({
        stream_name: STREAMS.tasks.name,
        config: {
          name: 'thief',
          deliver_subject: SUBJECTS.lease('s1', 'forged'),
          deliver_policy: 'all',
          ack_policy: 'none',
        },
      }),
      { reply: '_INBOX_subscriber.x' },
    );
    subscriber.publish(`$JS.API.DIRECT.GET.${STREAMS.tasks.name}`, JSON.stringify({ seq: 1 }), {
      reply: SUBJECTS.lease('s1', 'forged'),
    });
    await subscriber.flush();
    await manager.getAccountInfo();
    expect((await jetStreamEventLog(connections.scheduler, STREAMS.leases).tail()).lastSeq).toBe(before);
  });
});

describe('the keys', () => {
  it('are readable by their owner alone', async () => {
    for (const user of BROKER_USERS) expect((await stat(broker.seedFile(user))).mode & 0o777).toBe(0o600);
  });

  it('are needed', async () => {
    await expect(connect({ servers: broker.url, reconnect: false })).rejects.toThrow(/authorization/i);
  });
});

describe('provisioning again', () => {
  it('changes nothing', async () => {
    const manager = await jetstreamManager(connections.admin);
    const before = await manager.streams.info(STREAMS.tasks.name);
    await provision(connections.admin);
    const after = await manager.streams.info(STREAMS.tasks.name);
    expect(after.config).toEqual(before.config);
    expect(after.created).toBe(before.created);
  });

  it('refuses a stream with other settings by name, and leaves it as it is', async () => {
    const manager = await jetstreamManager(connections.admin);
    await manager.streams.update(STREAMS.commands.name, { duplicate_window: 60_000_000_000 });
    await expect(provision(connections.admin)).rejects.toThrow(
      /Stream COMMANDS exists with other settings: duplicate_window is 60000000000, expected 600000000000/,
    );
    const { config } = await manager.streams.info(STREAMS.commands.name);
    expect(config.duplicate_window).toBe(60_000_000_000);
  });
});
