import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '#libs/runtime/logger.js';
import { nestLogger } from '#libs/runtime/logger.js';
import { packageVersion } from '#libs/runtime/version.js';
import { apiKeyCheck } from './api-key.js';
import { ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import { validationPipe } from './validation.js';

export type HttpOptions = {
  readonly module: DynamicModule;
  readonly bodyMaxBytes: number;
  readonly apiKey: string | undefined;
  readonly logger: Logger;
  readonly answered: (method: string, route: string, status: number, seconds: number) => void;
};

/** A client that sends its request slower than this is not helped by more time. */
const REQUEST_TIMEOUT_MS = 30_000;

/** Longest path parameter that is looked at: an id has 64 characters. */
const PARAMETER_MAX = 256;

/** The HTTP side of the gateway: parsing, keys, validation, errors, documentation. */
export const createHttpApp = async (options: HttpOptions): Promise<NestFastifyApplication> => {
  const routes = new RouteTable();
  const filter = new ProblemFilter(routes, options.bodyMaxBytes, options.logger);
  const adapter = new FastifyAdapter({
    bodyLimit: options.bodyMaxBytes,
    requestTimeout: REQUEST_TIMEOUT_MS,
    routerOptions: { maxParamLength: PARAMETER_MAX, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      filter.answer(error, request, reply),
    genReqId: requestIds(),
  });
  const app = await NestFactory.create<NestFastifyApplication>(options.module, adapter, {
    logger: nestLogger(options.logger),
    bodyParser: false,
  });
  const server = adapter.getInstance();
  server.removeContentTypeParser('text/plain');
  server.addHook('onRoute', ({ url, method }) => routes.add(url, method));
  const checkKey = apiKeyCheck(options.apiKey);
  server.addHook('onRequest', (request, reply, done) => {
    void reply.header('x-request-id', request.id).header('x-content-type-options', 'nosniff');
    try {
      checkKey(request);
      done();
    } catch (error) {
      filter.answer(error, request, reply);
    }
  });
  server.addHook('onResponse', (request, reply, done) => {
    options.answered(
      request.method,
      request.routeOptions.url ?? 'none',
      reply.statusCode,
      reply.elapsedTime / 1000,
    );
    done();
  });
  app.useGlobalFilters(filter);
  app.useGlobalPipes(validationPipe());
  describe(app);
  return app;
};

/** Unique over processes by the random start, cheap by the counter. */
const requestIds = (): (() => string) => {
  const start = globalThis.crypto.randomUUID().slice(0, 8);
  let next = 0;
  return () => `${start}-${(next++).toString(36)}`;
};

/** OpenAPI at /openapi.json, and pages to browse it at /docs with everything they need served from here. */
const describe = (app: NestFastifyApplication): void => {
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
  });
};

export const openApiDocument = (app: NestFastifyApplication) =>
  SwaggerModule.createDocument(
    app,
    new DocumentBuilder()
      .setTitle('AI Task Orchestra')
      .setDescription(
        'Tasks for AI models on machines that you own. Errors are application/problem+json (RFC 9457).',
      )
      .setVersion(packageVersion())
      .setOpenAPIVersion('3.1.0')
      .addApiKey({ type: 'apiKey', name: 'X-API-Key', in: 'header' }, 'key')
      .addBearerAuth()
      .build(),
  );
