import { randomBytes, randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { provision } from '#libs/broker/provision.js';
import type { DeliverySummary } from '#libs/contracts/notify-rpc.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import type { LogWriter } from '#libs/event-log/event-log.js';
import { fact } from '#libs/event-log/event-log.conformance.js';
import { START } from '#libs/event-log/event-log.js';
import { jetStreamRecordStore } from '#libs/event-log/jetstream.record-store.js';
import { MemoryOffice } from '#libs/event-log/memory.candidacy.js';
import { MemoryEventLog } from '#libs/event-log/memory.event-log.js';
import { RecordMovedError, type RecordStore } from '#libs/event-log/record-store.js';
import { createLogger } from '#libs/runtime/logger.js';
import { NotLeadingError } from '#libs/runtime/not-leading-error.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { WebhookReceiver } from '#libs/testing/webhook-receiver.js';
import { BOOK_LIMITS, DeliveryBook } from './delivery-book.js';
import { NotificationWatch } from './notification-watch.js';
import { Notifier } from './notifier.js';

const logger = createLogger({ service: 'results', instance: 'test', level: 'silent' });
const clock = { nowMs: () => Date.now() };

let server: TestServer;
let connection: NatsConnection;
let store: RecordStore;
let receiver: WebhookReceiver;
let folder: string;
let file: string;
let log: MemoryEventLog;
let writer: LogWriter;
let office: MemoryOffice;
const undo: (() => Promise<unknown>)[] = [];

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  await provision(connection);
}, 60_000);

afterAll(async () => {
  await connection.close();
  await server.remove();
});

beforeEach(async () => {
  await (await jetstreamManager(connection)).streams.purge(STREAMS.notifications.name);
  store = jetStreamRecordStore(connection, STREAMS.notifications.name, SUBJECTS.notifications);
  receiver = await WebhookReceiver.start();
  folder = await mkdtemp(join(tmpdir(), 'orchestra-notifier-'));
  file = join(folder, 'notifications.yaml');
  await writeFile(join(folder, 'secret'), `whsec_${randomBytes(24).toString('base64')}`);
  log = new MemoryEventLog('TASKS');
  writer = await log.openWriter(
    START,
    fact({}, { type: 'log.started', subject: 'evt.scheduler.log-started' }),
  );
  office = new MemoryOffice();
});

afterEach(async () => {
  for (let next = undo.pop(); next !== undefined; next = undo.pop()) await next();
  await receiver.stop();
  await rm(folder, { recursive: true, force: true });
});

const rules = async (text: string): Promise<void> =>
  await writeFile(
    file,
    `retry: { first: 20ms, longest: 50ms, for: 30s }
channels:
  ops: { type: webhook, url: '${receiver.url}', secret_file: ${join(folder, 'secret')}, allow_private: true }
rules: ${text}
`,
  );
const ALL = "[{ events: ['task.*'], channels: [ops] }]";

const started = async (
  limits = BOOK_LIMITS,
): Promise<{ readonly notifier: Notifier; readonly stop: () => Promise<void> }> => {
  const watch = new NotificationWatch(file, logger);
  const unwatch = await watch.start();
  const candidacy = office.candidacy(randomUUID());
  const notifier = new Notifier({
    log,
    store,
    candidacy,
    watch,
    clock,
    random: Math.random,
    newId: randomUUID,
    linkToAnswer: () => 'unused',
    logger,
    limits,
  });
  const stopping = new AbortController();
  const running = notifier.run(stopping.signal);
  const stop = async (): Promise<void> => {
    stopping.abort();
    await running;
    await unwatch();
  };
  undo.push(stop);
  return { notifier, stop };
};

