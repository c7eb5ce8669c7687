import { Objm, type ObjectStore } from '@nats-io/obj';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { startNatsServer, type TestServer } from '#libs/testing/nats-server.js';
import { jetStreamSnapshotStore } from './jetstream.snapshot-store.js';
import { describeSnapshots } from './snapshot-store.conformance.js';

let server: TestServer;
let connection: NatsConnection;
let objects: ObjectStore;
let logs = 0;

describeSnapshots('JetStream', {
  start: async () => {
    server = await startNatsServer();
    connection = await connect({ servers: server.url, inboxPrefix: '_INBOX_scheduler' });
    objects = await new Objm(connection).create('snapshots');
  },
  stop: async () => {
    await connection.close();
    await server.remove();
  },
  fresh: async () => {
    const log = `LOG${(logs += 1)}`;
    const options = { bucket: 'snapshots', log, inboxPrefix: '_INBOX_scheduler' };
    return {
      store: jetStreamSnapshotStore(connection, options),
      names: async () =>
        (await objects.list())
          .map(({ name }) => name)
          .filter((name) => name.startsWith(`${log}/v`))
          .map((name) => name.slice(log.length + 1))
          .toSorted(),
      damage: async (seq) => void (await objects.putBlob({ name: `${log}/v1-${seq}` }, new Uint8Array(3))),
    };
  },
});
