import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { TaskPage, TaskView } from '#libs/contracts/queries.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import { send, type Answer } from './http-client.js';
import { TestPlatform } from './platform.js';
import { SseClient } from './sse-client.js';

/** Few enough to be filled, enough for what runs beside each other here. */
const CPU_SLOTS = 4;

let platform: TestPlatform;
let schemaOf: (name: string) => ValidateFunction;

beforeAll(async () => {
  platform = await TestPlatform.start({ ORCHESTRA_STREAMS_MAX: '3', ORCHESTRA_CPU_SLOTS: String(CPU_SLOTS) });
  const { json } = await send(platform.url, { method: 'GET', path: '/openapi.json' });
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema(json as object, 'openapi');
  schemaOf = (name) => {
    const schema = ajv.getSchema(`openapi#/components/schemas/${name}`);
    if (!schema) throw new Error(`no schema ${name}`);
    return schema;
  };
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

const call = async (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> => await send(platform.url, { method, path: `/api/v1${path}`, body, headers });

/** The answer is of the schema that the OpenAPI document names for it. */
const fits = (answer: Answer, schema: string): void => {
  const check = schemaOf(schema);
  check(answer.json);
  expect(check.errors).toBeNull();
};

const submit = async (body: object = {}, headers: Record<string, string> = {}): Promise<string> => {
  const answer = await call('POST', '/tasks', { template: 'noop', ...body }, headers);
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  return (answer.json as { id: string }).id;
};

const view = async (id: string): Promise<TaskView> => (await call('GET', `/tasks/${id}`)).json as TaskView;

/** Waits by the task's own stream, as a client would. */
const ended = async (id: string): Promise<TaskView> => {
  const stream = await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`);
  await stream.all();
  return await view(id);
};

describe('submitting a task', () => {
  it('answers with what was accepted and where it is, and runs it', async () => {
    const parameters = { echo: { any: ['thing', 1] } };
    const answer = await call('POST', '/tasks', {
      template: 'noop',
      parameters,
      priority: 7,
      labels: { team: 'a' },
      workspace: 'lab',
    });
    fits(answer, 'Submitted');
    expect(answer).toMatchObject({
      status: 201,
      json: {
        status: 'queued',
        priority: 7,
        workspace: 'lab',
        labels: { team: 'a' },
        template: { name: 'noop' },
      },
    });
    const { id, status_url: path } = answer.json as { id: string; status_url: string };
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(answer.headers['location']).toBe(path);
    expect(await ended(id)).toMatchObject({
      status: 'completed',
      parameters: { ...parameters, delay_ms: 0 },
      result: parameters.echo,
      priority: 7,
    });
    fits(await send(platform.url, { method: 'GET', path }), 'Task');
  });

  it('is seen by the next request, whoever projects it', async () => {
    for (let n = 0; n < 20; n += 1) {
      const id = await submit();
      expect(await view(id)).toMatchObject({ id });
    }
  });

  it('finds the first task when the idempotency key comes again, and refuses it for another request', async () => {
    const headers = { 'idempotency-key': 'order-1' };
    const first = await submit({ parameters: { echo: 1 } }, headers);
    const again = await call('POST', '/tasks', { template: 'noop', parameters: { echo: 1 } }, headers);
    expect(again).toMatchObject({
      status: 200,
      json: { id: first },
      headers: { location: `/api/v1/tasks/${first}` },
    });
    fits(again, 'Task');
    const other = await call('POST', '/tasks', { template: 'noop', parameters: { echo: 2 } }, headers);
    expect(other).toMatchObject({ status: 422, json: { code: 'IDEMPOTENCY_KEY_REUSED' } });
  });

  it('runs after the tasks that it depends on', async () => {
    const first = await submit({ parameters: { delay_ms: 50 } });
    const second = await submit({ depends_on: [first] });
    const [a, b] = [await ended(first), await ended(second)];
    expect(b).toMatchObject({ status: 'completed', depends_on: [first] });
    expect(Date.parse(b.started_at ?? '')).toBeGreaterThanOrEqual(Date.parse(a.ended_at ?? ''));
  });

  it('shows why a task failed, and each attempt', async () => {
    const id = await submit({ parameters: { fail: { code: 'MODEL_NOT_FOUND', message: 'no such model' } } });
    const task = await ended(id);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'MODEL_NOT_FOUND', message: expect.stringMatching(/no such model/) },
      attempts: [{ attempt: 1, outcome: 'failed' }],
    });
    fits(await call('GET', `/tasks/${id}`), 'Task');
  });

  it('carries the trace and the request id through, into the log', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    const headers = { traceparent, 'x-request-id': 'req-42' };
    const answer = await call('POST', '/tasks', { template: 'noop' }, headers);
    expect(answer.headers).toMatchObject(headers);
    const { id } = answer.json as { id: string };
    const manager = await jetstreamManager(platform.connection);
    const message = await manager.streams.getMessage('TASKS', {
      last_by_subj: SUBJECTS.task(id, 'submitted'),
    });
    expect(message?.header.get('ce-traceparent')).toBe(traceparent);
  });

  it('makes a trace and an id where the caller has none that is one', async () => {
    const bad = await call('GET', '/templates', undefined, {
      traceparent: `00-${'0'.repeat(32)}-x`,
      'x-request-id': 'a b',
    });
    expect(bad.headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    expect(bad.headers['x-request-id']).toMatch(/^[0-9a-f]{8}-/);
  });
});

describe('a template that changes', () => {
  it('is used in its new version without a restart', async () => {
    const file = join(platform.folder, 'templates', 'greeting.yaml');
    const text = (word: string): string =>
      `name: greeting\nsteps:\n  - id: a\n    type: noop\n    with: { echo: ${word} }\n`;
    await writeFile(file, text('hello'));
    const known = async (version: string | null): Promise<string> => {
      for (;;) {
        const { status, json } = await call('GET', '/templates/greeting');
        const found = (json as { version?: string }).version;
        if (status === 200 && found !== undefined && found !== version) return found;
      }
    };
    const first = await known(null);
    fits(await call('GET', '/templates/greeting'), 'Template');
    const task = await ended(await submit({ template: 'greeting' }));
    expect(task).toMatchObject({ result: 'hello', template: { version: first } });

    await writeFile(file, text('goodbye'));
    const second = await known(first);
    expect(await ended(await submit({ template: 'greeting' }))).toMatchObject({
      result: 'goodbye',
      template: { version: second },
    });

    await writeFile(file, 'name: greeting\nsteps: 5\n');
    for (;;) {
      const answer = await call('GET', '/templates');
      fits(answer, 'TemplateList');
      const { problems } = answer.json as { problems: readonly { line: number; column: number }[] };
      if (problems.length === 0) continue;
      expect(problems).toEqual([
        expect.objectContaining({ file: 'templates/greeting.yaml', line: 2, column: 8 }),
      ]);
      break;
    }
    expect(await ended(await submit({ template: 'greeting' }))).toMatchObject({ result: 'goodbye' });
  });

  it('says which errors are retried', async () => {
    const step = (on: string): string =>
      `  - { id: a, type: noop, retry: { backoff_ms: 0, on: [${on}] }, with: { fail: '{{ parameters.fail }}' } }`;
    const parameters = 'parameters: { fail: { type: object, required: true } }';
    const text = ['name: choosy', parameters, 'steps:', step('timeout, MODEL_ERROR'), ''].join('\n');
    await writeFile(join(platform.folder, 'templates', 'choosy.yaml'), text);
    for (;;) {
      const answer = await call('GET', '/templates/choosy');
      if (answer.status !== 200) continue;
      fits(answer, 'Template');
      break;
    }
    const attemptsAfter = async (code: string): Promise<number> => {
      const id = await submit({ template: 'choosy', parameters: { fail: { code } } });
      return (await ended(id)).attempts.length;
    };
    expect(await attemptsAfter('STEP_TIMED_OUT')).toBe(3);
    expect(await attemptsAfter('MODEL_ERROR')).toBe(3);
    expect(await attemptsAfter('SERVER_BUSY')).toBe(1);
  });

  it('can be checked before, as text, as an object and as YAML, with parameters or without', async () => {
    const text = await readFile('templates/ollama-inference.yaml', 'utf8');
    const checks = [
      await call('POST', '/templates/validate', { template: text }),
      await call('POST', '/templates/validate', text, { 'content-type': 'application/yaml' }),
      await call('POST', '/templates/validate?template_name=ollama-inference', {
        parameters: { model: 'm', prompt: 'p' },
      }),
    ];
    for (const check of checks) {
      expect(check).toMatchObject({ status: 200, json: { valid: true, name: 'ollama-inference' } });
      fits(check, 'Validated');
    }
    const template = {
      name: 't',
      parameters: { n: { type: 'integer', default: 3 } },
      steps: [{ id: 'a', type: 'noop' }],
    };
    expect(await call('POST', '/templates/validate', { template, parameters: {} })).toMatchObject({
      json: { valid: true, parameters: { n: 3 } },
    });
  });
});

describe('listing tasks', () => {
  const label = { batch: 'list' };
  const ids: string[] = [];
  beforeAll(async () => {
    for (let n = 0; n < 7; n += 1)
      ids.unshift(await submit({ labels: { ...label, n: String(n) }, workspace: 'lists' }));
    for (const id of ids) await ended(id);
  }, 30_000);

  const list = async (query: string): Promise<TaskPage> => {
    const answer = await call('GET', `/tasks?${query}`);
    expect(answer.status).toBe(200);
    fits(answer, 'TaskPage');
    return answer.json as TaskPage;
  };
  const idsOf = ({ items }: TaskPage): readonly string[] => items.map(({ id }) => id);

  it('goes through the pages forwards and back, newest first', async () => {
    const one = await list('workspace=lists&page_size=3');
    expect(idsOf(one)).toEqual(ids.slice(0, 3));
    expect(one.previous).toBeNull();
    const two = await list(`workspace=lists&page_size=3&after=${encodeURIComponent(one.next ?? '')}`);
    const three = await list(`workspace=lists&page_size=3&after=${encodeURIComponent(two.next ?? '')}`);
    expect([idsOf(two), idsOf(three), three.next]).toEqual([ids.slice(3, 6), ids.slice(6), null]);
    const back = await list(`workspace=lists&page_size=3&before=${encodeURIComponent(three.previous ?? '')}`);
    expect(idsOf(back)).toEqual(ids.slice(3, 6));
  });

  it('filters by labels, status, template and time', async () => {
    expect(idsOf(await list('label=batch:list&label=n:3'))).toEqual([ids[3]]);
    expect(idsOf(await list('label=batch:list&status=queued&status=failed'))).toEqual([]);
    expect(idsOf(await list('label=batch:list&status=queued&status=completed'))).toEqual(ids);
    expect(idsOf(await list('label=batch:list&template=ollama-chat'))).toEqual([]);
    const { created_at: middle } = await view(ids[3] ?? '');
    const from = await list(`label=batch:list&created_from=${middle}`);
    const to = await list(`label=batch:list&created_to=${middle}`);
    expect([...idsOf(from), ...idsOf(to)]).toEqual(ids);
    expect(idsOf(from)).toContain(ids[3]);
  });

  it('counts them', async () => {
    const answer = await call('GET', '/tasks/status?workspace=lists');
    fits(answer, 'StatusCounts');
    expect(answer.json).toMatchObject({ total: 7, by_status: { completed: 7, queued: 0 } });
  });
});

describe('why a task waits', () => {
  const explained = async (id: string): Promise<object> => {
    const answer = await call('GET', `/tasks/${id}/explain`);
    expect(answer.status).toBe(200);
    fits(answer, 'Explanation');
    return answer.json as object;
  };

  it('is told of one that waits for another, of one that runs, and of one that is over', async () => {
    const runs = await submit({ parameters: { delay_ms: 60_000 } });
    const waits = await submit({ depends_on: [runs] });
    expect(await explained(waits)).toMatchObject({
      status: 'open',
      summary: expect.stringContaining(`Step 'noop' waits for task ${runs}; it starts probably`),
      steps: [{ id: 'noop', state: 'waiting', model: null, waits_for: { kind: 'tasks', task_ids: [runs] } }],
    });
    const stream = await SseClient.open(`${platform.url}/api/v1/tasks/${runs}/stream`);
    await stream.until(({ event }) => event === 'step.dispatched');
    expect(await explained(runs)).toMatchObject({ steps: [{ state: 'running', waits_for: null }] });
    await call('DELETE', `/tasks/${runs}`);
    await ended(runs);
    expect(await explained(runs)).toMatchObject({
      status: 'cancelled',
      summary: 'The task is over: it has been cancelled.',
      steps: [],
    });
  });

  it('is told of everything that is ready, in the order in which it goes', async () => {
    const busy: string[] = [];
    while (busy.length < CPU_SLOTS) busy.push(await submit({ parameters: { delay_ms: 600_000 } }));
    for (const id of busy) {
      const stream = await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`);
      await stream.until(({ event }) => event === 'step.dispatched');
      stream.close();
    }
    const [later, first] = [await submit(), await submit({ priority: 9 })];
    const answer = await call('GET', '/queue');
    fits(answer, 'Queue');
    expect(answer.json).toMatchObject({
      open_tasks: CPU_SLOTS + 2,
      ready_steps: 2,
      groups: [
        {
          model: null,
          ready_steps: 2,
          first: { task_id: first },
          text: expect.stringContaining(`${CPU_SLOTS} of ${CPU_SLOTS} slots are taken`),
          waits_for: { kind: 'slot', places: [{ server_id: 'cpu', busy: CPU_SLOTS }] },
        },
      ],
      next: [{ task_id: first, priority: 9 }, { task_id: later }],
    });
    expect((await call('GET', '/queue?limit=1')).json).toMatchObject({
      ready_steps: 2,
      next: [{ task_id: first }],
    });
    for (const id of busy) await call('DELETE', `/tasks/${id}`);
    for (const id of [...busy, later, first]) await ended(id);
  });
});

