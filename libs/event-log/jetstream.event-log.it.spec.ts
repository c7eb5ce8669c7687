import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { cloudPayload, headerBlock } from './cloud-event.js';
import { describeEventLog } from './event-log.conformance.js';
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
