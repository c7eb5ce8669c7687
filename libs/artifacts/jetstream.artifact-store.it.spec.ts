import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { Objm, type ObjectStore } from '@nats-io/obj';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { collectGarbage } from '#libs/testing/collect-garbage.js';
import { provision } from '#libs/broker/provision.js';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import type { ArtifactShelf, ArtifactStore, PutResult } from './artifact-store.js';
import { jetStreamArtifactShelf } from './jetstream.artifact-shelf.js';
import { jetStreamArtifactStore } from './jetstream.artifact-store.js';
import { OBJECT_STREAM } from './object-layout.js';

const MIB = 1024 * 1024;
/** Each look collects what nobody holds, which takes its time. */
const LOOK_EVERY_BYTES = 32 * MIB;
const BUCKET_BYTES = 640 * MIB;

let server: TestServer;
let connection: NatsConnection;
let store: ArtifactStore;
let shelf: ArtifactShelf;
let objects: ObjectStore;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  await provision(connection, { artifactsMaxBytes: BUCKET_BYTES });
  store = jetStreamArtifactStore(connection);
  shelf = jetStreamArtifactShelf(connection);
  objects = await new Objm(connection).open('artifacts');
});

afterAll(async () => {
  await connection.close();
  await server.remove();
});

/** Bytes that no two places have alike, in pieces of odd sizes. */
async function* bytesOf(sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < sizeBytes;) {
    const piece = Buffer.alloc(Math.min(70_001, sizeBytes - at));
    for (let n = 0; n + 4 <= piece.length; n += 4) piece.writeUInt32LE(at + n, n);
    yield piece;
    at += piece.length;
  }
}

const digestOf = async (content: AsyncIterable<Uint8Array>): Promise<PutResult> => {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const piece of content) {
    hash.update(piece);
    sizeBytes += piece.length;
  }
  return { sizeBytes, digest: `sha256:${hash.digest('hex')}` };
};

/** What is asked while the client is away would be lost. */
const reconnected = async (): Promise<void> => {
  const answer = await connection.rtt().catch(() => null);
  if (answer === null) await reconnected();
};

const limits = { maxBytes: 1024 * MIB };

