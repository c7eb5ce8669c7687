import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from '@jest/globals';
import { EXIT, EXIT_MEANINGS } from '../exit-codes.js';
import { Api, problemIn, ProblemError } from './api.js';

describe('a refusal by the API', () => {
  it('is its sentence, and what is accepted for each field', () => {
    const problem = {
      detail: 'priority: must be a whole number from 1 to 10',
      errors: [{ path: 'priority', accepted: 'a whole number from 1 to 10' }, { path: 'labels' }],
    };
    expect(new ProblemError(422, problem).message).toBe(
      'priority: must be a whole number from 1 to 10\n  priority: accepted: a whole number from 1 to 10',
    );
  });

  it.each([
    [400, EXIT.refused],
    [401, EXIT.refused],
    [404, EXIT.notFound],
    [409, EXIT.refused],
    [422, EXIT.refused],
    [429, EXIT.refused],
    [500, EXIT.failed],
    [502, EXIT.failed],
    [503, EXIT.unreachable],
  ])('with status %d ends with exit code %d', (status, wanted) => {
    expect(new ProblemError(status, null).exitCode).toBe(wanted);
  });

  it('by something that is not the API says its status', () => {
    expect(new ProblemError(502, problemIn('<html>')).message).toBe('The platform answered with status 502.');
  });
});

describe('a request', () => {
  it.each([
    ['POST', undefined, 'application/json {}'],
    ['POST', { a: 1 }, 'application/json {"a":1}'],
    ['DELETE', undefined, 'undefined '],
  ] as const)('%s with %j is what the API takes', async (method, body, wanted) => {
    const server = createServer((request, response) => {
      void text(request).then((got) => response.end(`${request.headers['content-type']} ${got}`));
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const api = new Api({ url: `http://127.0.0.1:${port}`, apiKey: undefined });
    expect(await api.call(method, '/', { body })).toBe(wanted);
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('exit codes', () => {
  it('differ, fit into a byte, and each has a meaning', () => {
    const codes = Object.values(EXIT);
    expect(new Set(codes).size).toBe(codes.length);
    expect(codes.every((code) => code >= 0 && code < 256)).toBe(true);
    expect(Object.keys(EXIT_MEANINGS)).toEqual(Object.keys(EXIT));
  });
});
