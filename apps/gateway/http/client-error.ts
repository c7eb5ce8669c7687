import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { ApiError, problemOf } from './problem.js';

/** Bytes of all headers together, as Node.js counts them. */
export const HEADERS_MAX_BYTES = 16 * 1024;

/**
 * Answers what is not even a request: there is no request object and no reply, only a socket. Written by hand, because
 * the HTTP server has given up on it.
 */
export const answerClientError = (error: Error & { readonly code?: string }, socket: Socket): void => {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const problem = problemOf(ofParser(error.code, error.message), '');
  const body = JSON.stringify(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}\r\n` +
      'Content-Type: application/problem+json\r\n' +
      `Content-Length: ${Buffer.byteLength(body)}\r\n` +
      `Connection: close\r\n\r\n${body}`,
  );
};

const ofParser = (code: string | undefined, message: string): ApiError => {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return new ApiError(
        'HEADERS_TOO_LARGE',
        `The headers have more than ${HEADERS_MAX_BYTES} bytes; at most that many are accepted.`,
      );
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new ApiError('REQUEST_TIMED_OUT', 'The request did not arrive whole in time; send it again.');
    default:
      return new ApiError(
        'REQUEST_MALFORMED',
        `This is not a request of HTTP/1.1: ${message.slice(0, 120)}.`,
      );
  }
};