describe('changing a task', () => {
  it('gives it another priority while it is open', async () => {
    const blocker = await submit({ parameters: { delay_ms: 60_000 } });
    const id = await submit({ depends_on: [blocker] });
    const changed = await call('PATCH', `/tasks/${id}/priority`, { priority: 10 });
    expect(changed).toMatchObject({ status: 200, json: { id, priority: 10 } });
    fits(changed, 'Task');
    expect(await call('DELETE', `/tasks/${blocker}`)).toMatchObject({ status: 202 });
    expect(await ended(blocker)).toMatchObject({ status: 'cancelled' });
    expect(await ended(id)).toMatchObject({ status: 'failed', error: { code: 'DEPENDENCY_FAILED' } });
    expect(await call('PATCH', `/tasks/${id}/priority`, { priority: 1 })).toMatchObject({
      status: 409,
      json: { code: 'TASK_ALREADY_OVER', details: { status: 'failed' } },
    });
  });

  it('cancels a running one, and refuses to cancel it when it is over', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const stream = await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`);
    await stream.until(({ event }) => event === 'step.dispatched');
    const asked = await call('DELETE', `/tasks/${id}`);
    expect(asked).toMatchObject({ status: 202, json: { id, cancel_requested_at: expect.any(String) } });
    fits(asked, 'Task');
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'task.cancelled' });
    expect(await call('DELETE', `/tasks/${id}`)).toMatchObject({
      status: 409,
      json: { code: 'TASK_ALREADY_OVER' },
    });
  });
});

describe('the history of a task', () => {
  it('is what is in the log, page by page', async () => {
    const id = await submit({ parameters: { fail: { code: 'MODEL_ERROR', times: 1 } } });
    await ended(id);
    const all = await call('GET', `/tasks/${id}/events`);
    fits(all, 'EventPage');
    const { items } = all.json as { items: readonly { seq: number; type: string }[] };
    expect(items.map(({ type }) => type)).toEqual([
      'task.submitted',
      'step.dispatched',
      'step.failed',
      'step.dispatched',
      'task.completed',
    ]);
    const seen: number[] = [];
    let after: number | null = 0;
    while (after !== null) {
      const page = await call('GET', `/tasks/${id}/events?limit=2&after_seq=${after}`);
      const found = page.json as { items: readonly { seq: number }[]; next_after_seq: number | null };
      expect(found.items.length).toBeLessThanOrEqual(2);
      seen.push(...found.items.map(({ seq }) => seq));
      after = found.next_after_seq;
    }
    expect(seen).toEqual(items.map(({ seq }) => seq));
  });
});

describe('the stream of a task', () => {
  const open = async (id: string, headers: Record<string, string> = {}): Promise<SseClient> =>
    await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`, headers);
  const say = (id: string, text: string, n = 0): void =>
    platform.connection.publish(
      SUBJECTS.live(id),
      JSON.stringify({ taskId: id, stepId: 'noop', attempt: 1, n, atMs: 1, kind: 'token', text }),
    );

  it('has the facts with their sequences, and tokens between them without', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const stream = await open(id);
    await stream.until(({ event }) => event === 'step.dispatched');
    say(id, 'Hel', 0);
    say(id, 'lo', 1);
    await stream.until(({ data }) => (data as { text?: string }).text === 'lo');
    await call('DELETE', `/tasks/${id}`);
    const events = await stream.all();
    expect(events.map(({ event }) => event)).toEqual([
      'task.submitted',
      'step.dispatched',
      'token',
      'token',
      'task.cancel-requested',
      'task.cancelled',
    ]);
    expect(events[2]).toEqual({
      id: null,
      event: 'token',
      data: { taskId: id, stepId: 'noop', attempt: 1, n: 0, atMs: 1, text: 'Hel' },
    });
    const { items } = (await call('GET', `/tasks/${id}/events`)).json as {
      items: readonly { seq: number }[];
    };
    expect(events.flatMap(({ id: seq }) => (seq === null ? [] : [Number(seq)]))).toEqual(
      items.map(({ seq }) => seq),
    );
    expect(events.flatMap(({ id: seq, data }) => (seq === null ? [] : [data]))).toEqual(items);
  });

  it('goes on exactly behind the last id, and says when there is nothing more', async () => {
    const id = await submit({ parameters: { echo: 1 } });
    const events = await (await open(id)).all();
    for (const [n, { id: seq }] of events.entries()) {
      const rest = await open(id, { 'last-event-id': seq ?? '' });
      expect(rest.status).toBe(n === events.length - 1 ? 204 : 200);
      expect(await rest.all()).toEqual(events.slice(n + 1));
    }
  });

  it('can be asked for without reading it', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const answer = await call('HEAD', `/tasks/${id}/stream`);
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/event-stream; charset=utf-8' },
      text: '',
    });
    await call('DELETE', `/tasks/${id}`);
  });

  it('is given to so many readers at once and no more, and a place is free when one goes', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const streams = [await open(id), await open(id), await open(id)];
    for (const stream of streams) await stream.until(({ event }) => event === 'task.submitted');
    expect(await call('GET', `/tasks/${id}/stream`)).toMatchObject({
      status: 429,
      json: { code: 'RATE_LIMITED', detail: expect.stringMatching(/3 streams are open; at most 3/) },
    });
    streams[0]?.close();
    for (;;) {
      const again = await open(id);
      if (again.status !== 200) continue;
      await again.until(({ event }) => event === 'task.submitted');
      await call('DELETE', `/tasks/${id}`);
      await again.all();
      break;
    }
  });

  it('leaves tokens out for a reader that does not keep up, but no fact', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const response = await fetch(`${platform.url}/api/v1/tasks/${id}/stream`);
    const reader = response.body?.getReader();
    await reader?.read();
    const long = 'x'.repeat(64 * 1024);
    for (let n = 0; n < 400; n += 1) say(id, long, n);
    await platform.connection.flush();
    await call('DELETE', `/tasks/${id}`);
    await ended(id);
    let text = '';
    const decoder = new TextDecoder();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read())
      text += decoder.decode(part.value, { stream: true });
    expect(text.match(/^event: token/gm)?.length ?? 0).toBeLessThan(400);
    expect(text).toMatch(/event: task\.cancelled/);
  });
});

