import type { DynamicModule } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { IncomingMessage, Server } from 'node:http';
import type { Logger } from '#libs/runtime/logger.js';
import { nestLogger } from '#libs/runtime/logger.js';
import { apiKeyCheck } from './api-key.js';
import { acceptBytes } from './raw-body.js';
import { acceptYaml } from './yaml-body.js';
import { answerClientError, HEADERS_MAX_BYTES } from './client-error.js';
import { acceptForms } from './form-body.js';
import { NoQueryGuard } from './no-query.guard.js';
import { openApiDocument } from './openapi-document.js';
import { ApiError, shown } from './problem.js';
import { pathOf, ProblemFilter } from './problem.filter.js';
import { RouteTable } from './route-table.js';
import { requestIdOf, traceIdOf, traceparentOf } from './trace.js';
import { DtoPipe } from './validation.js';

export type HttpOptions = {
  readonly module: DynamicModule;
  readonly bodyMaxBytes: number;
  readonly apiKey: string | undefined;
  readonly logger: Logger;
  readonly answered: (method: string, route: string, status: number, seconds: number) => void;
};

const HEADERS_TIMEOUT_MS = 10_000;

/** Sockets at once. Each costs about 10 KiB and a descriptor; beyond it the system refuses instead of this process dying. */
const CONNECTIONS_MAX = 10_000;

/** The HTTP side of the gateway: parsing, keys, validation, errors, documentation. */
export const createHttpApp = async (options: HttpOptions): Promise<NestFastifyApplication> => {
  const { logger, bodyMaxBytes } = options;
  const routes = new RouteTable();
  const filter = new ProblemFilter(routes, bodyMaxBytes, logger);
  const nextId = requestIds();
  const adapter = new FastifyAdapter({
    bodyLimit: bodyMaxBytes,
    // Bodies have a time of their own, but for one route.
    requestTimeout: 0,
    http: { maxHeaderSize: HEADERS_MAX_BYTES, headersTimeout: HEADERS_TIMEOUT_MS },
    // Any that fits into the headers: who checks ids says better what is wrong than the router.
    routerOptions: { maxParamLength: HEADERS_MAX_BYTES, ignoreTrailingSlash: true },
    forceCloseConnections: 'idle',
    // What still arrives while stopping is answered as usual, with `connection: close`.
    return503OnClosing: false,
    frameworkErrors: (error: Error, request: FastifyRequest, reply: FastifyReply) =>
      filter.answer(error, request, reply),
    clientErrorHandler: answerClientError,
    genReqId: ({ headers }: IncomingMessage) => requestIdOf(headers) ?? nextId(),
  });
  const app = await NestFactory.create<NestFastifyApplication>(options.module, adapter, {
    logger: nestLogger(logger),
    bodyParser: false,
  });
  const server = adapter.getInstance();
  server.server.maxConnections = CONNECTIONS_MAX;
  server.removeContentTypeParser('text/plain');
  acceptYaml(server, bodyMaxBytes);
  acceptForms(server);
  acceptBytes(server, (request, reply) => {
    filter.answer(
      new ApiError('REQUEST_TIMED_OUT', 'The request did not arrive whole in time; send it again.'),
      request,
      reply.header('connection', 'close'),
    );
    reply.raw.once('finish', () => request.raw.destroy());
  });
  server.addHook('onRoute', ({ url, method }) => routes.add(url, method));
  installHooks(server, options, filter);
  server.addHook('preClose', (done) => {
    closeFallenIdle(server.server);
    done();
  });
  app.useGlobalFilters(filter);
  app.useGlobalGuards(new NoQueryGuard());
  app.useGlobalPipes(new DtoPipe());
  // The document, and pages to browse it with everything that they need served from here.
  SwaggerModule.setup('docs', app, () => openApiDocument(app), {
    jsonDocumentUrl: 'openapi.json',
    yamlDocumentUrl: 'openapi.yaml',
  });
  return app;
};

/** Connections that fall idle while closing are swept at this interval. */
const SWEEP_EVERY_MS = 100;

/** Node.js closes the connections that are idle when closing begins; one that was busy would stay for its keep-alive time. */
const closeFallenIdle = (server: Server): void => {
  const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_EVERY_MS);
  server.once('close', () => clearInterval(sweep));
};

/** Unique over processes by the random start, cheap by the counter. */
const requestIds = (): (() => string) => {
  const start = globalThis.crypto.randomUUID().slice(0, 8);
  let next = 0;
  return () => `${start}-${(next++).toString(36)}`;
};

type Hooked = {
  addHook(
    name: 'onRequest' | 'onResponse',
    hook: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void,
  ): void;
};

/** Around every request: who asks, under which id and trace, and how it was answered. */
const installHooks = (server: Hooked, options: HttpOptions, filter: ProblemFilter): void => {
  const checkKey = apiKeyCheck(options.apiKey);
  server.addHook('onRequest', (request, reply, done) => {
    const traceparent = traceparentOf(request.headers);
    request.headers['traceparent'] = traceparent;
    void reply
      .header('x-request-id', request.id)
      .header('traceparent', traceparent)
      .header('x-content-type-options', 'nosniff');
    try {
      checkKey(request);
      refuseEncoded(request);
      done();
    } catch (error) {
      filter.answer(error, request, reply);
    }
  });
  server.addHook('onResponse', (request, reply, done) => {
    const route = request.routeOptions.url ?? 'none';
    options.answered(request.method, route, reply.statusCode, reply.elapsedTime / 1000);
    logAnswer(options.logger, request, reply);
    done();
  });
};

const TASK_PATH = /^\/api\/v1\/tasks\/([a-z0-9-]+)/;

/** Each answer at debug, those that are our fault at warn. The line is only made where it is written. */
const logAnswer = (logger: Logger, request: FastifyRequest, reply: FastifyReply): void => {
  const level = reply.statusCode < 500 ? 'debug' : 'warn';
  if (!logger.isLevelEnabled(level)) return;
  const path = pathOf(request);
  const taskId = TASK_PATH.exec(String(reply.getHeader('location') ?? path))?.[1];
  const traceId = traceIdOf(String(request.headers['traceparent']));
  const { statusCode: status, elapsedTime: ms } = reply;
  logger[level](
    { method: request.method, path, status, ms, requestId: request.id, traceId, taskId },
    'answered',
  );
};

const refuseEncoded = ({ headers }: FastifyRequest): void => {
  const encoding = headers['content-encoding'];
  if (encoding === undefined || encoding === 'identity') return;
  const message = `Content encoding '${String(shown(encoding))}' is not accepted; send the body as it is.`;
  throw new ApiError('MEDIA_TYPE_UNSUPPORTED', message);
};
