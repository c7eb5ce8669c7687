import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { createServer as createRawServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import { parseAllowed } from '#libs/outgoing-http/address-rules.js';
import { systemResolve, type Resolve } from '#libs/outgoing-http/guarded-connection.js';
import type { StepContext, StepResult } from '../step-runner.js';
import { httpRequestStep } from './http-request.step.js';

const open: { close: () => unknown }[] = [];
afterEach(() => {
  for (const server of open.splice(0)) server.close();
});

type Seen = { readonly request: IncomingMessage; readonly body: string };

/** A server on this machine that remembers what came. */
const listen = async (
  answer: RequestListener = (_, response) => void response.end('ok'),
): Promise<{ readonly port: number; readonly seen: Seen[] }> => {
  const seen: Seen[] = [];
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      seen.push({ request, body: Buffer.concat(parts).toString() });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  open.push({ close: () => (server.closeAllConnections(), server.close()) });
  return { port: (server.address() as AddressInfo).port, seen };
};

/** Answers of a name server, each used once but the last one. */
const names =
  (answers: Readonly<Record<string, readonly (readonly string[])[]>>): Resolve =>
  (host, done) => {
    const list = (left[host] ??= [...(answers[host] ?? [])]);
    const addresses = list.length > 1 ? list.shift() : list[0];
    if (addresses === undefined) return done(new Error(`getaddrinfo ENOTFOUND ${host}`), []);
    return done(
      null,
      addresses.map((address) => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  };
let left: Record<string, (readonly string[])[]> = {};

const send = async (
  input: Readonly<Record<string, unknown>>,
  allow = '',
  resolve: Resolve = systemResolve,
  signal = new AbortController().signal,
): Promise<Readonly<Record<string, unknown>>> => {
  left = {};
  const context: StepContext = {
    taskId: 't1',
    stepId: 's1',
    input,
    requirement: { kind: 'cpu' },
    redactor: NO_SECRETS,
    attempt: 1,
    model: () => Promise.reject(new Error('no model')),
    workspace: () => Promise.reject(new Error('this step has no files')),
    token: () => undefined,
    progress: () => undefined,
    signal,
  };
  const result: StepResult = await httpRequestStep(parseAllowed(allow) ?? [], resolve)(context);
  return result.output as Readonly<Record<string, unknown>>;
};

const REFUSED = { code: 'HTTP_ADDRESS_REFUSED' };

describe('an address that is not to be reached', () => {
  const inside = names({
    'inside.test': [['127.0.0.1']],
    'both.test': [['93.184.216.34', '127.0.0.1']],
    'six.test': [['::1']],
    'mapped.test': [['::ffff:127.0.0.1']],
    'zone.test': [['fe80::1%lo']],
    'cloud.test': [['169.254.169.254']],
    'nat64.test': [['64:ff9b::7f00:1']],
    localhost: [['127.0.0.1']],
  });

  it.each([
    'http://127.0.0.1:PORT/',
    'http://127.1:PORT/',
    'http://127.0.1:PORT/',
    'http://2130706433:PORT/',
    'http://0x7f000001:PORT/',
    'http://0x7f.0.0.1:PORT/',
    'http://0177.0.0.1:PORT/',
    'http://017700000001:PORT/',
    'http://127.0.0.1.:PORT/',
    'http://0:PORT/',
    'http://0.0.0.0:PORT/',
    'http://[::]:PORT/',
    'http://[::1]:PORT/',
    'http://[0:0:0:0:0:0:0:1]:PORT/',
    'http://[::ffff:127.0.0.1]:PORT/',
    'http://[::ffff:7f00:1]:PORT/',
    'http://[::127.0.0.1]:PORT/',
    'http://[64:ff9b::127.0.0.1]:PORT/',
    'http://[2002:7f00:1::]:PORT/',
    'http://[fd00:ec2::254]/',
    'http://[fe80::1%25lo]:PORT/',
    'http://[fe80::1]:PORT/',
    'http://169.254.169.254/latest/meta-data/',
    'http://100.100.100.200/',
    'http://10.0.0.1:PORT/',
    'http://localhost:PORT/',
    'http://LOCALHOST:PORT/',
    'http://localhost.:PORT/',
    'http://any.localhost:PORT/',
    'http://inside.test:PORT/',
    'http://both.test:PORT/',
    'http://six.test:PORT/',
    'http://mapped.test:PORT/',
    'http://zone.test:PORT/',
    'http://cloud.test/',
    'http://nat64.test:PORT/',
    'http://127。0。0。1:PORT/',
    'http://127｡0.0.1:PORT/',
    'http://１２７.0.0.1:PORT/',
    'http://①②⑦.0.0.1:PORT/',
    'http://ⓛocalhost:PORT/',
    'http://%31%32%37.0.0.1:PORT/',
    'http://user@127.0.0.1:PORT/',
    'http://example.com@127.0.0.1:PORT/',
    'http://user:secret@example.com/',
    'http://@example.com/',
    'http://127.0.0.1:PORT\\@example.com/',
    'http:\\\\127.0.0.1:PORT/',
    'http:/127.0.0.1:PORT/',
    'http:127.0.0.1:PORT/',
    'http:///127.0.0.1:PORT/',
    '//127.0.0.1:PORT/',
    'http://example.com:PORT/\r\nX-Injected: 1',
    'http://example.com/%0d%0a x',
    'ht\ttp://127.0.0.1:PORT/',
    ' http://127.0.0.1:PORT/',
    'file:///etc/passwd',
    'gopher://127.0.0.1:PORT/_x',
    'ftp://127.0.0.1/',
    'data:text/plain,x',
    'unix:/var/run/docker.sock',
    'http://',
    'http://exa mple.com/',
    'http://[::1',
  ])('%j is refused, and nothing is connected', async (url) => {
    const { port, seen } = await listen();
    await expect(send({ url: url.replace('PORT', String(port)) }, '', inside)).rejects.toMatchObject(REFUSED);
    expect(seen).toHaveLength(0);
  });

  it('is one on a port that the list does not name', async () => {
    const { port, seen } = await listen();
    for (const allow of ['127.0.0.1', 'inside.test', `127.0.0.1:${port + 1}`]) {
      const sent = send({ url: `http://inside.test:${port}/` }, allow, inside);
      await expect(sent).rejects.toMatchObject({
        ...REFUSED,
        message: expect.stringMatching(/other ports only/),
      });
    }
    expect(seen).toHaveLength(0);
  });

  it('is one to which a name has changed between two requests, and each request asks once', async () => {
    const { port, seen } = await listen((request, response) => {
      if (request.url === '/first') response.writeHead(302, { location: '/second' });
      response.end();
    });
    let asked = 0;
    const turning = names({ 'turning.test': [['127.0.0.1'], ['10.0.0.1']] });
    const counted: Resolve = (host, done) => {
      asked += 1;
      turning(host, done);
    };
    const sent = send({ url: `http://turning.test:${port}/first` }, '127.0.0.1:*', counted);
    await expect(sent).rejects.toMatchObject({ ...REFUSED, details: { address: '10.0.0.1' } });
    expect(seen.map(({ request }) => request.url)).toEqual(['/first']);
    expect(asked).toBe(2);
  });

  it.each([
    ['http://127.0.0.1:PORT/private', REFUSED],
    ['//127.0.0.1:PORT/private', REFUSED],
    ['http://0x7f.1:PORT/private', REFUSED],
    ['http://[::ffff:127.0.0.1]:PORT/private', REFUSED],
    ['http://169.254.169.254/', REFUSED],
    ['http://inside.test:1/', REFUSED],
    ['http://x:y@open.test:PORT/', REFUSED],
    ['file:///etc/passwd', REFUSED],
    ['gopher://127.0.0.1/_x', REFUSED],
    ['javascript:alert(1)', REFUSED],
    ['http://[', REFUSED],
  ])('is not reached by a redirect to %s', async (location, error) => {
    const { port, seen } = await listen((request, response) => {
      const next = request.url === '/1' ? '/2' : location.replace('PORT', String(port));
      response.writeHead(302, { location: next }).end();
    });
    const resolve = names({ 'open.test': [['127.0.0.1']], 'inside.test': [['127.0.0.1']] });
    const sent = send({ url: `http://open.test:${port}/1` }, `open.test:${port}`, resolve);
    await expect(sent).rejects.toMatchObject(error);
    expect(seen.map(({ request }) => request.url)).toEqual(['/1', '/2']);
  });

  it.each([
    ['a line break', { 'x-a': 'b\r\nx-injected: 1' }],
    ['a bare line feed', { 'x-a': 'b\nc' }],
    ['a null character', { 'x-a': 'b\0' }],
    ['letters beyond Latin-1, of which a byte could be a line break', { 'x-a': 'b\u010d\u010a' }],
    ['another host', { Host: 'admin.internal' }],
    ['a length of its own', { 'content-length': '0' }],
    ['a second body', { 'Transfer-Encoding': 'chunked' }],
    ['a proxy', { 'proxy-authorization': 'x' }],
    ['one twice', { 'x-a': '1', 'X-A': '2' }],
  ])('is not reached by headers with %s', async (_, headers) => {
    const { port, seen } = await listen();
    await expect(send({ url: `http://127.0.0.1:${port}/`, headers }, '127.0.0.1:*')).rejects.toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(/^headers\.[a-z-]+: /),
    });
    expect(seen).toHaveLength(0);
  });

  it('is not reached through a proxy of the environment', async () => {
    const proxy = await listen();
    const server = await listen();
    process.env['HTTP_PROXY'] = process.env['http_proxy'] = `http://127.0.0.1:${proxy.port}`;
    try {
      await send({ url: `http://127.0.0.1:${server.port}/` }, '127.0.0.1:*');
    } finally {
      delete process.env['HTTP_PROXY'];
      delete process.env['http_proxy'];
    }
    expect([proxy.seen.length, server.seen.length]).toEqual([0, 1]);
  });
});

const ALLOWED = '127.0.0.1:*';

describe('a request', () => {
  it('sends what it is given, and answers with all of it', async () => {
    const { port, seen } = await listen(
      (_, response) =>
        void response
          .writeHead(201, { 'Content-Type': 'application/json; charset=utf-8', 'X-One': '1' })
          .end('{"a":[1,"ü"]}'),
    );
    const output = await send(
      {
        method: 'PUT',
        url: `http://127.0.0.1:${port}/things?x=1`,
        query: { y: ['a b', 2], z: true },
        headers: { Authorization: 'Bearer s', 'X-Number': 5 },
        json: { n: null },
      },
      ALLOWED,
    );
    expect(output).toEqual({
      status: 201,
      headers: expect.objectContaining({ 'content-type': 'application/json; charset=utf-8', 'x-one': '1' }),
      json: { a: [1, 'ü'] },
      url: `http://127.0.0.1:${port}/things?x=1&y=a+b&y=2&z=true`,
      truncated: false,
      duration_ms: expect.any(Number),
    });
    const [{ request, body } = { request: undefined, body: '' }] = seen;
    expect([request?.method, request?.url, body]).toEqual([
      'PUT',
      '/things?x=1&y=a+b&y=2&z=true',
      '{"n":null}',
    ]);
    expect(request?.headers).toMatchObject({
      authorization: 'Bearer s',
      'content-type': 'application/json',
      'user-agent': expect.stringMatching(/^ai-task-orchestra\//),
      'x-number': '5',
    });
  });

  it.each([
    [{}, 'GET', '', undefined],
    [{ text: 'héllo' }, 'POST', 'héllo', 'text/plain; charset=utf-8'],
    [{ form: { a: '1 2', b: ['x', 'y'] } }, 'POST', 'a=1+2&b=x&b=y', 'application/x-www-form-urlencoded'],
    [{ text: '<a/>', headers: { 'content-type': 'text/xml' } }, 'POST', '<a/>', 'text/xml'],
    [{ method: 'DELETE' }, 'DELETE', '', undefined],
  ])('with %j is sent as %s', async (input, method, body, type) => {
    const { port, seen } = await listen();
    await send({ url: `http://127.0.0.1:${port}/`, ...input }, ALLOWED);
    expect(seen[0]?.request.method).toBe(method);
    expect(seen[0]?.body).toBe(body);
    expect(seen[0]?.request.headers['content-type']).toBe(type);
  });

  it.each([
    ['application/json', '{"a":1}', 'auto', { json: { a: 1 } }],
    ['application/problem+json', '[1]', 'auto', { json: [1] }],
    ['application/json', '{broken', 'auto', { text: '{broken' }],
    ['text/html; charset=iso-8859-1', Buffer.from([0xe9]), 'auto', { text: 'é' }],
    ['application/octet-stream', 'ab', 'auto', { base64: 'YWI=' }],
    ['', Buffer.from([0xff, 0xfe, 0x00]), 'auto', { base64: '//4A' }],
    ['', 'plain', 'auto', { text: 'plain' }],
    ['image/png', '{"a":1}', 'json', { json: { a: 1 } }],
    ['application/json', '{"a":1}', 'text', { text: '{"a":1}' }],
    ['text/plain', 'ab', 'base64', { base64: 'YWI=' }],
    ['text/plain; charset=nonsense', 'ü', 'auto', { text: 'ü' }],
  ])('reads %j %j as %s', async (type, body, parse, expected) => {
    const { port } = await listen((_, response) => {
      if (type !== '') response.setHeader('content-type', type);
      response.end(body);
    });
    expect(await send({ url: `http://127.0.0.1:${port}/`, parse }, ALLOWED)).toMatchObject(expected);
  });

  it.each([
    ['{broken', /begins with '\{broken'/],
    [`${'['.repeat(200)}${']'.repeat(200)}`, /nests deeper than 100 levels/],
    [`"${'x'.repeat(2_000)}"`, /cut off; raise max_response_bytes/],
  ])('fails when JSON was asked for and %.20s came', async (body, says) => {
    const { port } = await listen((_, response) => void response.end(body));
    const input = { url: `http://127.0.0.1:${port}/`, parse: 'json', max_response_bytes: 1_000 };
    await expect(send(input, ALLOWED)).rejects.toMatchObject({
      code: 'HTTP_ANSWER_INVALID',
      message: expect.stringMatching(says),
    });
  });

  it('cuts an answer off at the limit, also one that only grows when it is unpacked', async () => {
    let written = 0;
    const { port } = await listen((request, response) => {
      response.setHeader('content-type', 'text/plain');
      if (request.url === '/packed') {
        response.setHeader('content-encoding', 'gzip');
        return void response.end(gzipSync(Buffer.alloc(50 * 1024 * 1024, 'a')));
      }
      const more = (): void => {
        written += 65_536;
        if (!response.destroyed && response.write('ü'.repeat(32_768))) setImmediate(more);
        else response.once('drain', more);
      };
      more();
    });
    const limit = { max_response_bytes: 1_001 };
    const endless = await send({ url: `http://127.0.0.1:${port}/endless`, ...limit }, ALLOWED);
    expect(endless).toMatchObject({ text: 'ü'.repeat(500), truncated: true });
    const packed = await send({ url: `http://127.0.0.1:${port}/packed`, ...limit }, ALLOWED);
    expect(packed).toMatchObject({ text: 'a'.repeat(1_001), truncated: true });
    expect(written).toBeGreaterThan(0);
  });

  it.each([
    [301, 'POST', 'GET', ''],
    [302, 'POST', 'GET', ''],
    [303, 'PUT', 'GET', ''],
    [307, 'POST', 'POST', 'data'],
    [308, 'PUT', 'PUT', 'data'],
    [302, 'PUT', 'PUT', 'data'],
  ])('follows a %d after %s with %s', async (status, method, then, body) => {
    const { port, seen } = await listen((request, response) => {
      if (request.url === '/a') response.writeHead(status, { location: 'b?c#d' });
      response.end('end');
    });
    const output = await send(
      { url: `http://127.0.0.1:${port}/a`, method, text: 'data', headers: { cookie: 'c=1' } },
      ALLOWED,
    );
    expect(output).toMatchObject({ status: 200, url: `http://127.0.0.1:${port}/b?c`, text: 'end' });
    expect(seen[1]?.request).toMatchObject({ method: then, url: '/b?c', headers: { cookie: 'c=1' } });
    expect(seen[1]?.body).toBe(body);
  });

  it('takes no secret to another origin, and no cookie from an answer', async () => {
    const other = await listen();
    const { port, seen } = await listen((request, response) => {
      const location = request.url === '/a' ? '/b' : `http://127.0.0.1:${other.port}/c`;
      response.writeHead(307, { location, 'set-cookie': 'a=b' }).end();
    });
    const headers = { authorization: 'Bearer s', cookie: 'c=1', 'x-api-key': 'k', accept: 'text/plain' };
    await send({ url: `http://127.0.0.1:${port}/a`, headers }, ALLOWED);
    expect(seen[1]?.request.headers).toMatchObject(headers);
    const arrived = other.seen[0]?.request.headers ?? {};
    expect(arrived['accept']).toBe('text/plain');
    expect(['authorization', 'cookie', 'x-api-key'].filter((name) => name in arrived)).toEqual([]);
  });

  it('gives up on a chain of redirects, and leaves one alone when none is to be followed', async () => {
    const { port, seen } = await listen(
      (_, response) => void response.writeHead(302, { location: '/again' }).end(),
    );
    await expect(
      send({ url: `http://127.0.0.1:${port}/`, follow_redirects: 3 }, ALLOWED),
    ).rejects.toMatchObject({
      code: 'HTTP_ANSWER_INVALID',
      message: expect.stringMatching(/more than 3 redirects/),
    });
    expect(seen).toHaveLength(4);
    const alone = { url: `http://127.0.0.1:${port}/`, follow_redirects: 0, expect_status: ['3xx'] };
    expect(await send(alone, ALLOWED)).toMatchObject({ status: 302, headers: { location: '/again' } });
  });

  it.each([
    [404, {}, 'HTTP_STATUS_UNEXPECTED', { status: 404 }],
    [401, {}, 'HTTP_STATUS_UNEXPECTED', { status: 401 }],
    [501, {}, 'HTTP_STATUS_UNEXPECTED', { status: 501 }],
    [500, {}, 'HTTP_SERVER_FAILED', { status: 500 }],
    [503, { 'retry-after': '7' }, 'HTTP_SERVER_FAILED', { status: 503, retryAfterMs: 7_000 }],
    [
      429,
      { 'retry-after': 'Thu, 01 Jan 1970 00:00:00 GMT' },
      'HTTP_SERVER_FAILED',
      { status: 429, retryAfterMs: 0 },
    ],
  ])('that is answered %d %j fails with %s', async (status, headers, code, details) => {
    const { port } = await listen(
      (_, response) => void response.writeHead(status, headers).end('the reason'),
    );
    const error: unknown = await send({ url: `http://127.0.0.1:${port}/p?secret=1` }, ALLOWED).catch(
      (e: unknown) => e,
    );
    expect(error).toMatchObject({
      code,
      details,
      message: expect.stringMatching(`/p answers ${status}.*'the reason'`),
    });
    expect((error as Error).message).not.toContain('secret');
    expect(await send({ url: `http://127.0.0.1:${port}/`, expect_status: [status] }, ALLOWED)).toMatchObject({
      status,
      text: 'the reason',
    });
  });

  it('fails as unreachable where nothing listens, no name is known, or the answer breaks off', async () => {
    const { port } = await listen((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('half', () => response.destroy());
    });
    const gone = await listen();
    open.splice(open.length - 1, 1)[0]?.close();
    const unreachable = { code: 'HTTP_UNREACHABLE', message: expect.stringMatching(/^GET http:/) };
    await expect(send({ url: `http://127.0.0.1:${gone.port}/` }, ALLOWED)).rejects.toMatchObject(unreachable);
    await expect(send({ url: `http://127.0.0.1:${port}/` }, ALLOWED)).rejects.toMatchObject(unreachable);
    await expect(send({ url: 'http://nobody.test/' }, ALLOWED, names({}))).rejects.toMatchObject(unreachable);
    await expect(send({ url: `https://127.0.0.1:${port}/` }, ALLOWED)).rejects.toMatchObject({
      code: 'HTTP_UNREACHABLE',
    });
  });

  it('fails for an answer with more headers than anybody needs', async () => {
    const sockets: Socket[] = [];
    const server = createRawServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => undefined);
      socket.write(`HTTP/1.1 200 OK\r\n${'x-much: yes\r\n'.repeat(5_000)}\r\n`);
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    open.push({ close: () => (sockets.forEach((socket) => socket.destroy()), server.close()) });
    const { port } = server.address() as AddressInfo;
    await expect(send({ url: `http://127.0.0.1:${port}/` }, ALLOWED)).rejects.toMatchObject({
      code: 'HTTP_UNREACHABLE',
      details: { cause: 'HPE_HEADER_OVERFLOW' },
    });
  });

  it.each(['/silent', '/slow'])('gives up on %s when its time is over', async (path) => {
    const { port } = await listen((request, response) => {
      if (request.url === '/slow') response.write('a beginning');
    });
    await expect(
      send({ url: `http://127.0.0.1:${port}${path}`, timeout_ms: 150 }, ALLOWED),
    ).rejects.toMatchObject({
      code: 'HTTP_TIMED_OUT',
      details: { timeoutMs: 150 },
    });
  });

  it.each(['/silent', '/slow'])(
    'of %s ends when the attempt is aborted, and the server sees it',
    async (path) => {
      const abort = new AbortController();
      let seen = (): void => undefined;
      const closed = new Promise<void>((resolve) => (seen = resolve));
      const { port } = await listen((request, response) => {
        request.socket.once('close', seen);
        if (request.url === '/slow') response.write('a beginning', () => abort.abort());
        else abort.abort();
      });
      const sent = send({ url: `http://127.0.0.1:${port}${path}` }, ALLOWED, systemResolve, abort.signal);
      await expect(sent).rejects.toMatchObject({ code: 'RUN_ABORTED' });
      await closed;
    },
  );
});