describe('looking at the platform', () => {
  it('shows servers, health, figures, and pages that need nothing from elsewhere', async () => {
    const get = (path: string): Promise<Answer> => send(platform.url, { method: 'GET', path });
    fits(await get('/api/v1/servers'), 'ServerList');
    fits(await get('/health/live'), 'Live');
    fits(await get('/health/ready'), 'Ready');
    const metrics = await get('/metrics');
    expect(metrics.headers['content-type']).toMatch(/^text\/plain/);
    expect(metrics.text).toMatch(/^orchestra_submissions_total\{template="noop",outcome="queued"\} \d+$/m);
    expect(metrics.text).toMatch(
      /^orchestra_http_requests_total\{method="POST",route="\/api\/v1\/tasks",status="201"\} \d+$/m,
    );
    expect(metrics.text).toMatch(/^orchestra_service_ready\{service="scheduler"\} 1$/m);
    expect(metrics.text).not.toMatch(/[0-9a-f]{8}-[0-9a-f]{4}-7/);
    const page = await get('/docs');
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file ?? '');
    expect(files.length).toBeGreaterThan(2);
    for (const file of files) {
      expect(file).not.toMatch(/^(https?:)?\/\//);
      expect([file, (await get(new URL(file, 'http://x/docs').pathname)).status]).toEqual([file, 200]);
    }
  });
});

