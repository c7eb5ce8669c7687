import { Agent, request } from 'node:http';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';

/** As many as the issue asks for; FUZZ_SEED repeats a run. */
const REQUESTS = Number(process.env['FUZZ_REQUESTS'] ?? 20_000);
const SEED = Number(process.env['FUZZ_SEED'] ?? Date.now() % 1_000_000);
const LANES = 32;

type Fuzzed = {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | undefined;
};

const word = fc.oneof(
  fc.constantFrom(
    'noop',
    'ollama-inference',
    'two-step-summary',
    'queued',
    'default',
    '0',
    '1',
    '-1',
    '',
    'null',
    '>',
    '*',
    '..',
  ),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.integer().map(String),
);
const segment = word.map((text) => encodeURIComponent(text.toWellFormed()));
/** Not always well encoded. */
const raw = fc.oneof(segment, fc.constantFrom('%', '%zz', '%00', '%2e%2e', 'a'.repeat(300), '::', '{id}'));
/** Stands for a task that was submitted before. */
const KNOWN = '-known-';
const id = fc.oneof(
  { weight: 3, arbitrary: fc.constant(KNOWN) },
  { weight: 1, arbitrary: fc.uuid({ version: 7 }) },
  { weight: 1, arbitrary: raw },
);
const path = fc.oneof(
  fc.constantFrom(
    '/api/v1/tasks',
    '/api/v1/tasks/status',
    '/api/v1/tasks/cancel',
    '/api/v1/workflows',
    '/api/v1/templates',
    '/api/v1/templates/validate',
    '/api/v1/servers',
    '/api/v1/queue',
    '/api/v1/pauses',
    '/api/v1/inbox',
    '/api/v1/answers',
    '/api/v1/schedules',
    '/api/v1/notifications/channels',
    '/api/v1/notifications/deliveries',
    '/api/v1/notifications/test',
    '/health/live',
    '/openapi.json',
    '/docs',
    '/',
  ),
  id.map((text) => `/api/v1/tasks/${text}`),
  fc
    .tuple(id, fc.constantFrom('events', 'stream', 'explain', 'priority', 'move', 'rerun', 'x'))
    .map(([text, part]) => `/api/v1/tasks/${text}/${part}`),
  fc
    .tuple(
      id,
      fc.oneof(raw, fc.constantFrom('noop', 'ask')),
      fc.constantFrom('question', 'answer', 'link', 'x'),
    )
    .map(([text, step, part]) => `/api/v1/tasks/${text}/steps/${step}/${part}`),
  raw.map((text) => `/api/v1/answers/${text}`),
  id.map((text) => `/api/v1/workflows/${text}`),
  fc
    .tuple(id, fc.constantFrom('', '/next', '/pause', '/resume', '/fire', '/x'))
    .map(([text, part]) => `/api/v1/schedules/${text}${part}`),
  fc
    .tuple(fc.oneof(raw, fc.constantFrom('attic', 'nowhere')), fc.constantFrom('drain', 'resume', 'x'))
    .map(([text, part]) => `/api/v1/servers/${text}/${part}`),
  fc
    .tuple(id, fc.constantFrom('', '/resend', '/x'))
    .map(([text, part]) => `/api/v1/notifications/deliveries/${text}${part}`),
  raw.map((text) => `/api/v1/servers/${text}`),
  raw.map((text) => `/api/v1/templates/${text}`),
  raw.map((text) => `/api/v1/pauses/${text}`),
  fc.array(raw, { maxLength: 4 }).map((parts) => `/${parts.join('/')}`),
);
const queryName = fc.oneof(
  fc.constantFrom(
    'status',
    'template',
    'label',
    'created_from',
    'created_to',
    'workspace',
    'page_size',
    'after',
    'before',
    'after_seq',
    'limit',
    'template_name',
    'workflow_id',
  ),
  segment,
);
const query = fc
  .array(fc.tuple(queryName, raw), { maxLength: 4 })
  .map((pairs) => (pairs.length === 0 ? '' : `?${pairs.map((pair) => pair.join('=')).join('&')}`));

