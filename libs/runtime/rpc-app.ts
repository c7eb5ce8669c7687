import { Catch, type DynamicModule, type INestMicroservice, type RpcExceptionFilter } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { NatsConnection } from '@nats-io/transport-node';
import { throwError, type Observable } from 'rxjs';
import { nestLogger, type Logger } from './logger.js';
import { RpcServer } from './rpc.server.js';

/** Hands errors on as they are: Nest's own filter replaces them by "Internal server error", and the server must tell them apart. */
@Catch()
class AsThrown implements RpcExceptionFilter {
  catch(error: unknown): Observable<never> {
    return throwError(() => error);
  }
}

/** A Nest application whose `@MessagePattern` methods answer requests on the broker. Listening when it resolves. */
export const createRpcApp = async (
  module: DynamicModule,
  connection: NatsConnection,
  logger: Logger,
): Promise<INestMicroservice> => {
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy: new RpcServer(connection, logger),
    logger: nestLogger(logger),
  });
  app.useGlobalFilters(new AsThrown());
  await app.listen();
  return app;
};