describe('when a service is away', () => {
  it('stores submissions without the scheduler, and tells later what became of them', async () => {
    const known = await submit();
    await platform.stopService('scheduler');
    const [accepted, refused] = await Promise.all([
      call('POST', '/tasks', { template: 'noop', parameters: { echo: 'later' } }),
      call('POST', '/tasks', { template: 'noop', depends_on: ['gone'] }),
    ]);
    for (const answer of [accepted, refused]) {
      expect(answer).toMatchObject({ status: 202, json: { status: 'accepted' } });
      fits(answer, 'Submitted');
    }
    const path = ({ json }: Answer): string => `/tasks/${(json as { id: string }).id}`;
    const undecided = await call('GET', path(accepted));
    expect(undecided.status).toBe(202);
    fits(undecided, 'Undecided');
    const cancelled = await call('DELETE', `/tasks/${known}`);
    expect(cancelled.status).toBe(202);
    fits(cancelled, 'Undecided');
    expect(await send(platform.url, { method: 'GET', path: '/health/ready' })).toMatchObject({
      status: 503,
      json: { code: 'NOT_READY', errors: [{ path: 'scheduler' }] },
    });

    await platform.startService('scheduler');
    await platform.ready();
    for (;;) {
      const now = await call('GET', path(refused));
      if (now.status === 202) continue;
      expect(now).toMatchObject({ status: 422, json: { code: 'DEPENDENCY_UNKNOWN' } });
      break;
    }
    expect(await ended((accepted.json as { id: string }).id)).toMatchObject({
      status: 'completed',
      result: 'later',
    });
  }, 60_000);

  it('says that it cannot answer without results, and still submits', async () => {
    await platform.stopService('results');
    const id = await submit();
    expect(await call('GET', `/tasks/${id}`)).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
      json: { code: 'SERVICE_UNAVAILABLE', detail: expect.stringMatching(/rpc\.results\.query/) },
    });
    expect((await call('GET', `/tasks/${id}/events`)).status).toBe(200);
    await platform.startService('results');
    await platform.ready();
    expect(await view(id)).toMatchObject({ id });
  }, 60_000);

  it('ends its streams when it stops itself, and readers go on elsewhere', async () => {
    const id = await submit({ parameters: { delay_ms: 60_000 } });
    const stream = await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`);
    const { id: last } = await stream.until(({ event }) => event === 'step.dispatched');
    await platform.stopService('gateway');
    expect((await stream.all()).at(-1)).toMatchObject({ event: 'step.dispatched' });
    await platform.startService('gateway');
    const again = await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`, {
      'last-event-id': last ?? '',
    });
    await call('DELETE', `/tasks/${id}`);
    expect((await again.all()).map(({ event }) => event)).toEqual([
      'task.cancel-requested',
      'task.cancelled',
    ]);
  }, 60_000);

  it('answers what it has begun before it stops, and does not wait for connections that are idle then', async () => {
    await platform.stopService('scheduler');
    const commands = await jetstream(platform.connection).streams.get('COMMANDS');
    const { last_seq: before } = (await commands.info()).state;
    // The answer takes a second, because nobody decides; the connection would be kept alive for more than a minute.
    const body = JSON.stringify({ template: 'noop' });
    const asked = fetch(`${platform.url}/api/v1/tasks`, {
      method: 'POST',
      body,
      headers: { 'content-type': 'application/json' },
    });
    while ((await commands.info()).state.last_seq === before) await platform.connection.flush();
    await platform.stopService('gateway');
    expect((await asked).status).toBe(202);
    await platform.startService('scheduler');
    await platform.startService('gateway');
    await platform.ready();
  }, 30_000);

  it('did not fail meanwhile', () => expect(platform.failures).toEqual([]));
});
