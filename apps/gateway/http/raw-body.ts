import type { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ApiError } from './problem.js';

const BYTES = 'application/octet-stream';

/** Takes bytes as they arrive. */
const UPLOAD_ROUTE = '/api/v1/artifacts/:name';

/** Every other body has to arrive within this time; a client that sends it slower is not helped by more. */
const BODY_TIMEOUT_MS = 30_000;

type Server = {
  addContentTypeParser(
    type: string,
    parse: (
      request: FastifyRequest,
      body: Readable,
      done: (error: Error | null, body?: unknown) => void,
    ) => void,
  ): void;
  addHook(
    name: 'onRequest',
    hook: (request: FastifyRequest, reply: FastifyReply, done: () => void) => void,
  ): void;
};

/** The one route whose body is no message: it is neither held in memory nor bounded in time, but by its progress. */
export const acceptBytes = (
  server: Server,
  timedOut: (request: FastifyRequest, reply: FastifyReply) => void,
): void => {
  server.addContentTypeParser(BYTES, (request, body, done) => {
    if (isUpload(request)) return done(null, body);
    done(
      new ApiError(
        'MEDIA_TYPE_UNSUPPORTED',
        `${BYTES} is accepted at POST ${UPLOAD_ROUTE} only; send application/json.`,
      ),
    );
  });
  server.addHook('onRequest', (request, reply, done) => {
    if (!isUpload(request) && hasBody(request)) {
      const timer = setTimeout(() => timedOut(request, reply), BODY_TIMEOUT_MS);
      request.raw.once('end', () => clearTimeout(timer)).once('close', () => clearTimeout(timer));
    }
    done();
  });
};

const isUpload = ({ routeOptions, method }: FastifyRequest): boolean =>
  routeOptions.url === UPLOAD_ROUTE && method === 'POST';

const hasBody = ({ headers }: FastifyRequest): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
