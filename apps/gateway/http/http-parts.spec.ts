import 'reflect-metadata';
import type { FastifyRequest } from 'fastify';
import { IsInt } from 'class-validator';
import { describe, expect, it } from '@jest/globals';
import { ERRORS, type ErrorCode } from '#libs/domain/errors.js';
import { apiKeyCheck } from './api-key.js';
import { ApiError, problemOf, shown } from './problem.js';
import { idempotencyKeyOf, lastEventIdOf, taskIdOf } from './request-parts.js';
import { RouteTable } from './route-table.js';
import { requestIdOf, traceIdOf, traceparentOf } from './trace.js';
import { DtoPipe, Optional } from './validation.js';

type Refusal = Pick<ApiError, 'code' | 'message' | 'errors' | 'headers'>;

/** As a plain object, because Jest compares nothing but the message of an error. */
const refusal = (act: () => unknown): Refusal => {
  try {
    act();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, message, errors, headers } = error;
    return { code, message, errors, headers };
  }
  throw new Error('accepted');
};

describe('a problem', () => {
  it.each(Object.keys(ERRORS) as ErrorCode[])('of code %s has its stable type, title and status', (code) => {
    expect(problemOf(new ApiError(code, 'because'), '/x')).toEqual({
      type: `urn:ai-task-orchestra:error:${code.toLowerCase().replaceAll('_', '-')}`,
      title: ERRORS[code].title,
      status: ERRORS[code].http,
      detail: 'because',
      instance: '/x',
      code,
    });
  });

  it('of a failure lists its problems as errors and keeps the other details', () => {
    const problems = [{ path: 'parameters.a', message: 'is wrong' }];
    const failure = { code: 'STEP_INPUT_INVALID', message: 'm', details: { problems, n: 1 } } as const;
    expect(problemOf(ApiError.of(failure), '')).toMatchObject({ errors: problems, details: { n: 1 } });
    const bare = problemOf(ApiError.of({ ...failure, details: { problems } }), '');
    expect(bare.details).toBeUndefined();
  });

  it('repeats no more of a value than is needed to know it', () => {
    expect(shown('x'.repeat(500))).toBe(`${'x'.repeat(120)}… (500 characters)`);
    expect(shown([1, { a: 2 }])).toBe('[1,{"a":2}]');
    expect([shown(5), shown(null), shown(undefined), shown(false)]).toEqual([5, null, null, false]);
  });
});

describe('the API key', () => {
  const request = (headers: object, url = '/api/v1/tasks'): FastifyRequest =>
    ({ url, headers }) as unknown as FastifyRequest;
  const check = apiKeyCheck('a-key-of-some-length');

  it.each([
    ['no header', {}, 'API_KEY_MISSING'],
    ['an empty one', { 'x-api-key': '' }, 'API_KEY_MISSING'],
    ['a wrong one', { 'x-api-key': 'a-key-of-some-lengtH' }, 'API_KEY_WRONG'],
    ['another scheme', { authorization: 'Basic a-key-of-some-length' }, 'API_KEY_MISSING'],
  ])('is missed or refused for %s', (_, headers, code) => {
    expect(refusal(() => check(request(headers)))).toMatchObject({
      code,
      headers: { 'www-authenticate': expect.stringMatching(/^Bearer/) },
    });
  });

  it('opens by either header, and is not asked for liveness or where none is configured', () => {
    check(request({ 'x-api-key': 'a-key-of-some-length' }));
    check(request({ authorization: 'bearer a-key-of-some-length' }));
    check(request({}, '/health/live?x=1'));
    apiKeyCheck(undefined)(request({}));
    expect(refusal(() => check(request({}, '/health/live/x'))).code).toBe('API_KEY_MISSING');
  });
});

describe('parts of a request', () => {
  it.each(['A', 'a_b', 'a.b', '', '-a', 'a-', 'a'.repeat(65), '>', 'a b'])('%j is no task id', (id) => {
    expect(refusal(() => taskIdOf(id))).toMatchObject({
      code: 'VALIDATION_FAILED',
      errors: [{ path: 'id', value: id }],
    });
  });

  it.each(['', ' ', 'a b', 'ä', 'k'.repeat(256), 'a\nb'])('%j is no idempotency key', (key) => {
    expect(refusal(() => idempotencyKeyOf(key)).errors[0]?.path).toBe('Idempotency-Key');
  });

  it.each(['x', '-1', '1.5', '9'.repeat(16), ' 1'])('%j is no last event id', (id) => {
    expect(refusal(() => lastEventIdOf(id)).errors[0]?.path).toBe('Last-Event-ID');
  });

  it('are taken when they are right', () => {
    expect(taskIdOf('0198-abc')).toBe('0198-abc');
    expect([idempotencyKeyOf(undefined), idempotencyKeyOf('k~1')]).toEqual([undefined, 'k~1']);
    expect([lastEventIdOf(undefined), lastEventIdOf(''), lastEventIdOf('42')]).toEqual([0, 0, 42]);
  });
});

