import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyRequest } from 'fastify';
import { ANSWERS_PATH } from '#libs/answer-links/answer-links.js';
import { ApiError } from './problem.js';

/** Paths that a load balancer may ask without a key; they say nothing but "alive". */
const OPEN_PATHS = new Set(['/health/live']);

/** What is behind a link has a key of its own in its path. */
const isOpen = (path: string): boolean => OPEN_PATHS.has(path) || path.startsWith(`${ANSWERS_PATH}/`);

const digest = (key: string): Buffer => createHash('sha256').update(key).digest();

/** Checks the one key of this installation. Digests are compared in constant time, so neither content nor length leaks. */
export const apiKeyCheck = (apiKey: string | undefined): ((request: FastifyRequest) => void) => {
  if (apiKey === undefined) return () => undefined;
  const expected = digest(apiKey);
  return (request) => {
    if (isOpen(request.url.split('?', 1)[0] ?? '')) return;
    const given = keyOf(request);
    const how = 'send the key as X-API-Key, or as Authorization: Bearer';
    if (given === undefined)
      throw new ApiError(
        'API_KEY_MISSING',
        `This installation needs an API key; ${how}.`,
        [],
        undefined,
        CHALLENGE,
      );
    if (timingSafeEqual(digest(given), expected)) return;
    throw new ApiError(
      'API_KEY_WRONG',
      `The API key that was sent is not the one of this installation; ${how}.`,
      [],
      undefined,
      CHALLENGE,
    );
  };
};

const CHALLENGE = { 'www-authenticate': 'Bearer realm="ai-task-orchestra"' };

const keyOf = (request: FastifyRequest): string | undefined => {
  const header = request.headers['x-api-key'];
  if (typeof header === 'string' && header !== '') return header;
  return /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
};
