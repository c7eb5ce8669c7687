import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { collect, endOf, fact, facts } from './event-log.conformance.js';
import { LogUnavailableError, START, type EventLog, type LogWriter } from './event-log.js';
import { jetStreamEventLog } from './jetstream.event-log.js';
import { jetStreamInbox } from './jetstream.inbox.js';

/** What befalls a broker: it is killed, frozen, restarted, slow. */
describe('a broker in trouble', () => {
  let server: TestServer;
  let connection: NatsConnection;
  let log: EventLog;

  const begin = async (durability: 'process-safe' | 'power-safe' = 'process-safe'): Promise<void> => {
    server = await startNatsServer({ durability });
    connection = await connect({ servers: server.url, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: 'LOG', subjects: ['evt.task.>'] });
    await manager.streams.add({ name: 'BOX', subjects: ['cmd.>'] });
    log = jetStreamEventLog(connection, { name: 'LOG' }, { ackTimeoutMs: 300 });
  };

  beforeEach(async () => await begin());
  afterEach(async () => {
    server.thaw();
    await connection.close();
    await server.remove();
  });

  /** The log as it was handed in: nothing lost, nothing twice, nothing foreign. */
  const expectExactly = async (ids: readonly string[]): Promise<void> => {
    const stored = await collect(log.replay(START));
    expect(stored.map(({ id }) => id)).toEqual(ids);
  };

  it('finds out what became of appends whose answers did not come in time', async () => {
    const opening = fact();
    const writer = await log.openWriter(START, opening);
    server.freeze();
    const events = facts(400);
    const { acknowledged } = writer.append(events);
    // Long enough for the writer to doubt, twice.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    server.thaw();
    await acknowledged();
    const more = facts(3);
    await writer.append(more).acknowledged();
    await expectExactly([opening, ...events, ...more].map(({ id }) => id));
  });

  it('goes on with the same writer after a restart', async () => {
    const opening = fact();
    const writer = await log.openWriter(START, opening);
    const before = facts(100);
    await writer.append(before).acknowledged();
    await server.kill();
    const during = facts(500);
    const { acknowledged } = writer.append(during);
    await server.start();
    await acknowledged();
    await expectExactly([opening, ...before, ...during].map(({ id }) => id));
  });

  it('ends the writer with a clear reason when the broker stays away, and opens again when it is back', async () => {
    const impatient = jetStreamEventLog(connection, { name: 'LOG' }, { ackTimeoutMs: 100, giveUpMs: 500 });
    const writer = await impatient.openWriter(START, fact());
    await server.kill();
    const { acknowledged } = writer.append(facts(10));
    await expect(acknowledged()).rejects.toThrow(LogUnavailableError);
    expect((await writer.over).message).toMatch(/LOG: no append was confirmed for 500 ms/);
    await server.start();
    const stored = await readWhenBack(log);
    const next = await log.openWriter(endOf(stored), fact());
    await next.append(facts(2)).acknowledged();
    expect(await collect(log.replay(START))).toHaveLength(stored.length + 3);
  });

  it('does not end a writer that is idle while the broker is away', async () => {
    const writer = await log.openWriter(START, fact());
    await server.kill();
    await server.start();
    await writer.append(facts(2)).acknowledged();
    expect(await collect(log.replay(START))).toHaveLength(3);
  });

  it('follows across restarts, each event once', async () => {
    const writer = await log.openWriter(START, fact());
    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      for await (const { seq } of log.follow(START, { signal: stop.signal })) {
        seen.push(seq);
        if (seq === 61) stop.abort();
      }
    })();
    for (let round = 0; round < 3; round += 1) {
      await writer.append(facts(20)).acknowledged();
      await server.kill();
      await server.start();
    }
    await following;
    expect(seen).toEqual(Array.from({ length: 61 }, (_, n) => n + 1));
  });

  it('follows in batches across restarts and a freeze, each event once', async () => {
    const writer = await log.openWriter(START, fact());
    const stop = new AbortController();
    const seen: number[] = [];
    const following = (async () => {
      const gather = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 20));
      const options = { signal: stop.signal, sizeMax: 50, gather };
      for await (const batch of log.followBatches(START, options)) {
        seen.push(...batch.map(({ seq }) => seq));
        if (seen.length === 401) stop.abort();
      }
    })();
    for (let round = 0; round < 3; round += 1) {
      // The reader is anywhere: waiting, gathering, fetching.
      await writer.append(facts(100)).acknowledged();
      await server.kill();
      await server.start();
    }
    server.freeze();
    const { acknowledged } = writer.append(facts(100));
    await new Promise((resolve) => setTimeout(resolve, 500));
    server.thaw();
    await acknowledged();
    await following;
    expect(seen).toEqual(Array.from({ length: 401 }, (_, n) => n + 1));
  });

  it('reads a batch again from which the delivery lost a message', async () => {
    const writer = await log.openWriter(START, fact());
    await writer.append(facts(9)).acknowledged();
    const leaky = jetStreamEventLog(losingOnce(connection, 5), { name: 'LOG' });
    const stop = new AbortController();
    const batches: number[][] = [];
    const options = { signal: stop.signal, sizeMax: 50, gather: async () => undefined };
    for await (const batch of leaky.followBatches(START, options)) {
      batches.push(batch.map(({ seq }) => seq));
      if (batch.some(({ seq }) => seq === 10)) stop.abort();
    }
    expect(batches).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7, 8, 9, 10],
    ]);
  });

  it('does not take the answer about another event for the storage of this one', async () => {
    const used = fact();
    const impatient = jetStreamEventLog(connection, { name: 'LOG' }, { ackTimeoutMs: 100, giveUpMs: 500 });
    const writer = await impatient.openWriter(START, fact());
    await writer.append([used]).acknowledged();
    // The broker knows the id and answers with the place of the first one, as if all were well.
    const { acknowledged } = writer.append([fact({ n: 'another' }, { id: used.id })]);
    await expect(acknowledged()).rejects.toThrow(LogUnavailableError);
    expect(await collect(log.replay(START))).toHaveLength(2);
  });

  it('stores once what is put into an inbox around a restart, and its readers go on', async () => {
    const inbox = jetStreamInbox(connection, { name: 'BOX' });
    const stop = new AbortController();
    const seen: string[] = [];
    const following = (async () => {
      for await (const { id } of inbox.follow(0, { signal: stop.signal })) {
        seen.push(id);
        if (id === 'last') stop.abort();
      }
    })();
    const put = async (id: string): Promise<number> =>
      await inbox.put({ id, subject: 'cmd.submit.1', data: { id } });
    await put('first');
    await server.kill();
    const unsure = put('middle');
    await server.start();
    await unsure;
    await put('last');
    await following;
    expect(seen).toEqual(['first', 'middle', 'last']);
  });

  it('loses no acknowledged event and stores none twice in 10 rounds of kill -9 under load', async () => {
    const opening = fact();
    const writer = await log.openWriter(START, opening);
    const handedIn = [opening.id];
    const confirmed = new Set([opening.id]);
    const stop = new AbortController();
    const load = keepAppending(writer, handedIn, confirmed, stop.signal);
    for (let round = 0; round < 10; round += 1) {
      const before = confirmed.size;
      while (confirmed.size < before + 2_000) await new Promise((resolve) => setImmediate(resolve));
      await server.kill();
      await server.start();
    }
    stop.abort();
    await load;
    await writer.flush();
    const stored = await collect(log.replay(START));
    expect(stored.map(({ id }) => id)).toEqual(handedIn);
    expect(confirmed.size).toBe(stored.length);
    expect(confirmed.size).toBeGreaterThan(20_000);
  }, 120_000);
});

