import type { JsonSchema } from './compiled-template.js';

const scalar = (maxLength: number): JsonSchema => ({
  anyOf: [{ type: 'string', maxLength }, { type: 'number' }, { type: 'boolean' }],
});

/** Names with values, of which each may be a list. */
const pairs = (description: string): JsonSchema => ({
  type: 'object',
  maxProperties: 200,
  additionalProperties: {
    anyOf: [
      ...(scalar(65_536)['anyOf'] as readonly JsonSchema[]),
      { type: 'array', items: scalar(65_536), maxItems: 200 },
    ],
  },
  description,
});

const nothing = (because: string): JsonSchema => ({ not: {}, description: `nothing, because ${because}` });

/** The input of `http_request`. */
export const HTTP_REQUEST_SCHEMA: JsonSchema = {
  type: 'object',
  properties: {
    method: { enum: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] },
    url: { type: 'string', minLength: 1, maxLength: 8_192, description: 'http:// or https://' },
    headers: {
      type: 'object',
      maxProperties: 50,
      propertyNames: { type: 'string', maxLength: 100, pattern: "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$" },
      additionalProperties: scalar(8_192),
    },
    query: pairs('Added to the URL'),
    json: { description: 'Body, sent as JSON' },
    text: { type: 'string', description: 'Body, sent as it is' },
    form: pairs('Body, sent as a form'),
    timeout_ms: { type: 'integer', minimum: 1, maximum: 600_000 },
    max_response_bytes: { type: 'integer', minimum: 1, maximum: 900 * 1024 },
    follow_redirects: { type: 'integer', minimum: 0, maximum: 5 },
    expect_status: {
      type: 'array',
      minItems: 1,
      maxItems: 50,
      items: {
        anyOf: [{ type: 'integer', minimum: 100, maximum: 599 }, { enum: ['2xx', '3xx', '4xx', '5xx'] }],
      },
    },
    parse: { enum: ['auto', 'json', 'text', 'base64'] },
  },
  required: ['url'],
  additionalProperties: false,
  dependentSchemas: {
    json: { properties: { text: nothing('json is the body'), form: nothing('json is the body') } },
    text: { properties: { form: nothing('text is the body') } },
  },
};
