import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { send, type Answer } from './http-client.js';
import { RestClient } from './rest-client.js';

/** Goal: a link answers one question, once, in a page that shows what comes from outside as text; and nothing else opens by it. */
const KEY = 'a-key-of-this-installation';
const EVIL = `<script>alert(1)</script>"'&`;
const TEMPLATES = {
  sign: `
name: sign
parameters: { text: { type: string, required: true }, timeout: { type: string } }
steps:
  - { id: ask, type: approval, with: { message: 'Send {{ parameters.text }}?', text: '{{ parameters.text }}', edit: true, choices: [later], timeout: '{{ parameters.timeout }}' } }
`,
  survey: `
name: survey
steps:
  - id: fill
    type: human_input
    with:
      message: A few questions
      initial: { count: 3 }
      schema:
        type: object
        properties: { count: { type: integer, minimum: 1 }, colour: { type: string, enum: [red, blue] }, sure: { type: boolean }, tags: { type: array }, "<i>": { type: string } }
        required: [count, colour]
`,
};

let platform: TestPlatform;
let client: RestClient;

const call = async (method: string, path: string, body?: unknown): Promise<Answer> =>
  await client.call(method, path, body, { 'x-api-key': KEY });

beforeAll(async () => {
  platform = await TestPlatform.start({
    ORCHESTRA_API_KEY: KEY,
    ORCHESTRA_PUBLIC_URL: 'https://ai.example/team/',
  });
  client = await RestClient.of(platform, KEY);
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await call('GET', `/templates/${name}`)).status !== 200);
  }
}, 60_000);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

