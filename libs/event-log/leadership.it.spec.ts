import { jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { jetStreamCandidacy } from './jetstream.candidacy.js';
import { jetStreamEventLog } from './jetstream.event-log.js';
import { describeLeadership } from './leadership.conformance.js';

/** Short, so that a takeover by age takes a second. */
const TTL_MS = 1_000;

let server: TestServer;
let admin: NatsConnection;
let round = 0;

describeLeadership('JetStream', {
  start: async () => {
    server = await startNatsServer();
    admin = await connect({ servers: server.url });
    await new Kvm(admin).create('leaders', { ttl: TTL_MS, history: 1 });
  },
  stop: async () => {
    await admin.close();
    await server.remove();
  },
  fresh: async () => {
    const manager = await jetstreamManager(admin);
    // The one before keeps its data and lets go of the subjects: a delete goes on in the background on newer servers.
    if (round > 0) await manager.streams.update(`LOG${round}`, { subjects: [`old.${round}`] });
    round += 1;
    const name = `LOG${round}`;
    await manager.streams.add({ name, subjects: ['evt.task.>'] });
    const offices = new Map<string, NatsConnection>();
    const key = `office${round}`;
    const connections: NatsConnection[] = [];
    return {
      node: async (node) => {
        // The log and the office have a connection each, so that one can be cut and the other goes on.
        const [connection, officeConnection] = await Promise.all([
          connect({ servers: server.url }),
          connect({ servers: server.url }),
        ]);
        offices.set(node, officeConnection);
        connections.push(connection, officeConnection);
        const options = { bucket: 'leaders', key, node, ttlMs: TTL_MS, random: Math.random };
        return {
          log: jetStreamEventLog(connection, { name }),
          candidacy: jetStreamCandidacy(officeConnection, options),
        };
      },
      silence: async (node) => await offices.get(node)?.close(),
      depose: async () => {
        const kv = await new Kvm(admin).open('leaders');
        await kv.put(key, 'a rival');
      },
      close: async () => void (await Promise.all(connections.map((connection) => connection.close()))),
    };
  },
});
