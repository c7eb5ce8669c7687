import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { processesWith, StepBench } from './step-bench.js';

/** Goal: steps get values where they are referred to, and whatever they do with them, none comes back. */
const VALUE = 'tok-1f9c"7&e/2 b+é';
const VALUES = { token: VALUE };
const sandbox = await findSandbox();
const mode = sandbox.kind === 'bwrap' ? {} : { ORCHESTRA_UNSANDBOXED: 'allow' };

let bench: StepBench;
let server: Server;
let url: string;
const received: { readonly url: string; readonly headers: object; readonly body: string }[] = [];

beforeAll(async () => {
  server = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      const seen = { url: request.url ?? '', headers: request.headers, body };
      received.push(seen);
      if (request.url?.startsWith('/elsewhere')) {
        response.writeHead(307, { location: `http://localhost:${(server.address() as AddressInfo).port}/` });
        response.end();
        return;
      }
      response.statusCode = request.url?.startsWith('/fail') ? 418 : 200;
      response.setHeader('content-type', 'application/json');
      response.setHeader('x-echo', encodeURIComponent(String(request.headers['x-key'] ?? '')));
      response.write(JSON.stringify(seen).slice(0, 90));
      setImmediate(() => response.end(JSON.stringify(seen).slice(90)));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  bench = await StepBench.start({ ...mode, ORCHESTRA_HTTP_ALLOW: '127.0.0.1:*, localhost:*' });
});

afterAll(async () => {
  server?.close();
  await bench?.stop();
});

const bodyOf = async (request: IncomingMessage): Promise<string> => {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
};

/** Pieces of the value that have no business in what comes back, in whatever writing. */
const PIECES = [
  'tok-1f9c',
  Buffer.from(VALUE).toString('base64').slice(4, 16),
  Buffer.from(`u:${VALUE}`).toString('base64').slice(8, 20),
  Buffer.from(VALUE).toString('hex').slice(0, 12),
];
const clean = (outcome: unknown): string => {
  const text = JSON.stringify(outcome);
  for (const piece of PIECES) expect(text).not.toContain(piece);
  return text;
};
const script = async (text: string, more: object = {}) =>
  await bench.run(
    'execute_script',
    { interpreter: 'bash', script: text, env: { TOKEN: '{{ secrets.token }}', PLAIN: "it's" }, ...more },
    { values: VALUES },
  );

describe('a script with a secret', () => {
  it('gets it as a variable and by stdin, and cannot give it back', async () => {
    const outcome = await script(
      `[ "$TOKEN" = 'tok-1f9c"7&e/2 b+é' ] && [ "$(cat)" = "<$TOKEN>" ] && echo "right, $PLAIN"
       printf %s "$TOKEN" | base64; printf 'u:%s' "$TOKEN" | base64 >&2; printf %s "$TOKEN" | od -An -tx1 | tr -d ' \\n'
       printf '{"a":%s}' '"tok-1f9c\\"7&e/2 b+é"'; echo "$TOKEN$TOKEN" >&2`,
      { stdin: '<{{ secrets.token }}>' },
    );
    expect(outcome).toMatchObject({
      kind: 'completed',
      output: { stdout: expect.stringMatching(/^right, it's\n\[secret token\]/), exit_code: 0 },
    });
    expect(clean(outcome)).toContain('[secret token][secret token]');
  });

  it('has it cut out where it comes in pieces, and where the output is cut', async () => {
    const outcome = await script(
      'printf "%s" "${TOKEN:0:9}"; sleep 0.2; printf "%s" "${TOKEN:9}"; printf "%s" "x$TOKEN" >&2',
      { max_output_bytes: 10 },
    );
    expect(outcome).toMatchObject({
      output: { stdout: '[secret to', stderr: 'x[secret t', truncated: true },
    });
    clean(outcome);
  });

  it('that fails says no value in its error', async () => {
    const outcome = await script('printf "%0590d%s" 0 "$TOKEN" >&2; exit 3');
    expect(outcome).toMatchObject({ kind: 'failed', failure: { code: 'SCRIPT_FAILED' } });
    clean(outcome);
  });

  it('leaves it in no list of processes', async () => {
    const values = { token: 'no-list-has-this-value' };
    const input = {
      interpreter: 'bash',
      script: 'sleep 600',
      env: { TOKEN: '{{ secrets.token }}' },
    };
    const attempt = bench.attempt('execute_script', input, { values, stepId: 'list' });
    let over = false;
    const running = bench.run('execute_script', input, { attempt, values }).finally(() => (over = true));
    let lines: readonly string[] = [];
    // Found by its variables, which only its own user can read; the command line is what everybody sees.
    while (lines.length === 0 && !over) lines = await processesWith(values.token);
    expect(over).toBe(false);
    expect(lines.join('\n')).not.toContain(values.token);
    attempt.abort.abort();
    await running;
  });

  it('that wrote it into a file gets it read without it', async () => {
    await script('printf "a %s b" "$TOKEN" > note.txt');
    const outcome = await bench.run('read_files', { paths: ['note.txt'] }, { values: VALUES });
    expect(outcome).toMatchObject({ output: { files: [{ text: 'a [secret token] b' }] } });
    const cut = await bench.run('read_files', { paths: ['note.txt'], max_bytes: 16 }, { values: VALUES });
    clean(cut);
  });
});

describe('a request with a secret', () => {
  const send = async (input: object) =>
    await bench.run('http_request', { url: `${url}/`, ...input }, { values: VALUES });

  it('sends it in headers, query and body, and hears none of it', async () => {
    received.length = 0;
    const outcome = await send({
      query: { k: '{{ secrets.token }}' },
      headers: { 'x-key': '{{ secrets.token }}' },
      json: { deep: [{ k: 'a {{ secrets.token }} b' }] },
    });
    expect(JSON.parse(received[0]?.body ?? '')).toEqual({ deep: [{ k: `a ${VALUE} b` }] });
    expect(new URL(received[0]?.url ?? '', url).searchParams.get('k')).toBe(VALUE);
    expect(outcome).toMatchObject({
      kind: 'completed',
      output: {
        json: { body: '{"deep":[{"k":"a [secret token] b"}]}' },
        url: expect.stringContaining('[secret token]'),
      },
    });
    expect(clean(outcome)).not.toContain(encodeURIComponent(VALUE).slice(0, 14));
  });

  it.each([
    ['an answer that is not expected', { url: '{{ secrets.address }}/fail/{{ secrets.token }}' }],
    ['an address that is none', { url: 'http://\\{{ secrets.token }}' }],
    ['an answer that is cut', { max_response_bytes: 60, query: { k: '{{ secrets.token }}' }, parse: 'text' }],
    ['a header that cannot be sent', { headers: { 'x-key': 'a\nb {{ secrets.token }}' } }],
    [
      'a value that is too long for its place',
      { method: 'GET', url: `${'{{ secrets.token }}'.repeat(430)}` },
    ],
  ])('keeps it out of %s', async (_what, input) => {
    const outcome = await bench.run(
      'http_request',
      { url: `${url}/`, ...input },
      {
        values: { ...VALUES, address: url },
      },
    );
    clean(outcome);
    expect(outcome).toMatchObject({ kind: expect.stringMatching(/^(failed|completed)$/) });
  });

  it('takes its body to no other host', async () => {
    received.length = 0;
    expect(await send({ url: `${url}/elsewhere`, text: '{{ secrets.token }}' })).toMatchObject({
      kind: 'failed',
      failure: { code: 'HTTP_ANSWER_INVALID', message: expect.stringContaining('would take the body there') },
    });
    expect(received).toHaveLength(1);
  });
});
