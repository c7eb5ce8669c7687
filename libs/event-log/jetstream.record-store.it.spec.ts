import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { provision } from '#libs/broker/provision.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { collect } from './event-log.conformance.js';
import { EventTooLargeError } from './event-log.js';
import { jetStreamRecordStore } from './jetstream.record-store.js';
import { RecordMovedError, type RecordStore } from './record-store.js';

let server: TestServer;
let connection: NatsConnection;
let store: RecordStore;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  await provision(connection);
  store = jetStreamRecordStore(connection, STREAMS.notifications.name, SUBJECTS.notifications);
}, 60_000);

afterAll(async () => {
  await connection.close();
  await server.remove();
});

describe('records', () => {
  it('are kept by key, the last value of each', async () => {
    expect(await collect(store.all())).toEqual([]);
    expect(await store.get('a')).toBeNull();
    const first = await store.put('a', { n: 1 }, 0);
    const second = await store.put('a', { n: 2 }, first);
    await store.put('b.c', { n: 3 }, 0);
    expect(await store.get('a')).toEqual({ key: 'a', value: { n: 2 }, revision: second });
    expect(await collect(store.all())).toEqual([
      { key: 'a', value: { n: 2 }, revision: second },
      { key: 'b.c', value: { n: 3 }, revision: second + 1 },
    ]);
  });

  it('are written by one of two writers, and the other one finds out', async () => {
    const revision = await store.put('shared', { by: 'one' }, 0);
    await expect(store.put('shared', { by: 'two' }, 0)).rejects.toThrow(RecordMovedError);
    await store.put('shared', { by: 'one', again: true }, revision);
    await expect(store.put('shared', { by: 'two' }, revision)).rejects.toThrow(/another writer/);
  });

  it('written twice because an answer got lost are stored once', async () => {
    const revision = await store.put('lost', { n: 1 }, 0);
    expect(await store.put('lost', { n: 1 }, 0)).toBe(revision);
  });

  it('are gone when they were removed, and may come again', async () => {
    await store.put('gone', 1, 0);
    await store.remove('gone');
    expect(await store.get('gone')).toBeNull();
    await store.put('gone', 2, 0);
    expect(await store.get('gone')).toMatchObject({ value: 2 });
  });

  it('are all read, also those that are written while they are read', async () => {
    // More than are fetched ahead, so that the late one is still at the server when it is written again, behind all others.
    const [count, late] = [5_000, 4_000];
    const keys = Array.from({ length: count }, (_, n) => `many.${n}`);
    const revisions = await Promise.all(keys.map(async (key) => await store.put(key, 'old', 0)));
    const read = new Map<string, unknown>();
    let written: number | undefined;
    for await (const { key, value } of store.all()) {
      written ??= await store.put(`many.${late}`, 'new', revisions[late] ?? 0);
      read.set(key, value);
    }
    expect(keys.filter((key) => !read.has(key))).toEqual([]);
    expect(read.get(`many.${late}`)).toBe('new');
  });

  it('of more than a message holds are refused', async () => {
    await expect(store.put('large', 'x'.repeat(1_000_000), 0)).rejects.toThrow(EventTooLargeError);
  });

  it('outlive a killed broker', async () => {
    await server.kill();
    await server.start();
    const again = await connect({ servers: server.url });
    const reopened = jetStreamRecordStore(again, STREAMS.notifications.name, SUBJECTS.notifications);
    const found = await reopened.get('shared');
    await again.close();
    expect(found).toMatchObject({ value: { by: 'one', again: true } });
  });
});
