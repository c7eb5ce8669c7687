import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { cloudPayload, headerBlock } from './cloud-event.js';
import { describeEventLog } from './event-log.conformance.js';
import { followStream } from './jetstream/follow-stream.js';
import { jetStreamEventLog } from './jetstream.event-log.js';

let server: TestServer;
let connection: NatsConnection;
let second: NatsConnection;
let logs = 0;

describeEventLog('JetStream', {
  start: async () => {
    server = await startNatsServer();
    [connection, second] = await Promise.all([
      connect({ servers: server.url }),
      connect({ servers: server.url }),
    ]);
  },
  stop: async () => {
    await Promise.all([connection.close(), second.close()]);
    await server.remove();
  },
  fresh: async () => {
    const manager = await jetstreamManager(connection);
    // The one before keeps its data and lets go of the subjects: a delete goes on in the background on newer servers.
    if (logs > 0) await manager.streams.update(`LOG${logs}`, { subjects: [`old.${logs}`] });
    logs += 1;
    const name = `LOG${logs}`;
    await manager.streams.add({ name, subjects: ['evt.task.>'] });
    return {
      log: jetStreamEventLog(connection, { name }),
      other: jetStreamEventLog(second, { name }),
      plant: async (event, epoch, prevHash) => {
        const block = headers();
        for (const line of headerBlock(event, epoch, prevHash, null).split('\r\n').slice(1)) {
          const [key = '', value = ''] = line.split(': ');
          if (key !== '') block.set(key, value);
        }
        await connection.request(event.subject, cloudPayload(event), { headers: block, timeout: 2_000 });
      },
      lose: async (seq) => void (await manager.streams.deleteMessage(name, seq)),
    };
  },
});

describe('a reading that has an end', () => {
  it('leaves no consumer behind: a stream has a limited number of them', async () => {
    const own = await startNatsServer();
    const link = await connect({ servers: own.url });
    const manager = await jetstreamManager(link);
    await manager.streams.add({ name: 'READ', subjects: ['evt.task.>'], max_consumers: 2 });
    for (let n = 0; n < 3; n += 1) await jetstream(link).publish('evt.task.t1.x', 'x');
    // Read to the end, left early, and one that has nothing to read.
    for (let n = 0; n < 12; n += 1) {
      const filterSubjects = n % 3 === 2 ? ['evt.task.nobody.x'] : ['evt.task.t1.x'];
      const seen: number[] = [];
      for await (const { seq } of followStream(link, 'READ', 0, { untilSeq: 3, filterSubjects })) {
        seen.push(seq);
        if (n % 3 === 1) break;
      }
      expect(seen).toEqual([[1, 2, 3], [1], []][n % 3]);
    }
    await link.close();
    await own.remove();
  });
});
