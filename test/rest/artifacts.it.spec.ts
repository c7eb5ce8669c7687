import { createHash, randomBytes } from 'node:crypto';
import { request } from 'node:http';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Objm } from '@nats-io/obj';
import { STREAMS } from '#libs/contracts/streams.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import type { ArtifactList } from '#libs/contracts/queries.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: what a task stores is listed, downloaded as it was stored, and read by other tasks. */
const TEMPLATES = {
  stores: `
name: stores
parameters: { text: { type: string, required: true }, times: { type: integer, default: 1 } }
steps:
  - { id: write, type: write_file, with: { path: 'out/long.txt', text: '{{ parameters.text }}' } }
  - { id: save, type: store_result, with: { name: 'long.txt', from_file: 'out/long.txt' } }
  - { id: page, type: store_result, with: { name: 'page.html', content: '<script>alert(1)</script>' } }
output: '{{ steps.save.output.artifact.reference }}'
`,
  reads: `
name: reads
parameters: { from: { type: string, required: true } }
steps:
  - { id: fetch, type: write_file, with: { path: 'in.txt', artifact: '{{ parameters.from }}' } }
  - { id: look, type: read_files, with: { artifacts: ['{{ parameters.from }}'], max_bytes: 12 } }
output: { sha256: '{{ steps.fetch.output.sha256 }}', begins: '{{ steps.look.output.files[0].text }}' }
`,
  copies: `
name: copies
parameters: { from: { type: string, required: true } }
steps:
  - { id: fetch, type: write_file, with: { path: 'in.bin', artifact: '{{ parameters.from }}' } }
output: '{{ steps.fetch.output.sha256 }}'
`,
};

const TEXT = 'Rivers are long. '.repeat(12_000);
const DIGEST = createHash('sha256').update(TEXT).digest('hex');

let platform: TestPlatform;
let client: RestClient;
let id: string;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await client.call('GET', `/templates/${name}`)).status !== 200);
  }
  id = await client.submit({ template: 'stores', parameters: { text: TEXT } });
  expect(await client.ended(id)).toMatchObject({ status: 'completed', result: `${id}/long.txt` });
}, 60_000);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

const list = async (taskId: string): Promise<ArtifactList['items']> => {
  const answer = await client.call('GET', `/tasks/${taskId}/artifacts`);
  expect(answer.status).toBe(200);
  client.fits(answer, 'ArtifactList');
  return (answer.json as ArtifactList).items;
};

describe('the artifacts of a task', () => {
  it('are listed by name', async () => {
    expect(await list(id)).toEqual([
      {
        reference: `${id}/long.txt`,
        name: 'long.txt',
        step_id: 'save',
        size_bytes: TEXT.length,
        digest: `sha256:${DIGEST}`,
        content_type: 'text/plain; charset=utf-8',
        stored_at: expect.any(String),
        removed_at: null,
        removed_reason: null,
      },
      expect.objectContaining({ name: 'page.html', content_type: 'text/html; charset=utf-8' }),
    ]);
    expect(await list(await client.submit())).toEqual([]);
  });

  it('stand in the log with the end of their step', async () => {
    const events = await client.call('GET', `/tasks/${id}/events`);
    const { items } = events.json as { items: readonly { type: string; data: { step?: object } }[] };
    const stored = items.flatMap(({ data: { step } }) =>
      step && 'artifacts' in step ? [step.artifacts] : [],
    );
    expect(stored).toEqual([
      [
        {
          name: 'long.txt',
          object: expect.stringMatching(new RegExp(`^${id}/`)),
          sizeBytes: TEXT.length,
          digest: `sha256:${DIGEST}`,
          contentType: 'text/plain; charset=utf-8',
        },
      ],
      [expect.objectContaining({ name: 'page.html' })],
    ]);
  });

  it('are downloaded as they were stored, once', async () => {
    const answer = await client.call('GET', `/tasks/${id}/artifacts/long.txt`);
    expect([answer.status, answer.text === TEXT]).toEqual([200, true]);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'content-length': String(TEXT.length),
      'content-disposition': 'attachment; filename="long.txt"',
      'x-content-type-options': 'nosniff',
      'repr-digest': `sha-256=:${Buffer.from(DIGEST, 'hex').toString('base64')}:`,
      etag: `"sha256:${DIGEST}"`,
    });
    const again = await client.call('GET', `/tasks/${id}/artifacts/long.txt`, undefined, {
      'if-none-match': `"other", ${answer.headers.etag ?? ''}`,
    });
    expect([again.status, again.text]).toEqual([304, '']);
    const head = await client.call('HEAD', `/tasks/${id}/artifacts/long.txt`);
    expect([head.status, head.text, head.headers['content-length']]).toEqual([200, '', String(TEXT.length)]);
  });

  it('run nothing in a browser', async () => {
    const { headers } = await client.call('GET', `/tasks/${id}/artifacts/page.html`);
    expect(headers['content-disposition']).toMatch(/^attachment/);
    expect(headers['content-security-policy']).toMatch(/sandbox/);
  });

  it('are read by another task, by the name that the first one gave as its result', async () => {
    const reader = await client.submit({ template: 'reads', parameters: { from: `${id}/long.txt` } });
    expect(await client.ended(reader)).toMatchObject({
      status: 'completed',
      result: { sha256: DIGEST, begins: 'Rivers are l' },
    });
  });

  it.each([
    ['/tasks/nowhere/artifacts', 404, 'TASK_UNKNOWN'],
    ['/tasks/nowhere/artifacts/x', 404, 'ARTIFACT_UNKNOWN'],
    ['/tasks/NO/artifacts', 422, 'VALIDATION_FAILED'],
    ['/tasks/x/artifacts/%2e%2e%2fetc', 422, 'VALIDATION_FAILED'],
  ])('%s is %d %s', async (path, status, code) => {
    const answer = await client.call('GET', path);
    expect([answer.status, answer.json]).toMatchObject([status, { code }]);
    client.fits(answer, 'Problem');
  });

  it('break off where they are not what was stored, before the length that was announced', async () => {
    const damaged = await client.submit({ template: 'stores', parameters: { text: 'x'.repeat(200_000) } });
    await client.ended(damaged);
    const events = await client.call('GET', `/tasks/${damaged}/events`);
    const object = /"object":"([^"]+)"/.exec(events.text)?.[1] ?? '';
    const objects = await new Objm(platform.connection).open('artifacts');
    await objects.putBlob({ name: object, options: { max_chunk_size: 50_000 } }, Buffer.alloc(200_000, 'y'));
    await expect(client.call('GET', `/tasks/${damaged}/artifacts/long.txt`)).rejects.toThrow(
      /aborted|hang up/,
    );
    await objects.delete(object);
    await objects.putBlob({ name: object }, Buffer.from('y'));
    const answer = await client.call('GET', `/tasks/${damaged}/artifacts/long.txt`);
    expect([answer.status, answer.json]).toMatchObject([502, { code: 'ARTIFACT_DAMAGED' }]);
  });
});

