import type { FastifyRequest } from 'fastify';
import { ANSWERS_PATH } from '#libs/answer-links/answer-links.js';
import { ApiError } from './problem.js';

const FORM = 'application/x-www-form-urlencoded';

/** More fields than any form that is made here. */
const FIELDS_MAX = 1_000;

type Parsing = {
  addContentTypeParser(
    type: string,
    options: { readonly parseAs: 'string' },
    parse: (
      request: FastifyRequest,
      body: string,
      done: (error: Error | null, body?: unknown) => void,
    ) => void,
  ): void;
};

/** What pages send, at the one route that has pages: a page elsewhere must not be able to send what a program does. */
export const acceptForms = (server: Parsing): void =>
  server.addContentTypeParser(FORM, { parseAs: 'string' }, (request, body, done) => {
    const fields = [...new URLSearchParams(body)];
    if (!request.routeOptions.url?.startsWith(ANSWERS_PATH))
      return done(
        new ApiError(
          'MEDIA_TYPE_UNSUPPORTED',
          `${FORM} is accepted at ${ANSWERS_PATH} only; send application/json.`,
        ),
      );
    if (fields.length > FIELDS_MAX)
      return done(
        new ApiError('BODY_UNREADABLE', `There are ${fields.length} fields; accepted: up to ${FIELDS_MAX}.`),
      );
    done(null, Object.fromEntries(fields));
  });