const anything = fc.jsonValue({ maxDepth: 4 });
const mostly = <T>(good: fc.Arbitrary<T>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 4, arbitrary: good }, { weight: 1, arbitrary: anything });
const time = fc.oneof(
  fc.date().map((date) => (Number.isNaN(date.getTime()) ? 'never' : date.toISOString())),
  fc.constantFrom('2026-01-31T12:00:00Z', '2026-02-31T12:00:00Z', '2026-01-31T12:00:00+02:00'),
);
const submission = fc.record(
  {
    template: mostly(fc.constantFrom('noop', 'noop', 'ollama-inference', 'ollama-chat', 'two-step-summary')),
    parameters: mostly(
      fc.record(
        {
          echo: anything,
          delay_ms: mostly(fc.constantFrom(0, 1)),
          model: mostly(fc.constant('m:1')),
          prompt: mostly(fc.string()),
          text: mostly(fc.string()),
          messages: anything,
          options: mostly(fc.dictionary(fc.constantFrom('num_ctx', 'seed', 'stop', 'temperature'), anything)),
          fail: mostly(fc.record({ code: word, times: fc.integer() }, { requiredKeys: [] })),
        },
        { requiredKeys: [] },
      ),
    ),
    priority: mostly(fc.integer({ min: 1, max: 10 })),
    depends_on: mostly(fc.array(fc.uuid({ version: 7 }), { maxLength: 2 })),
    labels: mostly(fc.dictionary(word, word, { maxKeys: 3 })),
    workspace: mostly(fc.constantFrom('default', 'lab')),
    run_at: mostly(time),
    deadline_at: mostly(time),
    queue_ttl_ms: mostly(fc.constantFrom(1, 1_000)),
    extra: anything,
  },
  { requiredKeys: [] },
);
const right = fc.record(
  {
    template: fc.constant('noop'),
    parameters: fc.record({ echo: anything, delay_ms: fc.constantFrom(0, 1, 50) }, { requiredKeys: [] }),
    priority: fc.integer({ min: 1, max: 10 }),
    depends_on: fc.constantFrom([], [KNOWN]),
    labels: fc.dictionary(fc.constantFrom('a', 'b'), fc.string({ maxLength: 20 })),
    workspace: fc.constantFrom('default', 'lab'),
    run_at: fc.constantFrom('2026-01-31T12:00:00Z', '2026-01-31T12:00:00+02:00'),
    queue_ttl_ms: fc.constantFrom(1, 60_000),
  },
  { requiredKeys: ['template'] },
);
const taskName = fc.constantFrom('a', 'b', 'c');
const chained = fc.oneof(
  anything,
  fc.constantFrom(
    '{{ tasks.a.result }}',
    '{{ tasks.b.status }}!',
    '{{ tasks.x.result }}',
    '{{ tasks',
    '{% raw %}',
  ),
);
const workflow = fc.record(
  {
    name: mostly(fc.string({ minLength: 1, maxLength: 20 })),
    workspace: mostly(fc.constantFrom('default', 'lab')),
    tasks: mostly(
      fc.dictionary(
        fc.oneof({ weight: 9, arbitrary: taskName }, { weight: 1, arbitrary: word }),
        mostly(
          fc.record(
            {
              template: mostly(fc.constantFrom('noop', 'noop', 'ollama-inference')),
              parameters: mostly(fc.record({ echo: chained, delay_ms: chained }, { requiredKeys: [] })),
              needs: mostly(
                fc.array(
                  fc.oneof(
                    taskName,
                    fc.record({ task: taskName, on_failure: fc.constantFrom('fail', 'skip', 'continue') }),
                    anything,
                  ),
                  { maxLength: 2 },
                ),
              ),
              priority: mostly(fc.integer({ min: 1, max: 10 })),
              labels: mostly(fc.dictionary(word, word, { maxKeys: 2 })),
            },
            { requiredKeys: ['template'] },
          ),
        ),
        { maxKeys: 3 },
      ),
    ),
    labels: mostly(fc.dictionary(word, word, { maxKeys: 2 })),
  },
  { requiredKeys: ['tasks'] },
);
const rightWorkflow = fc.record({
  tasks: fc.constantFrom(
    { a: { template: 'noop' } },
    { b: { template: 'noop', needs: [{ task: 'a', on_failure: 'continue' }] }, a: { template: 'noop' } },
  ),
});
const templateText = fc.oneof(
  fc.string({ maxLength: 200 }),
  anything.map((value) => JSON.stringify(value)),
  fc
    .tuple(word, word, fc.string())
    .map(
      ([name, type, text]) =>
        `name: ${name}\nsteps:\n  - id: a\n    type: ${type}\n    with: { echo: ${JSON.stringify(`{{ ${text} }}`)} }\n`,
    ),
  fc.tuple(anything, anything).map(([parameters, steps]) => JSON.stringify({ name: 't', parameters, steps })),
);
const cancelling = fc.record(
  {
    workspace: mostly(fc.constantFrom('default', 'lab')),
    template: mostly(fc.constantFrom('noop', 'ollama-chat')),
    labels: mostly(fc.dictionary(fc.constantFrom('a', 'b'), word, { maxKeys: 2 })),
    priority_min: mostly(fc.integer({ min: 1, max: 10 })),
    priority_max: mostly(fc.integer({ min: 1, max: 10 })),
    status: mostly(fc.subarray(['queued', 'running'])),
    reason: mostly(word),
    limit: mostly(fc.integer({ min: 1, max: 5 })),
  },
  { requiredKeys: [] },
);
const body = fc.oneof(
  { weight: 1, arbitrary: cancelling.map((value) => JSON.stringify(value)) },
  { weight: 4, arbitrary: right.map((value) => JSON.stringify(value)) },
  { weight: 3, arbitrary: submission.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: anything.map((value) => JSON.stringify(value)) },
  { weight: 2, arbitrary: templateText.map((template) => JSON.stringify({ template, parameters: {} })) },
  { weight: 1, arbitrary: templateText },
  { weight: 1, arbitrary: fc.string({ unit: 'binary' }) },
  { weight: 1, arbitrary: submission.map((value) => JSON.stringify(value).slice(0, -2)) },
);
const header = fc.string({
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
  maxLength: 40,
});
const headers = fc.record(
  {
    'content-type': fc.oneof(
      { weight: 8, arbitrary: fc.constant('application/json') },
      {
        weight: 1,
        arbitrary: fc.constantFrom(
          'application/yaml',
          'text/plain',
          'application/json; charset=x',
          'multipart/form-data',
        ),
      },
      { weight: 1, arbitrary: header },
    ),
    'idempotency-key': header,
    'last-event-id': fc.oneof(fc.nat().map(String), header),
    traceparent: header,
    'x-request-id': header,
    authorization: header,
    accept: header,
    'accept-encoding': header,
  },
  { requiredKeys: ['content-type'] },
);
const method = fc.oneof(
  { weight: 5, arbitrary: fc.constant('POST') },
  { weight: 5, arbitrary: fc.constant('GET') },
  { weight: 2, arbitrary: fc.constantFrom('PATCH', 'DELETE', 'PUT', 'HEAD', 'OPTIONS', 'PROPFIND', 'QUERY') },
);
/** What holds back, ends and repeats tasks. */
const controls: fc.Arbitrary<Fuzzed> = fc.oneof(
  fc.record({
    method: fc.constantFrom('PUT', 'DELETE', 'DELETE'),
    path: fc
      .constantFrom(
        'queue',
        'workspace:lab',
        'template:noop',
        'server:cpu',
        'server:gone',
        'workspace:',
        'x:y',
      )
      .map((scope) => `/api/v1/pauses/${scope}`),
    headers: fc.constant({ 'content-type': 'application/json' }),
    body: fc.option(
      fc
        .record({ reason: mostly(word), by: mostly(word) }, { requiredKeys: [] })
        .map((value) => JSON.stringify(value)),
      { nil: undefined },
    ),
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc.constant(`/api/v1/tasks/${KNOWN}/rerun`),
    headers: fc.constant({ 'content-type': 'application/json' }),
    body: fc
      .record({ from_step: mostly(fc.constantFrom('noop', 'other')) }, { requiredKeys: [] })
      .map((value) => JSON.stringify(value)),
  }),
  fc.record({
    method: fc.constant('POST'),
    path: fc.constant('/api/v1/tasks/cancel'),
    headers: fc.constant({ 'content-type': 'application/json' }),
    body: cancelling.map((value) => JSON.stringify(value)),
  }),
);
const fuzzed: fc.Arbitrary<Fuzzed> = fc.oneof(
  fc.record({
    method,
    path: fc.tuple(path, query).map((parts) => parts.join('')),
    headers,
    body: fc.option(body, { nil: undefined }),
  }),
  // A third are what clients mostly send, so that the fuzz reaches behind the door.
  fc.record({
    method: fc.constant('POST'),
    path: fc.constant('/api/v1/tasks'),
    headers: fc.constant({ 'content-type': 'application/json' }),
    body: fc.oneof(right, submission, submission).map((value) => JSON.stringify(value)),
  }),
  controls,
  fc.record({
    method: fc.constant('POST'),
    path: fc.constant('/api/v1/workflows'),
    headers: fc.constantFrom(
      { 'content-type': 'application/json' },
      { 'content-type': 'application/json' },
      { 'content-type': 'application/yaml' },
    ),
    body: fc.oneof(rightWorkflow, workflow, workflow).map((value) => JSON.stringify(value)),
  }),
  fc.record({
    method: fc.constant('GET'),
    path: query.map((text) => `/api/v1/tasks${text === '' ? '?page_size=2' : text}`),
    headers: fc.constant({}),
    body: fc.constant(undefined),
  }),
);