type Task = { readonly status: string; readonly result: unknown };
const asked = async (template: string, parameters: object = {}): Promise<string> => {
  const { id } = (await call('POST', '/tasks', { template, parameters })).json as { id: string };
  while (((await call('GET', `/tasks/${id}`)).json as Task).status !== 'waiting');
  return id;
};
const PUBLIC = 'https://ai.example/team';
/** The path of a new link. */
const linkTo = async (id: string, step: string, body: object = {}): Promise<string> => {
  const made = await call('POST', `/tasks/${id}/steps/${step}/link`, body);
  expect(made.status).toBe(201);
  client.fits(made, 'AnswerLink');
  const { url } = made.json as { url: string };
  expect(url.startsWith(`${PUBLIC}/api/v1/answers/`)).toBe(true);
  return url.slice(PUBLIC.length);
};
/** Without any key, as a browser. */
const open = async (path: string): Promise<Answer> => await send(platform.url, { method: 'GET', path });
const submit = async (path: string, fields: Readonly<Record<string, string>>): Promise<Answer> =>
  await send(platform.url, {
    method: 'POST',
    path,
    body: new URLSearchParams(fields).toString(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
  });
const result = async (id: string): Promise<unknown> => {
  for (;;) {
    const task = (await call('GET', `/tasks/${id}`)).json as Task;
    if (task.status === 'completed') return task.result;
    expect(task.status).toBe('waiting');
  }
};

describe('a link to an approval', () => {
  it('opens a page without a script or a key, in which everything from outside is text', async () => {
    const path = await linkTo(await asked('sign', { text: EVIL }), 'ask');
    const { status, headers, text } = await open(path);
    expect([status, headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'sha256-[^']+'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'$/,
    );
    expect(headers).toMatchObject({ 'referrer-policy': 'no-referrer', 'cache-control': 'no-store' });
    expect(text).not.toContain('<script');
    expect(text).toContain('Send &lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;?');
    expect(text).toContain('<button name="choice" value="later">later</button>');
    expect(text).toContain('name="by"');
  });

  it('answers once, in the name that the link was made for', async () => {
    const id = await asked('sign', { text: 'a draft' });
    const path = await linkTo(id, 'ask', { by: 'Ada <ada@ai.example>' });
    expect((await open(path)).text).toContain('You answer as <strong>Ada &lt;ada@ai.example&gt;</strong>');
    const answered = await submit(path, {
      choice: 'approve',
      text: 'two\r\nlines',
      by: 'mallory',
      comment: '',
    });
    expect([answered.status, answered.text]).toEqual([200, expect.stringContaining('Your answer counts')]);
    expect(await result(id)).toMatchObject({
      decision: 'approved',
      text: 'two\nlines',
      by: 'Ada <ada@ai.example>',
      comment: null,
    });
    for (const again of [await submit(path, { choice: 'reject' }), await open(path)]) {
      expect(again.status).toBe(409);
      expect(again.text).toContain('was answered by Ada &lt;ada@ai.example&gt; at ');
    }
  });

  it('asks again where something is missing or wrong, and keeps what was filled in', async () => {
    const id = await asked('sign', { text: 'a draft' });
    const path = await linkTo(id, 'ask');
    const nameless = await submit(path, { choice: 'approve', text: 'kept <b>' });
    expect([nameless.status, nameless.text]).toEqual([422, expect.stringContaining('Your name is missing')]);
    expect(nameless.text).toContain('kept &lt;b&gt;');
    const unknown = await submit(path, { choice: 'perhaps', by: 'ada' });
    expect([unknown.status, unknown.text]).toEqual([
      422,
      expect.stringContaining('choice is &#39;perhaps&#39;'),
    ]);
    expect((await submit(path, { choice: 'later', by: 'ada' })).status).toBe(200);
    expect(await result(id)).toMatchObject({ choice: 'later', by: 'ada', text: 'a draft' });
  });

  it('is good for nothing when it was changed, holds no more, or its task is over', async () => {
    const id = await asked('sign', { text: 'x' });
    const path = await linkTo(id, 'ask');
    for (const wrong of [
      `${path}x`,
      path.slice(0, -3),
      '/api/v1/answers/x',
      path.replace('answers/', 'answers/A'),
    ]) {
      const { status, text } = await open(wrong);
      expect([status, text]).toEqual([404, expect.stringContaining('is not one that was made here')]);
    }
    await call('DELETE', `/tasks/${id}`);
    expect((await submit(path, { choice: 'approve', by: 'ada' })).status).toBe(409);
    const short = await asked('sign', { text: 'x', timeout: '700ms' });
    const expiring = await linkTo(short, 'ask');
    while ((await open(expiring)).status === 200);
    expect((await open(expiring)).text).toContain('This link holds no more.');
  });

  it('opens nothing else, and forms are accepted nowhere else', async () => {
    const path = await linkTo(await asked('sign', { text: 'x' }), 'ask');
    for (const other of ['/api/v1/inbox', '/api/v1/answers', `${path}/x`])
      expect([other, [401, 404]]).toEqual([other, expect.arrayContaining([(await open(other)).status])]);
    const form = { 'content-type': 'application/x-www-form-urlencoded', 'x-api-key': KEY };
    const sent = await send(platform.url, {
      method: 'POST',
      path: '/api/v1/tasks',
      body: 'template=noop',
      headers: form,
    });
    expect(sent).toMatchObject({ status: 415, json: { code: 'MEDIA_TYPE_UNSUPPORTED' } });
    expect((await open('/api/v1/inbox')).status).toBe(401);
  });
});

describe('a link to a form', () => {
  it('shows its fields by their types, and takes what fits the schema', async () => {
    const id = await asked('survey');
    const path = await linkTo(id, 'fill', { by: 'ada' });
    const { text } = await open(path);
    expect(text).toContain(
      '<input type="number" step="any" id="data.count" name="data.count" required value="3">',
    );
    expect(text).toContain('<option value="blue">blue</option>');
    expect(text).toContain('<input type="checkbox" id="data.sure" name="data.sure">');
    expect(text).toContain('for="data.&lt;i&gt;"');
    const wrong = await submit(path, { 'data.count': '0', 'data.colour': 'red' });
    expect([wrong.status, wrong.text]).toEqual([422, expect.stringContaining('data.count')]);
    expect(wrong.text).toContain('<option value="red" selected>red</option>');
    const fields = { 'data.count': '2', 'data.colour': 'red', 'data.sure': 'on', 'data.tags': '["a"]' };
    expect((await submit(path, fields)).status).toBe(200);
    expect(await result(id)).toMatchObject({
      data: { count: 2, colour: 'red', sure: true, tags: ['a'] },
      by: 'ada',
    });
  });
});
