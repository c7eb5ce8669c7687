import { Catch, HttpException, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RpcUnavailableError } from '#libs/runtime/rpc-client.js';
import { LogUnavailableError } from '#libs/event-log/event-log.js';
import type { Logger } from '#libs/runtime/logger.js';
import { ANSWERS_PATH } from '#libs/answer-links/answer-links.js';
import { ApiError, problemOf, shown } from './problem.js';
import type { RouteTable } from './route-table.js';

/** Makes `application/problem+json` of whatever went wrong, and keeps the inside of the house inside. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  constructor(
    private readonly routes: RouteTable,
    private readonly bodyMaxBytes: number,
    private readonly logger: Logger,
  ) {}

  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    this.answer(error, http.getRequest<FastifyRequest>(), http.getResponse<FastifyReply>());
  }

  answer(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
    if (reply.sent || reply.raw.headersSent) return;
    const known = this.#known(error, request);
    if (known === null) {
      const stack = error instanceof Error ? error.stack : String(error);
      this.logger.error({ stack, method: request.method, path: pathOf(request) }, 'request failed');
    }
    const problem = problemOf(
      known ??
        new ApiError('INTERNAL', `Something went wrong here; it was logged with request id ${request.id}.`),
      pathOf(request),
    );
    for (const [name, value] of Object.entries(known?.headers ?? {})) void reply.header(name, value);
    void reply.status(problem.status).header('content-type', 'application/problem+json').send(problem);
  }

  #known(error: unknown, request: FastifyRequest): ApiError | null {
    if (error instanceof ApiError) return error;
    if (error instanceof RpcUnavailableError) {
      return new ApiError(
        'SERVICE_UNAVAILABLE',
        `A service that this needs does not answer now; try again. (${error.message})`,
        [],
        undefined,
        { 'retry-after': '1' },
      );
    }
    if (error instanceof LogUnavailableError) {
      return new ApiError(
        'LOG_UNAVAILABLE',
        `The event log cannot be reached now; try again. (${error.message})`,
        [],
        undefined,
        { 'retry-after': '1' },
      );
    }
    if (error instanceof HttpException && error.getStatus() === 404) return this.#unrouted(request);
    return this.#ofFramework(error, request);
  }

  #unrouted(request: FastifyRequest): ApiError {
    const path = pathOf(request);
    const methods = this.routes.methodsOf(path);
    if (methods.length === 0)
      return new ApiError(
        'ROUTE_NOT_FOUND',
        `There is nothing at ${String(shown(path))}; see /docs for what there is.`,
      );
    return new ApiError(
      'METHOD_NOT_ALLOWED',
      `${request.method} is not allowed on ${path}; accepted: ${methods.join(', ')}.`,
      [],
      undefined,
      { allow: methods.join(', ') },
    );
  }

  /** Refusals of the HTTP server itself, by their codes. */
  #ofFramework(error: unknown, request: FastifyRequest): ApiError | null {
    const {
      code = '',
      statusCode = 0,
      message = '',
    } = error as { code?: string; statusCode?: number; message?: string };
    const type = String(shown(request.headers['content-type'] ?? 'none'));
    switch (code) {
      case 'FST_ERR_CTP_BODY_TOO_LARGE':
        return new ApiError(
          'BODY_TOO_LARGE',
          `The body has more than ${this.bodyMaxBytes} bytes; at most that many are accepted.`,
        );
      case 'FST_ERR_CTP_INVALID_MEDIA_TYPE':
        return new ApiError(
          'MEDIA_TYPE_UNSUPPORTED',
          `Content type '${type}' is not accepted; send application/json.`,
        );
      case 'FST_ERR_CTP_EMPTY_JSON_BODY':
        return new ApiError('BODY_UNREADABLE', 'The body is empty; a JSON object is expected.');
      case 'FST_ERR_CTP_INVALID_CONTENT_LENGTH':
        return new ApiError('BODY_UNREADABLE', 'Content-Length does not fit the body.');
      case 'FST_ERR_BAD_URL':
        return new ApiError(
          'ROUTE_NOT_FOUND',
          `The path '${String(shown(request.url))}' cannot be decoded; use percent-encoded UTF-8.`,
        );
      default:
        break;
    }
    const status = error instanceof HttpException ? error.getStatus() : statusCode;
    if (status === 413)
      return new ApiError('BODY_TOO_LARGE', `At most ${this.bodyMaxBytes} bytes are accepted.`);
    if (status === 415)
      return new ApiError(
        'MEDIA_TYPE_UNSUPPORTED',
        `Content type '${type}' is not accepted; send application/json.`,
      );
    if (status >= 400 && status < 500)
      return new ApiError(
        'BODY_UNREADABLE',
        `The body cannot be read (${String(shown(message.replace(/\.$/, '')))}); a JSON object is expected.`,
      );
    return null;
  }
}

/** Without what is a key: it stands in logs. */
export const pathOf = ({ url }: FastifyRequest): string =>
  (url.split('?', 1)[0] ?? url).replace(SECRET, `${ANSWERS_PATH}/-`);

const SECRET = new RegExp(`^${ANSWERS_PATH}/[^/]+`);
