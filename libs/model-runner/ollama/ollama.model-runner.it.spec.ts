import { createServer, type IncomingMessage, type RequestListener, type Server } from 'http';
import type { AddressInfo } from 'net';
import { afterEach, describe, expect, it } from '@jest/globals';
import type { ModelRunnerError } from '../model-runner-error.js';
import type { ModelRequest } from '../model-runner.js';
import { OllamaModelRunner } from './ollama.model-runner.js';
import type { OllamaOptions } from './ollama-options.js';

const profile = { model: 'any:1b', options: { numCtx: 512 } };
const generate: ModelRequest = { kind: 'generate', profile, prompt: 'Hello' };
const DONE = JSON.stringify({
  response: '',
  done: true,
  done_reason: 'stop',
  eval_count: 2,
  eval_duration: 5_000_000,
});

/** Servers that no real one is: what the adapter must survive rather than what it must understand. */
describe('the Ollama adapter against a server that misbehaves', () => {
  const servers: Server[] = [];
  const listen = async (listener: RequestListener): Promise<string> => {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  };
  const runner = async (
    listener: RequestListener,
    options: Partial<OllamaOptions> = {},
  ): Promise<OllamaModelRunner> =>
    new OllamaModelRunner({ baseUrl: await listen(listener), firstTokenTimeoutMs: 500, ...options });

  afterEach(async () => {
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  it('puts characters together that arrive in pieces', async () => {
    const said = 'Größe 数 🚢 fin';
    const bytes = Buffer.from(`${JSON.stringify({ response: said, done: false })}\n${DONE}\n`);
    const tested = await runner((_, response) => {
      const send = (at: number): void => {
        if (at === bytes.length) response.end();
        else response.write(bytes.subarray(at, at + 1), () => send(at + 1));
      };
      send(0);
    });
    expect(await tested.run(generate, {})).toMatchObject({
      text: said,
      doneReason: 'stop',
      usage: { generationMs: 5 },
    });
  });

  it('accepts a last line without an end', async () => {
    const tested = await runner((_, response) => void response.end(`{"response":"a"}\n${DONE}`));
    expect((await tested.run(generate, {})).text).toBe('a');
  });

  it('does not follow a redirect', async () => {
    const elsewhere: IncomingMessage[] = [];
    const target = await listen((request, response) => {
      elsewhere.push(request);
      response.end(DONE);
    });
    const tested = await runner((_, response) => void response.writeHead(307, { location: target }).end());
    await expect(tested.run(generate, {})).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    expect(elsewhere).toHaveLength(0);
  });

  it('does not go through a proxy of the environment', async () => {
    const tested = await runner((_, response) => void response.end(DONE));
    process.env['HTTP_PROXY'] = process.env['http_proxy'] = 'http://127.0.0.1:9';
    try {
      expect((await tested.run(generate, {})).doneReason).toBe('stop');
    } finally {
      delete process.env['HTTP_PROXY'];
      delete process.env['http_proxy'];
    }
  });

  it.each([
    { of: 'a line without end', body: 'x'.repeat(3_000), code: 'OUTPUT_TOO_LARGE' },
    { of: 'a line that is no JSON', body: '<html>\n', code: 'MODEL_STREAM_BROKEN' },
    { of: 'a line that is no object', body: '[1]\n', code: 'MODEL_STREAM_BROKEN' },
    { of: 'nothing', body: '', code: 'MODEL_STREAM_BROKEN' },
    {
      of: 'text without an end',
      body: `{"response":"${'y'.repeat(900)}"}\n`.repeat(3),
      code: 'OUTPUT_TOO_LARGE',
    },
    {
      of: 'an error line',
      body: '{"error":"an error was encountered while running the model"}\n',
      code: 'MODEL_ERROR',
    },
  ])('refuses $of', async ({ body, code }) => {
    const tested = await runner((_, response) => void response.end(body), {
      maxLineBytes: 2_000,
      maxOutputBytes: 2_000,
    });
    await expect(tested.run(generate, {})).rejects.toMatchObject({ code });
  });

  it.each([
    { status: 404, body: '404 page not found', code: 'MODEL_REQUEST_REFUSED' },
    { status: 404, body: '{"error":"model \'any:1b\' not found"}', code: 'MODEL_NOT_FOUND' },
    {
      status: 500,
      body: '{"error":"llama runner process has terminated: exit status 2"}',
      code: 'MODEL_LOAD_FAILED',
    },
    { status: 502, body: '<html>Bad gateway</html>', code: 'SERVER_UNREACHABLE' },
    {
      status: 503,
      body: '{"error":"server busy, please try again.  maximum pending requests exceeded"}',
      code: 'SERVER_BUSY',
    },
    { status: 400, body: '{"error":"bad"}', code: 'MODEL_REQUEST_REFUSED' },
  ])('reads $status $body as $code', async ({ status, body, code }) => {
    const tested = await runner((_, response) => void response.writeHead(status).end(body));
    await expect(tested.run(generate, {})).rejects.toMatchObject({ code, details: { status } });
  });

  it('refuses embeddings that do not fit the texts', async () => {
    const tested = await runner((_, response) => void response.end('{"embeddings":[[1]]}'));
    const embed: ModelRequest = { kind: 'embed', profile, input: ['a', 'b'] };
    await expect(tested.run(embed, {})).rejects.toMatchObject({ code: 'MODEL_STREAM_BROKEN' });
  });

  it('gives up on a server that takes the request and says nothing, and closes the connection', async () => {
    let seen = (): void => undefined;
    const closed = new Promise<void>((resolve) => (seen = resolve));
    const tested = await runner((request) => void request.socket.once('close', seen), {
      firstTokenTimeoutMs: 100,
    });
    await expect(tested.run(generate, {})).rejects.toMatchObject({
      code: 'NO_PROGRESS',
      details: { waitedMs: 100 },
    });
    await closed;
  });

  it('waits longer where its caller watches over progress and allows for that, and never less', async () => {
    const tested = await runner(() => undefined, { firstTokenTimeoutMs: 50 });
    const waited = async (noProgressMs: number): Promise<unknown> =>
      await tested.run({ ...generate, noProgressMs }, {}).catch((error: ModelRunnerError) => error.details);
    expect([await waited(150), await waited(10)]).toEqual([{ waitedMs: 150 }, { waitedMs: 50 }]);
  });

  it('calls a small question that is not answered an unreachable server', async () => {
    const tested = await runner(() => undefined, { callTimeoutMs: 100 });
    await expect(tested.probe()).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
  });

  it('aborts a request that waits for its first byte, and the server sees it', async () => {
    const abort = new AbortController();
    let seen = (): void => undefined;
    const closed = new Promise<void>((resolve) => (seen = resolve));
    const tested = await runner(
      (request, response) => {
        if (request.url === '/api/ps') return void response.end('{"models":[]}');
        request.socket.once('close', seen);
        abort.abort();
      },
      { firstTokenTimeoutMs: 60_000 },
    );
    const run = tested.run(generate, {}, abort.signal);
    await expect(run).rejects.toMatchObject({
      code: 'RUN_ABORTED',
      details: { confirmedBy: 'not-resident' },
    });
    await closed;
  });
});