describe('a file that is sent for tasks', () => {
  const bytes = randomBytes(3 * 1024 * 1024);
  const digest = createHash('sha256').update(bytes).digest('hex');
  const send = async (name: string, body: Uint8Array<ArrayBuffer> | string, query = ''): Promise<Response> =>
    await fetch(`${platform.url}/api/v1/artifacts/${name}${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/octet-stream' },
      body,
    });
  const reads = async (from: string) =>
    await client.ended(await client.submit({ template: 'reads', parameters: { from } }));

  it('is read by a task that gets its name as a parameter, and downloaded', async () => {
    const sent = await send('book.pdf', bytes);
    expect(sent.status).toBe(201);
    const uploaded = (await sent.json()) as { readonly reference: string };
    expect(uploaded).toEqual({
      reference: expect.stringMatching(/^upload-[0-9a-f-]{36}\/book\.pdf$/),
      name: 'book.pdf',
      size_bytes: bytes.length,
      digest: `sha256:${digest}`,
      content_type: 'application/pdf',
    });
    const fetched = await fetch(`${platform.url}/api/v1/artifacts/${uploaded.reference}`);
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true);
    const copied = await client.submit({ template: 'copies', parameters: { from: uploaded.reference } });
    expect(await client.ended(copied)).toMatchObject({ status: 'completed', result: digest });
  });

  it('belongs to the workspace that it was sent to', async () => {
    const { reference } = (await (await send('lab.txt', 'ours', '?workspace=lab')).json()) as {
      readonly reference: string;
    };
    expect(await reads(reference)).toMatchObject({ status: 'failed', error: { code: 'ARTIFACT_UNKNOWN' } });
  });

  it.each([
    ['no name', 'a%20b', 'application/octet-stream', 422, 'VALIDATION_FAILED'],
    ['JSON', 'a.json', 'application/json', 415, 'MEDIA_TYPE_UNSUPPORTED'],
  ])('%s is refused', async (_, name, type, status, code) => {
    const answer = await client.call('POST', `/artifacts/${name}`, '{}', { 'content-type': type });
    expect([answer.status, answer.json]).toMatchObject([status, { code }]);
  });

  it('is refused as bytes anywhere else', async () => {
    const answer = await client.call('POST', '/tasks', 'x', { 'content-type': 'application/octet-stream' });
    expect([answer.status, answer.json]).toMatchObject([415, { code: 'MEDIA_TYPE_UNSUPPORTED' }]);
  });

  it('is no artifact where it breaks off', async () => {
    const target = new URL(platform.url);
    const tasks = jetStreamEventLog(platform.connection, STREAMS.tasks);
    const { lastSeq } = await tasks.tail();
    const call = request({
      host: target.hostname,
      port: target.port,
      method: 'POST',
      path: '/api/v1/artifacts/half.bin',
      headers: { 'content-type': 'application/octet-stream', 'content-length': 4 * 1024 * 1024 },
    });
    call.on('error', () => undefined);
    await new Promise<void>((resolve) => call.write(bytes, () => resolve()));
    call.destroy();
    // What comes behind it says that it was dealt with.
    expect((await send('whole.bin', 'whole')).status).toBe(201);
    const names: string[] = [];
    for await (const { data } of tasks.replay(
      { seq: lastSeq, hash: '' },
      { filterSubjects: ['evt.scheduler.>'] },
    ))
      names.push((data as { readonly artifact: { readonly name: string } }).artifact.name);
    expect(names).toEqual(['whole.bin']);
  });
});
