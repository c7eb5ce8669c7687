import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { BUCKETS, STREAMS } from '#libs/contracts/streams.js';
import { inboxPrefixOf } from '#libs/runtime/broker-client.js';
import { jetStreamSnapshotStore } from '#libs/event-log/jetstream.snapshot-store.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { nestLogger, type Logger } from '#libs/runtime/logger.js';
import { RpcServer } from '#libs/runtime/rpc.server.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import type { Database } from './database/database.js';
import { PostgresDatabase } from './database/postgres.database.js';
import { SqliteDatabase } from './database/sqlite.database.js';
import { PastExplainer } from './past/past-explainer.js';
import { ReadModel } from './read-model.js';
import type { ResultsConfig } from './results.config.js';
import { ResultsModule } from './results.module.js';

export const startResults = async (
  context: ServiceContext,
  config: ResultsConfig,
): Promise<RunningService> => {
  const { connection, logger, health } = context;
  const logs = {
    tasks: jetStreamEventLog(connection, STREAMS.tasks),
    leases: jetStreamEventLog(connection, STREAMS.leases),
  };
  const snapshotsOf = ({ name }: { readonly name: string }) =>
    jetStreamSnapshotStore(connection, {
      bucket: BUCKETS.snapshots.name,
      log: name,
      inboxPrefix: inboxPrefixOf('results'),
    });
  const readModel = new ReadModel(databaseOf(config, logger), logs, logger, config.lagReadyMax);
  const past = new PastExplainer({
    logs,
    snapshots: { tasks: snapshotsOf(STREAMS.tasks), leases: snapshotsOf(STREAMS.leases) },
    onSnapshotFailure: (error) =>
      logger.warn({ error: String(error) }, 'a snapshot was not read; the log has everything'),
    readModel,
    logger,
  });
  health.add('projection', readModel.health);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    ResultsModule.with(readModel, past, logger),
    {
      strategy: new RpcServer(connection, logger),
      logger: nestLogger(logger),
    },
  );
  readModel.start();
  await app.listen();
  return {
    // Questions first, then what answers them.
    stop: async () => {
      await app.close();
      await past.stop();
      await readModel.stop();
    },
  };
};

const databaseOf = ({ databaseUrl, dataDir }: ResultsConfig, logger: Logger): Database =>
  databaseUrl === undefined ? new SqliteDatabase(dataDir, logger) : new PostgresDatabase(databaseUrl);
