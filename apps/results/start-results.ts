import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { STREAMS } from '#libs/contracts/streams.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { nestLogger, type Logger } from '#libs/runtime/logger.js';
import { RpcServer } from '#libs/runtime/rpc.server.js';
import type { RunningService, ServiceContext } from '#libs/runtime/run-service.js';
import type { Database } from './database/database.js';
import { PostgresDatabase } from './database/postgres.database.js';
import { SqliteDatabase } from './database/sqlite.database.js';
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
  const readModel = new ReadModel(databaseOf(config, logger), logs, logger, config.lagReadyMax);
  health.add('projection', readModel.health);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(
    ResultsModule.with(readModel, logger),
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
      await readModel.stop();
    },
  };
};

const databaseOf = ({ databaseUrl, dataDir }: ResultsConfig, logger: Logger): Database =>
  databaseUrl === undefined ? new SqliteDatabase(dataDir, logger) : new PostgresDatabase(databaseUrl);
