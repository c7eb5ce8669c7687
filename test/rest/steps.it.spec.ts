import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

let platform: TestPlatform;
let client: RestClient;
let server: Server;
let port: number;
/** Answers of the server, each used once but the last one. */
let answers: { readonly status: number; readonly body: string }[] = [];

beforeAll(async () => {
  server = createServer((_, response) => {
    const answer = answers.length > 1 ? answers.shift() : answers[0];
    response.writeHead(answer?.status ?? 500, { 'content-type': 'application/json' }).end(answer?.body);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  ({ port } = server.address() as AddressInfo);
  platform = await TestPlatform.start({ ORCHESTRA_HTTP_ALLOW: `127.0.0.1:${port}` });
  client = await RestClient.of(platform);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
  server?.closeAllConnections();
  server?.close();
}, 60_000);

const report = async (parameters: object): Promise<object> => {
  const url = `http://127.0.0.1:${port}/rows`;
  return await client.ended(
    await client.submit({ template: 'http-report', parameters: { url, ...parameters } }),
  );
};

const ROWS = JSON.stringify([
  { name: 'a|b', score: 3 },
  { name: '=1+1', score: null },
]);
const CHECK = { type: 'array', items: { required: ['score'] } };

describe('a report of what an address answers', () => {
  it('is fetched, checked and written', async () => {
    answers = [{ status: 200, body: ROWS }];
    expect(await report({ check: CHECK, title: 'Scores' })).toMatchObject({
      status: 'completed',
      result: {
        text: '# Scores\n\n| name | score |\n| --- | --- |\n| a\\|b | 3 |\n| =1+1 |  |\n',
        media_type: 'text/markdown; charset=utf-8',
      },
    });
    expect(await report({ format: 'csv', columns: ['name'] })).toMatchObject({
      result: { text: `name\r\na|b\r\n"'=1+1"\r\n` },
    });
  });

  it('is tried again while the server is busy', async () => {
    answers = [
      { status: 503, body: '{}' },
      { status: 200, body: '[]' },
    ];
    expect(await report({ format: 'json' })).toMatchObject({
      status: 'completed',
      result: { text: '[]\n' },
      attempts: expect.arrayContaining([
        expect.objectContaining({ step_id: 'fetch', attempt: 1, outcome: 'failed' }),
        expect.objectContaining({ step_id: 'fetch', attempt: 2, outcome: 'completed' }),
      ]),
    });
  });

  it.each([
    [{ check: { ...CHECK, maxItems: 1 } }, 'VALUE_REFUSED', /value: .*expected a list/],
    [{ check: { type: 'strnig' } }, 'STEP_INPUT_INVALID', /check: this is not a JSON Schema/],
    [
      { url: 'http://127.0.0.1:1/' },
      'HTTP_ADDRESS_REFUSED',
      /port 1: it is this machine, open on other ports only/,
    ],
    [{ url: 'http://169.254.169.254/' }, 'HTTP_ADDRESS_REFUSED', /secrets/],
    [
      { format: 'text', columns: ['name'] },
      'STEP_INPUT_INVALID',
      /nothing, because json and text have no columns/,
    ],
  ])('fails for good with %j', async (parameters, code, says) => {
    answers = [{ status: 200, body: ROWS }];
    const task = (await report(parameters)) as { attempts: readonly { step_id: string; outcome: string }[] };
    expect(task).toMatchObject({ status: 'failed', error: { code, message: expect.stringMatching(says) } });
    expect(task.attempts.filter(({ outcome }) => outcome === 'failed').length).toBeLessThanOrEqual(1);
  });
});