const until = async <T>(look: () => T | undefined): Promise<T> => {
  for (;;) {
    const found = look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

const leads = async (notifier: Notifier): Promise<void> => {
  await until(() => isLeading(notifier) || undefined);
};

/** It leads, and what happens from now on is told: the first rule ever begins at the end of the log, which shows in the store. */
const reads = async (notifier: Notifier): Promise<void> => {
  await leads(notifier);
  while (((await store.get('position'))?.value ?? null) === null)
    await new Promise((resolve) => setTimeout(resolve, 10));
};

const happen = async (taskId: string, ...types: readonly string[]): Promise<void> => {
  const events = types.map((type) =>
    fact(
      { taskId, workspace: 'default', template: { name: 'noop', version: 'v' }, labels: {} },
      { type, taskId, subject: SUBJECTS.task(taskId, subjectToken(type)) },
    ),
  );
  await writer.append(events).acknowledged();
};

const isLeading = (notifier: Notifier): boolean => notifier.health().progress['notifier'] === true;

/** As the one of them that leads lists them; none while a term begins. */
const all = (...notifiers: readonly Notifier[]): readonly DeliverySummary[] => {
  const page = notifiers.find(isLeading)?.deliveries({ limit: 1_000 });
  return page?.ok ? page.items.toReversed() : [];
};
const allOver = async (
  notifier: Notifier | readonly Notifier[],
  count: number,
): Promise<readonly DeliverySummary[]> =>
  await until(() => {
    const items = all(...[notifier].flat());
    return items.length === count && items.every(({ status }) => status !== 'pending') ? items : undefined;
  });

describe('the first rule ever', () => {
  it('begins at the end of the log, and so does one that comes back after there was none', async () => {
    await rules('[]');
    await happen('before', 'task.submitted');
    const { notifier } = await started();
    await leads(notifier);
    await rules(ALL);
    await until(() => (notifier.channels().items[0]?.rules === 1 ? true : undefined));
    await reads(notifier);
    await happen('a', 'task.submitted');
    expect((await allOver(notifier, 1)).map(({ task }) => task?.id)).toEqual(['a']);
    await rules('[]');
    while ((await store.get('position'))?.value !== null)
      await new Promise((resolve) => setTimeout(resolve, 10));
    await happen('untold', 'task.submitted');
    await rules(ALL);
    await reads(notifier);
    await happen('b', 'task.submitted');
    expect((await allOver(notifier, 2)).map(({ task }) => task?.id)).toEqual(['a', 'b']);
  });
});

describe('of two notifiers', () => {
  it('one delivers; the other one is silent, and goes on where the first is no longer heard of', async () => {
    await rules(ALL);
    const [first, second] = [await started(), await started()];
    await reads(first.notifier);
    expect(() => second.notifier.channels()).toThrow(NotLeadingError);
    await happen('a', 'task.submitted', 'task.completed');
    await allOver(first.notifier, 2);
    receiver.answer = () => 500;
    await happen('b', 'task.submitted', 'task.completed');
    await until(() => (all(first.notifier).length === 4 ? true : undefined));
    // It does not hear that it is no longer the one, and goes on trying until the store tells one of them.
    office.vacate(false);
    await leads(second.notifier);
    receiver.answer = () => 204;
    const items = await allOver([first.notifier, second.notifier], 4);
    expect(items.map(({ task, cause, status }) => [task?.id, 'type' in cause && cause.type, status])).toEqual(
      [
        ['a', 'task.submitted', 'delivered'],
        ['a', 'task.completed', 'delivered'],
        ['b', 'task.submitted', 'delivered'],
        ['b', 'task.completed', 'delivered'],
      ],
    );
    const ids = receiver.taken.map(({ headers }) => String(headers['webhook-id']));
    expect([...new Set(ids)]).toEqual(items.map(({ id }) => id));
  });

  it('the one whose book was taken over finds out at its next write', async () => {
    const message = { type: 'test', at: '', title: 't', text: '', link: null, data: {} };
    const what = { id: 'msg-1', channel: 'ops', cause: { kind: 'test' } as const, task: null, message };
    const [first, second] = [await DeliveryBook.open(store, clock), await DeliveryBook.open(store, clock)];
    await second.make(what);
    await expect(first.make({ ...what, message: { ...message, title: 'other' } })).rejects.toThrow(
      RecordMovedError,
    );
    await second.moveTo({ seq: 5, hash: 'a' });
    await expect(first.moveTo({ seq: 4, hash: 'b' })).rejects.toThrow(RecordMovedError);
  });
});

describe('what is kept', () => {
  const LIMITS = { ...BOOK_LIMITS, overKeptMax: 3, waitingMax: 2 };

  it('of messages that are over are the newest, in the store too', async () => {
    await rules(ALL);
    const { notifier } = await started(LIMITS);
    await reads(notifier);
    for (const task of ['a', 'b', 'c', 'd', 'e']) {
      await happen(task, 'task.submitted');
      await until(() =>
        receiver.taken.some(({ body }) => body.includes(`"id":"${task}"`)) ? true : undefined,
      );
    }
    await until(() =>
      all(notifier)
        .map(({ task }) => task?.id)
        .join('') === 'cde'
        ? true
        : undefined,
    );
    const again = await DeliveryBook.open(store, clock);
    expect([...again.newestFirst()].map(({ task, status }) => [task?.id, status])).toEqual([
      ['e', 'delivered'],
      ['d', 'delivered'],
      ['c', 'delivered'],
    ]);
  });

  it('of messages that wait is a bound; what is beyond it is failed, listed, and can be sent again', async () => {
    await rules(ALL);
    receiver.answer = () => 500;
    const { notifier } = await started(LIMITS);
    await reads(notifier);
    await happen('a', 'task.submitted', 'task.moved', 'task.completed');
    await until(() => (all(notifier).length === 3 ? true : undefined));
    const [, , third] = all(notifier);
    expect(third).toMatchObject({ status: 'failed', attempts: 0 });
    expect(third?.lastTry?.error).toBe("2 messages wait for the channel 'ops' already");
    receiver.answer = () => 204;
    await until(() =>
      all(notifier).filter(({ status }) => status === 'delivered').length === 2 ? true : undefined,
    );
    await notifier.resend(third?.id ?? '');
    expect((await allOver(notifier, 3)).map(({ status }) => status)).toEqual(Array(3).fill('delivered'));
  });
});

describe('a broker that dies', () => {
  it('is waited for, and nothing is lost', async () => {
    await rules(ALL);
    receiver.answer = () => 500;
    const { notifier } = await started();
    await reads(notifier);
    await happen('a', 'task.submitted', 'task.completed');
    await until(() => (all(notifier).length === 2 ? true : undefined));
    await server.kill();
    receiver.answer = () => 204;
    await server.start();
    const items = await allOver(notifier, 2);
    expect(items.map(({ status }) => status)).toEqual(['delivered', 'delivered']);
    const ids = receiver.taken.map(({ headers }) => String(headers['webhook-id']));
    expect([...new Set(ids)]).toEqual(items.map(({ id }) => id));
  });
});