describe('artifacts in the broker', () => {
  it.each([0, 1, 512 * 1024, 512 * 1024 + 1, 5 * MIB])('gives %d bytes back as they were', async (size) => {
    const put = await store.put(`t-1/size-${size}`, bytesOf(size), limits);
    expect(put).toEqual(await digestOf(bytesOf(size)));
    expect(await digestOf(store.get(`t-1/size-${size}`, put))).toEqual(put);
  });

  it('can be read by every tool that reads object stores', async () => {
    const put = await store.put('t-1/report.json', bytesOf(2 * MIB), limits);
    const info = await objects.info('t-1/report.json');
    expect(info?.size).toBe(2 * MIB);
    const blob = await objects.getBlob('t-1/report.json');
    expect(
      await digestOf(
        (async function* () {
          yield blob ?? Buffer.alloc(0);
        })(),
      ),
    ).toEqual(put);
  });

  it('does not pass bytes for whole that are others', async () => {
    const put = await store.put('t-1/damaged', bytesOf(2 * MIB), limits);
    await objects.putBlob({ name: 't-1/damaged' }, new Uint8Array(2 * MIB));
    await expect(digestOf(store.get('t-1/damaged', put))).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    await objects.putBlob({ name: 't-1/damaged' }, new Uint8Array(3 * MIB));
    let given = 0;
    const reading = async (): Promise<void> => {
      for await (const piece of store.get('t-1/damaged', put)) given += piece.length;
    };
    await expect(reading()).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
    expect(given).toBeLessThan(put.sizeBytes);
  });

  it('notices a chunk that is missing', async () => {
    const put = await store.put('t-1/holed', bytesOf(2 * MIB), limits);
    const manager = await jetstreamManager(connection);
    const info = await objects.info('t-1/holed');
    const chunk = await manager.streams.getMessage(OBJECT_STREAM, {
      last_by_subj: `$O.artifacts.C.${info?.nuid ?? ''}`,
    });
    await manager.streams.deleteMessage(OBJECT_STREAM, chunk?.seq ?? 0);
    await expect(digestOf(store.get('t-1/holed', put))).rejects.toMatchObject({ code: 'ARTIFACT_DAMAGED' });
  });

  it('refuses what is longer than accepted, and leaves nothing to read of it', async () => {
    await expect(store.put('t-1/long', bytesOf(3 * MIB), { maxBytes: 2 * MIB })).rejects.toMatchObject({
      code: 'ARTIFACT_TOO_LARGE',
      details: { maxBytes: 2 * MIB },
    });
    expect(await objects.info('t-1/long')).toBeNull();
  });

  it('says that an object is gone', async () => {
    const put = await store.put('t-1/gone', bytesOf(MIB), limits);
    await shelf.remove('t-1/gone');
    await shelf.remove('t-1/gone');
    await expect(digestOf(store.get('t-1/gone', put))).rejects.toMatchObject({ code: 'ARTIFACT_GONE' });
    const names: string[] = [];
    for await (const { object } of shelf.objects()) names.push(object);
    expect(names).not.toContain('t-1/gone');
    expect(names).toContain('t-1/report.json');
  });

  it('knows what a writer that died has left, and takes only that away', async () => {
    for (const { pieces } of await shelf.leftovers()) await shelf.removeLeftover(pieces);
    const dying = async function* (): AsyncGenerator<Uint8Array> {
      yield* bytesOf(2 * MIB);
      throw new Error('the writer died');
    };
    const before = (await shelf.usage()).usedBytes;
    await expect(store.put('t-1/died', dying(), limits)).rejects.toThrow('the writer died');
    const [left, ...more] = await shelf.leftovers();
    expect(more).toEqual([]);
    expect(Date.now() - (left?.lastWrittenMs ?? 0)).toBeLessThan(60_000);
    await shelf.removeLeftover(left?.pieces ?? '');
    expect(await shelf.leftovers()).toEqual([]);
    expect((await shelf.usage()).usedBytes).toBe(before);
  });

  it('goes on where the broker is killed and comes back, writing and reading', async () => {
    const put = await store.put('t-1/survivor', killing(bytesOf(8 * MIB), 4 * MIB), limits);
    expect(put).toEqual(await digestOf(bytesOf(8 * MIB)));
    expect(await digestOf(killing(store.get('t-1/survivor', put), 2 * MIB))).toEqual(put);
    await reconnected();
  });

  it('refuses to write when the bucket is full, and takes more when something is removed', async () => {
    const sizes = await shelf.usage();
    expect(sizes.maxBytes).toBe(BUCKET_BYTES);
    await provision(connection, { artifactsMaxBytes: sizes.usedBytes + 2 * MIB });
    await expect(store.put('t-1/too-much', bytesOf(4 * MIB), limits)).rejects.toMatchObject({
      code: 'ARTIFACT_STORE_FULL',
    });
    await provision(connection, { artifactsMaxBytes: BUCKET_BYTES });
    await store.put('t-1/fits', bytesOf(4 * MIB), limits);
  });

  it('holds no more than some chunks in memory, whatever the size and whoever is slow', async () => {
    const size = 300 * MIB;
    const piece = Buffer.alloc(64 * 1024, 7);
    const large = async function* (): AsyncGenerator<Uint8Array> {
      for (let at = 0; at < size; at += piece.length) yield piece;
    };
    collectGarbage();
    const before = process.memoryUsage().arrayBuffers;
    let [most, seen] = [0, 0];
    const watched = async function* (content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      for await (const one of content) {
        if (Math.floor(seen / LOOK_EVERY_BYTES) < Math.floor((seen + one.length) / LOOK_EVERY_BYTES)) {
          collectGarbage();
          most = Math.max(most, process.memoryUsage().arrayBuffers - before);
        }
        seen += one.length;
        yield one;
      }
    };
    const put = await store.put('t-1/large', watched(large()), limits);
    expect(put.sizeBytes).toBe(size);
    expect(await digestOf(watched(store.get('t-1/large', put)))).toEqual(put);
    expect(most).toBeLessThan(32 * MIB);
    await shelf.remove('t-1/large');
  });
});

/** Hands bytes on, and kills the broker behind so many of them. */
async function* killing(content: AsyncIterable<Uint8Array>, afterBytes: number): AsyncGenerator<Uint8Array> {
  let given = 0;
  for await (const piece of content) {
    if (given <= afterBytes && given + piece.length > afterBytes) {
      await server.kill();
      await server.start();
    }
    given += piece.length;
    yield piece;
  }
}
