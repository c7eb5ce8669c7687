import type { FastifyRequest } from 'fastify';
import { YamlSource } from '#libs/template/yaml-source.js';
import { ApiError } from './problem.js';

const YAML_TYPES = ['application/yaml', 'application/x-yaml', 'text/yaml', 'text/x-yaml'];

/** Takes the text of a template as its body. */
const TEMPLATE_ROUTE = '/api/v1/templates/validate';
/** Takes what JSON would say, written as YAML. */
const WORKFLOW_ROUTE = '/api/v1/workflows';

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

/** The routes at which people hand in files. Text of a template as body means the same as a JSON body with it as `template`. */
export const acceptYaml = (server: Parsing, bodyMaxBytes: number): void =>
  server.addContentTypeParser(YAML_TYPES, { parseAs: 'string' }, (request, body, done) => {
    try {
      done(null, bodyOf(request.routeOptions.url, body, bodyMaxBytes));
    } catch (error) {
      done(error as Error);
    }
  });

const bodyOf = (route: string | undefined, text: string, bodyMaxBytes: number): unknown => {
  if (route === TEMPLATE_ROUTE) return { template: text };
  if (route === WORKFLOW_ROUTE) return readYaml(text, bodyMaxBytes);
  const message = `YAML is accepted at ${TEMPLATE_ROUTE} and ${WORKFLOW_ROUTE} only; send application/json.`;
  throw new ApiError('MEDIA_TYPE_UNSUPPORTED', message);
};

/** YAML can say what JSON cannot: numbers that are none, and by aliases far more than was sent. */
const readYaml = (text: string, bodyMaxBytes: number): unknown => {
  const { value, problems } = new YamlSource(text, 'body');
  if (problems.length > 0) {
    const said = problems.map(({ line, column, message }) => ({
      path: `line ${line}, column ${column}`,
      message,
    }));
    throw new ApiError(
      'BODY_UNREADABLE',
      said.map(({ path, message }) => `${path}: ${message}`).join('; '),
      said,
    );
  }
  const written = JSON.stringify(value, (name, member: unknown) => {
    if (name === '__proto__' || (typeof member === 'number' && !Number.isFinite(member)))
      throw new ApiError('BODY_UNREADABLE', `'${name}' has no place in JSON; a JSON value is expected.`);
    return member;
  });
  if (Buffer.byteLength(written) <= bodyMaxBytes) return JSON.parse(written) as unknown;
  throw new ApiError(
    'BODY_TOO_LARGE',
    `The body has more than ${bodyMaxBytes} bytes as JSON; at most that many are accepted.`,
  );
};
