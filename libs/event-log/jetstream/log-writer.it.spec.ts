import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { collect, fact, facts } from '../event-log.conformance.js';
import { START, type EventLog, type LogWriter } from '../event-log.js';
import { jetStreamEventLog } from '../jetstream.event-log.js';

let server: TestServer;
let connection: NatsConnection;
let log: EventLog;
let writer: LogWriter;

beforeAll(async () => {
  server = await startNatsServer();
  connection = await connect({ servers: server.url });
  await (await jetstreamManager(connection)).streams.add({ name: 'LOG', subjects: ['evt.task.>'] });
  // No look at the log but the one that somebody waits for: on a busy machine others would add to what is counted.
  log = jetStreamEventLog(connection, { name: 'LOG' }, { lookAfterMs: 60_000 });
  writer = await log.openWriter(START, fact());
});
afterAll(async () => {
  await writer.close();
  await connection.close();
  await server.remove();
});

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Messages that the broker sends here while this is done. */
const heardDuring = async (work: () => Promise<void>): Promise<number> => {
  await connection.flush();
  const before = connection.stats().inMsgs;
  await work();
  await connection.flush();
  return connection.stats().inMsgs - before;
};

describe('the answers that a writer asks for', () => {
  it('are one for all that is handed in together', async () =>
    expect(
      await heardDuring(async () => {
        await Promise.all(
          Array.from({ length: 40 }, async () => await writer.append(facts(1)).acknowledged()),
        );
      }),
    ).toBeLessThanOrEqual(2));

  it('are one in 64 where nobody waits', async () => {
    const heard = await heardDuring(async () => {
      for (let n = 0; n < 256; n += 1) {
        writer.append(facts(1));
        await nextTurn();
      }
      await writer.flush();
    });
    expect(heard).toBe(4);
  });

  it('prove what went out before without one', async () => {
    const unasked = writer.append(facts(1));
    await nextTurn();
    const asked = writer.append(facts(1)).acknowledged();
    // Still on its way: the answer to the second will tell.
    const both = [unasked.acknowledged(), asked];
    expect(await heardDuring(async () => void (await Promise.all(both)))).toBeLessThanOrEqual(1);
  });

  it('are replaced by a look at the log when somebody waits too late', async () => {
    const { acknowledged } = writer.append(facts(2));
    await connection.flush();
    await nextTurn();
    await acknowledged();
    expect((await log.tail()).lastSeq).toBe(writer.position.seq);
    expect(await collect(log.replay(START))).toHaveLength(writer.position.seq);
  });
});