describe('the route table', () => {
  const routes = new RouteTable();
  routes.add('/tasks/:id', 'GET');
  routes.add('/tasks/:id', ['DELETE']);
  routes.add('/tasks/status', 'GET');
  routes.add('/docs/*', 'GET');

  it.each([
    ['/tasks/abc', ['DELETE', 'GET']],
    ['/tasks/abc/', ['DELETE', 'GET']],
    ['/tasks/status', ['DELETE', 'GET']],
    ['/tasks/a/b', []],
    ['/tasks', []],
    ['/docs/x', []],
  ])('knows the methods of %s', (path, methods) => {
    expect(routes.methodsOf(path)).toEqual(methods);
  });
});

describe('the trace of a request', () => {
  const good = `00-${'a1'.repeat(16)}-${'b2'.repeat(8)}-01`;

  it('is the caller’s where it is one', () => {
    expect(traceparentOf({ traceparent: good })).toBe(good);
    expect(traceIdOf(good)).toBe('a1'.repeat(16));
  });

  it.each([
    undefined,
    '',
    'nonsense',
    good.toUpperCase(),
    `00-${'0'.repeat(32)}-${'b2'.repeat(8)}-01`,
    `00-${'a1'.repeat(16)}-${'0'.repeat(16)}-01`,
    `${good}-x`,
  ])('is a new one for %j, another each time', (traceparent) => {
    const headers = traceparent === undefined ? {} : { traceparent };
    const made = Array.from({ length: 600 }, () => traceparentOf(headers));
    for (const one of made) expect(one).toMatch(/^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-01$/);
    expect(new Set(made).size).toBe(made.length);
  });

  it('has the caller’s request id where it is safe to repeat', () => {
    expect(requestIdOf({ 'x-request-id': 'a.b:c-1' })).toBe('a.b:c-1');
    for (const bad of ['', 'a b', 'a\r\nset-cookie: x', 'x'.repeat(129)])
      expect(requestIdOf({ 'x-request-id': bad })).toBeUndefined();
  });
});

class Dto {
  @IsInt({ message: 'must be a whole number' })
  count!: number;

  @Optional()
  @IsInt({ message: 'must be a whole number' })
  more?: number;
}

describe('checking a body', () => {
  const pipe = new DtoPipe();
  const checked = (value: unknown): unknown => pipe.transform(value, { type: 'body', metatype: Dto });
  const problem = (value: unknown): object => refusal(() => checked(value)).errors[0] ?? {};

  it('gives what was sent when it is right, and other arguments as they are', () => {
    expect(checked({ count: 1 })).toEqual({ count: 1 });
    expect(checked({ count: 1, more: 2 })).toBeInstanceOf(Dto);
    expect(pipe.transform('x', { type: 'param', metatype: String })).toBe('x');
  });

  it.each([
    [
      'a missing field',
      {},
      {
        path: 'count',
        message: 'count must be a whole number, it is missing',
        accepted: 'must be a whole number',
      },
    ],
    [
      'a wrong value',
      { count: 'x' },
      { path: 'count', value: 'x', message: 'count must be a whole number, not "x"' },
    ],
    ['null for a field that may be left out', { count: 1, more: null }, { path: 'more', value: null }],
    ['an unknown field', { count: 1, mroe: 2 }, { path: 'mroe', value: 2, accepted: 'count, more' }],
    ['a list', [1], { path: 'body', value: '[1]' }],
    [
      'nothing',
      undefined,
      { path: 'body', message: expect.stringMatching(/is missing; expected a JSON object/) },
    ],
  ])('refuses %s', (_, value, expected) => {
    expect(problem(value)).toMatchObject(expected);
  });

  it('tells several problems at once, but not hundreds', () => {
    const many = Object.fromEntries(Array.from({ length: 200 }, (_, n) => [`f${n}`, n]));
    expect(refusal(() => checked({ count: 'x', more: 'y' })).errors).toHaveLength(2);
    expect(refusal(() => checked(many)).errors.length).toBeLessThanOrEqual(20);
  });
});