/** The connection, but the first delivery of the message at this sequence gets lost. */
const losingOnce = (connection: NatsConnection, seq: number): NatsConnection => {
  let lost = false;
  const isIt = (reply: string | undefined): boolean => Number(reply?.split('.')[5]) === seq;
  const subscribe: NatsConnection['subscribe'] = (subject, options) =>
    connection.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        if (!lost && isIt(message.reply)) lost = true;
        else void options?.callback?.(error, message);
      },
    });
  return new Proxy(connection, {
    get: (target, name) => {
      if (name === 'subscribe') return subscribe;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
};

/** Three bursts under way at a time, so that every kill meets a full pipeline. */
const keepAppending = async (
  writer: LogWriter,
  handedIn: string[],
  confirmed: Set<string>,
  signal: AbortSignal,
): Promise<void> => {
  let over: Error | null = null;
  const lane = async (): Promise<void> => {
    while (!signal.aborted && over === null) {
      const events = facts(100);
      handedIn.push(...events.map(({ id }) => id));
      await writer
        .append(events)
        .acknowledged()
        .catch((error: unknown) => (over = error as Error));
      if (over === null) for (const { id } of events) confirmed.add(id);
    }
  };
  await Promise.all([lane(), lane(), lane()]);
  if (over !== null) throw over;
};

/** The first requests after a restart may still meet a broker that is not ready. */
const readWhenBack = async (log: EventLog) => {
  for (;;) {
    try {
      return await collect(log.replay(START));
    } catch (error) {
      if (!(error instanceof LogUnavailableError)) throw error;
    }
  }
};
