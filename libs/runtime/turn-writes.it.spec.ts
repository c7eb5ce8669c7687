import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Socket } from 'node:net';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { writeOncePerTurn } from './turn-writes.js';

let server: TestServer;
let connection: NatsConnection;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  writeOncePerTurn(connection);
});
afterAll(async () => {
  await connection.close();
  await server.remove();
});

/** How often `work` and what follows in the same turn write to the server's socket. */
const writesOf = async (work: () => Promise<void>): Promise<number> => {
  const { write } = Socket.prototype;
  let writes = 0;
  Socket.prototype.write = function counted(this: Socket, ...args: Parameters<Socket['write']>) {
    if (this.remotePort === server.port) writes += 1;
    return write.apply(this, args);
  } as Socket['write'];
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
    return writes;
  } finally {
    Socket.prototype.write = write;
  }
};

const publishBetweenAwaits = async (count: number, payload = ''): Promise<void> => {
  for (let n = 0; n < count; n += 1) {
    connection.publish(`turn.${n}`, payload);
    await Promise.resolve();
  }
};

describe('writing once per turn', () => {
  it('sends what was published between awaits in one write, all of it and in order', async () => {
    const heard: string[] = [];
    const { promise: all, resolve } = Promise.withResolvers<void>();
    const subscription = connection.subscribe('turn.*', {
      callback: (_, { subject }) => {
        heard.push(subject);
        if (heard.length === 50) resolve();
      },
    });
    await connection.flush();
    expect(await writesOf(() => publishBetweenAwaits(50))).toBe(1);
    await all;
    expect(heard).toEqual(Array.from({ length: 50 }, (_, n) => `turn.${n}`));
    subscription.unsubscribe();
  });

  it('does not hold a long burst in memory until the turn ends', async () =>
    expect(await writesOf(() => publishBetweenAwaits(40, 'x'.repeat(64 * 1024)))).toBeGreaterThan(5));

  it('keeps what was published before a flush ahead of it', async () => {
    connection.publish('turn.flush', 'x');
    await connection.flush();
    expect(connection.stats().outMsgs).toBeGreaterThan(0);
  });

  it('writes on after a reconnection', async () => {
    const back = (async () => {
      for await (const { type } of connection.status()) if (type === 'reconnect') return;
    })();
    await server.kill();
    connection.publish('turn.lost-or-kept', 'x');
    await server.start();
    await back;
    const answered = connection.subscribe('turn.after', { max: 1 });
    connection.publish('turn.after', 'x');
    let seen = 0;
    for await (const _ of answered) seen += 1;
    expect(seen).toBe(1);
  });
});
