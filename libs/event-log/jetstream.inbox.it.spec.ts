import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { describeInbox } from './inbox.conformance.js';
import { jetStreamInbox } from './jetstream.inbox.js';

let server: TestServer;
let connection: NatsConnection;
let second: NatsConnection;
let boxes = 0;

describeInbox('JetStream', {
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
    if (boxes > 0) await manager.streams.update(`BOX${boxes}`, { subjects: [`old.${boxes}`] });
    boxes += 1;
    const name = `BOX${boxes}`;
    await manager.streams.add({ name, subjects: ['cmd.>'] });
    return {
      inbox: jetStreamInbox(connection, { name }),
      other: jetStreamInbox(second, { name }),
      forget: async (upToSeq) => void (await manager.streams.purge(name, { seq: upToSeq + 1 })),
    };
  },
});
