import type { FastifyRequest } from 'fastify';
import { ApiError } from './problem.js';

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

/** The one route that takes the text of a template as its body. */
const ROUTE = '/api/v1/templates/validate';

type Parsing = {
  addContentTypeParser(
    types: string[],
    options: { readonly parseAs: 'string' },
    parse: (
      request: FastifyRequest,
      body: string,
      done: (error: Error | null, body?: unknown) => void,
    ) => void,
  ): void;
};

/** Text of a template as body means the same as a JSON body with it as `template`. */
export const acceptYaml = (server: Parsing): void =>
  server.addContentTypeParser(YAML_TYPES, { parseAs: 'string' }, (request, body, done) => {
    if (request.routeOptions.url === ROUTE) done(null, { template: body });
    else
      done(
        new ApiError('MEDIA_TYPE_UNSUPPORTED', `YAML is accepted at ${ROUTE} only; send application/json.`),
      );
  });