type Outcome = { readonly status: number; readonly type: string; readonly text: string };

/** Reads an event stream no further than its head: it would go on for as long as its task. */
const send = async (
  url: URL,
  agent: Agent,
  { method: verb, path: target, headers: head, body: text }: Fuzzed,
): Promise<Outcome> =>
  await new Promise((resolve, reject) => {
    const call = request(
      {
        agent,
        host: url.hostname,
        port: url.port,
        method: verb,
        path: target,
        headers: { ...head, ...(text === undefined ? {} : { 'content-length': Buffer.byteLength(text) }) },
      },
      (response) => {
        const status = response.statusCode ?? 0;
        const type = response.headers['content-type'] ?? '';
        let received = '';
        response.setEncoding('utf8');
        response.on('data', (part: string) => {
          received += part;
          if (type.startsWith('text/event-stream')) response.destroy();
        });
        response.on('close', () => resolve({ status, type, text: received }));
      },
    );
    call.on('error', reject);
    call.end(text);
  });

describe(`${REQUESTS} random requests (FUZZ_SEED=${SEED})`, () => {
  let platform: TestPlatform;
  beforeAll(async () => {
    platform = await TestPlatform.start();
    // Ready is also a notifier that does not lead yet.
    while ((await fetch(`${platform.url}/api/v1/notifications/channels`)).status !== 200) continue;
  }, 60_000);
  afterAll(async () => {
    await platform?.stop();
  }, 60_000);

  it('get no answer of the kind 5xx, and every refusal says what is wrong', async () => {
    const url = new URL(platform.url);
    const agent = new Agent({ keepAlive: true, maxSockets: LANES });
    const requests = fc.sample(fuzzed, { numRuns: REQUESTS, seed: SEED });
    const counts = new Map<number, number>();
    const wrong: object[] = [];
    let known = 'none';
    let next = 0;
    const lane = async (): Promise<void> => {
      for (let one = requests[next++]; one !== undefined; one = requests[next++]) {
        const { path: target, body: sent } = one;
        const filled = { ...one, path: target.replace(KNOWN, known), body: sent?.replaceAll(KNOWN, known) };
        const { status, type, text } = await send(url, agent, filled);
        if (status === 201) known = (JSON.parse(text) as { id: string }).id;
        counts.set(status, (counts.get(status) ?? 0) + 1);
        const refusal = status >= 400 && one.method !== 'HEAD';
        const says =
          !refusal ||
          (type.startsWith('application/problem+json') && 'code' in (JSON.parse(text) as object)) ||
          // People are told in a page.
          (type.startsWith('text/html') && target.startsWith('/api/v1/answers/'));
        if (status >= 500 || status < 200 || !says) wrong.push({ ...one, status, type, text });
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
    agent.destroy();
    expect(wrong.slice(0, 5)).toEqual([]);
    expect([...counts.values()].reduce((sum, count) => sum + count, 0)).toBe(REQUESTS);
    // The fuzz went through the door as well as against it.
    for (const status of [200, 201, 400, 404, 405, 415, 422])
      expect([status, counts.get(status) ?? 0]).not.toEqual([status, 0]);
    expect(platform.failures).toEqual([]);
    expect((await fetch(`${platform.url}/health/ready`)).status).toBe(200);
  }, 180_000);
});
