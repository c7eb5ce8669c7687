import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import type { TaskView } from '#libs/contracts/queries.js';
import type { WorkflowPage, WorkflowTaskView, WorkflowView } from '#libs/contracts/workflow-queries.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { send, type Answer } from './http-client.js';
import { TestPlatform } from './platform.js';
import { SseClient } from './sse-client.js';

const MODEL = 'smollm2:135m';

let platform: TestPlatform;
let simulator: OllamaSimulator;
let folder: string;
let schemaOf: (name: string) => ValidateFunction;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ timeScale: 20, parallel: 2 });
  folder = await mkdtemp(join(tmpdir(), 'orchestra-workflows-'));
  const file = join(folder, 'servers.yaml');
  await writeFile(file, `servers:\n  - { id: sim, url: ${simulator.url}, vram: 8GiB, slots: 2 }\n`);
  platform = await TestPlatform.start({ ORCHESTRA_SERVERS_FILE: file });
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
  await simulator?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

const call = async (
  method: string,
  path: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<Answer> => await send(platform.url, { method, path: `/api/v1${path}`, body, headers });

const fits = (answer: Answer, schema: string): void => {
  const check = schemaOf(schema);
  check(answer.json);
  expect(check.errors).toBeNull();
};

type Submitted = {
  readonly id: string;
  readonly status_url: string;
  readonly tasks: readonly { readonly name: string; readonly id: string; readonly task_url: string }[];
};

const submit = async (body: object, headers: Record<string, string> = {}): Promise<Submitted> => {
  const answer = await call('POST', '/workflows', body, headers);
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  fits(answer, 'SubmittedWorkflow');
  return answer.json as Submitted;
};

const view = async (id: string): Promise<WorkflowView> => {
  const answer = await call('GET', `/workflows/${id}`);
  fits(answer, 'Workflow');
  return answer.json as WorkflowView;
};

const taskOf = async (id: string): Promise<TaskView> => (await call('GET', `/tasks/${id}`)).json as TaskView;

/** Waits by the streams of its tasks, as a client would. */
const ended = async ({ id, tasks }: Submitted): Promise<WorkflowView> => {
  for (const task of tasks) {
    const stream = await SseClient.open(`${platform.url}${task.task_url}/stream`);
    await stream.all();
  }
  return await view(id);
};

const tasksByName = ({ tasks }: Pick<WorkflowView, 'tasks'>): Readonly<Record<string, WorkflowTaskView>> =>
  Object.fromEntries(tasks.map((task) => [task.name, task]));

const resultOf = async (workflow: WorkflowView, name: string): Promise<unknown> =>
  (await taskOf(tasksByName(workflow)[name]?.id ?? '')).result;

const noop = (echo: unknown, more: object = {}): object => ({
  template: 'noop',
  parameters: { echo },
  ...more,
});
const failing = { template: 'noop', parameters: { fail: { code: 'MODEL_NOT_FOUND', message: 'none' } } };

describe('a workflow', () => {
  it('runs its tasks in order and hands their results on, over a diamond', async () => {
    const submitted = await submit({
      name: 'diamond',
      workspace: 'lab',
      labels: { kind: 'diamond' },
      priority: 7,
      tasks: {
        // Not in the order in which they can run.
        join: noop(
          {
            list: '{{ tasks.left.result }}',
            text: '{{ tasks.right.result }} of {{ tasks.source.result.words | size }}',
            number: '{{ tasks.source.result.n }}',
          },
          { needs: ['left', { task: 'right' }], priority: 3, labels: { own: 'yes' } },
        ),
        source: noop({ n: 2, words: ['a', 'b'] }),
        left: noop('{{ tasks.source.result.words }}', { needs: ['source'] }),
        right: noop('got {{ tasks.source.result.n }}', { needs: ['source'] }),
      },
    });
    const workflow = await ended(submitted);
    expect(workflow).toMatchObject({
      name: 'diamond',
      workspace: 'lab',
      status: 'completed',
      labels: { kind: 'diamond' },
      task_counts: { completed: 4, queued: 0 },
    });
    expect(workflow.tasks.map(({ name }) => name)).toEqual(['source', 'left', 'right', 'join']);
    const tasks = tasksByName(workflow);
    expect(tasks['join']?.needs).toEqual([
      { task: 'left', on_failure: 'fail' },
      { task: 'right', on_failure: 'fail' },
    ]);
    expect(await resultOf(workflow, 'left')).toEqual(['a', 'b']);
    expect(await taskOf(tasks['join']?.id ?? '')).toMatchObject({
      workflow_id: submitted.id,
      depends_on: [tasks['left']?.id, tasks['right']?.id],
      priority: 3,
      labels: { kind: 'diamond', own: 'yes' },
      result: { list: ['a', 'b'], text: 'got 2 of 2', number: 2 },
    });
    const started = Date.parse(tasks['join']?.started_at ?? '');
    for (const name of ['left', 'right'])
      expect(started).toBeGreaterThanOrEqual(Date.parse(tasks[name]?.ended_at ?? ''));
    expect(workflow.ended_at).toBe(tasks['join']?.ended_at);
  });

  it('hands on what a model has said', async () => {
    const inference = (prompt: string, needs: readonly string[] = []): object => ({
      template: 'ollama-inference',
      parameters: { model: MODEL, prompt, options: { num_predict: 8 } },
      needs,
    });
    const workflow = await ended(
      await submit({
        tasks: {
          draft: inference('Name three rivers.'),
          summary: inference('Shorten this: {{ tasks.draft.result.text }}', ['draft']),
        },
      }),
    );
    expect(workflow.status).toBe('completed');
    const { text } = (await resultOf(workflow, 'draft')) as { text: string };
    const { items } = (await call('GET', `/tasks/${tasksByName(workflow)['summary']?.id}/events`)).json as {
      items: readonly { type: string; data: { input?: { prompt: string } } }[];
    };
    const dispatched = items.find(({ type }) => type === 'step.dispatched');
    expect(text.length).toBeGreaterThan(0);
    expect(dispatched?.data.input?.prompt).toBe(`Shorten this: ${text}`);
  });

  it.each([
    ['fail', 'failed', 'failed', 'DEPENDENCY_FAILED', 'failed'],
    ['skip', 'cancelled', 'skipped', 'DEPENDENCY_SKIPPED', 'completed'],
    ['continue', 'completed', 'completed', null, 'completed'],
  ])('with a task that fails: %s', async (onFailure, taskStatus, shownStatus, code, workflowStatus) => {
    const workflow = await ended(
      await submit({
        tasks: {
          first: failing,
          second: noop('{{ tasks.first.status }}: {{ tasks.first.result.text | default: "nothing" }}', {
            needs: [{ task: 'first', on_failure: onFailure }],
          }),
          // What was left out has not completed: its own edge decides, and this one passes over it.
          third: noop(
            { was: '{{ tasks.second.result }}' },
            { needs: [{ task: 'second', on_failure: 'continue' }] },
          ),
        },
      }),
    );
    const { first, second, third } = tasksByName(workflow);
    expect(first).toMatchObject({ status: 'failed', error_code: 'MODEL_NOT_FOUND' });
    expect(second).toMatchObject({ status: shownStatus, error_code: code });
    const task = await taskOf(second?.id ?? '');
    expect(task).toMatchObject({
      status: taskStatus,
      result: onFailure === 'continue' ? 'failed: nothing' : null,
      error: code === null ? null : { code, message: expect.stringContaining("'first'") },
    });
    expect(third?.status).toBe('completed');
    expect(await resultOf(workflow, 'third')).toEqual(
      onFailure === 'continue' ? { was: 'failed: nothing' } : {},
    );
    expect(workflow.status).toBe(workflowStatus);
  });

  it('fails a task whose parameters turn out not to fit, and says where', async () => {
    const workflow = await ended(
      await submit({
        tasks: {
          number: noop('many'),
          wait: {
            template: 'noop',
            parameters: { delay_ms: '{{ tasks.number.result }}' },
            needs: ['number'],
          },
          text: noop('{{ tasks.number.result.a.b }}!', { needs: ['number'] }),
        },
      }),
    );
    const { wait, text } = tasksByName(workflow);
    expect((await taskOf(wait?.id ?? '')).error).toMatchObject({
      code: 'PARAMETERS_INVALID',
      message: expect.stringMatching(/parameters\.delay_ms: 'many' is not accepted; expected a whole number/),
    });
    expect((await taskOf(text?.id ?? '')).error).toMatchObject({
      code: 'TEMPLATE_RENDER_FAILED',
      message: expect.stringMatching(/parameters\.echo: .*tasks\.number\.result/),
    });
    expect(workflow.status).toBe('failed');
  });

  it('is cancelled with everything that is open in it', async () => {
    const submitted = await submit({
      tasks: {
        slow: { template: 'noop', parameters: { delay_ms: 60_000 } },
        next: noop(1, { needs: ['slow'] }),
        other: noop(2, { needs: [{ task: 'next', on_failure: 'continue' }] }),
      },
    });
    const [slow, next] = submitted.tasks;
    const stream = await SseClient.open(`${platform.url}${slow?.task_url}/stream`);
    await stream.until(({ event }) => event === 'step.dispatched');
    expect((await view(submitted.id)).status).toBe('running');
    const explained = await call('GET', `/tasks/${next?.id}/explain`);
    fits(explained, 'Explanation');
    expect(explained.json).toMatchObject({
      summary: expect.stringContaining(`Step 'noop' waits for task 'slow' (${slow?.id}); it starts probably`),
      steps: [{ waits_for: { kind: 'tasks', task_ids: [slow?.id], names: ['slow'] } }],
    });
    const answer = await call('DELETE', `/workflows/${submitted.id}`);
    expect(answer.status).toBe(202);
    fits(answer, 'Workflow');
    const workflow = await ended(submitted);
    expect(workflow.status).toBe('cancelled');
    expect(workflow.tasks.map(({ status, error_code: code }) => [status, code])).toEqual([
      ['cancelled', null],
      ['cancelled', null],
      ['cancelled', null],
    ]);
    expect(await call('DELETE', `/workflows/${submitted.id}`)).toMatchObject({
      status: 409,
      json: { code: 'WORKFLOW_ALREADY_OVER' },
    });
  });

  it('is found again by its idempotency key, and by no other body', async () => {
    const headers = { 'idempotency-key': 'flow-1' };
    const body = { tasks: { only: noop(1) } };
    const first = await submit(body, headers);
    const again = await call('POST', '/workflows', body, headers);
    expect(again).toMatchObject({
      status: 200,
      json: { id: first.id },
      headers: { location: `/api/v1/workflows/${first.id}` },
    });
    fits(again, 'Workflow');
    const other = await call('POST', '/workflows', { tasks: { only: noop(2) } }, headers);
    expect(other).toMatchObject({
      status: 422,
      json: { code: 'IDEMPOTENCY_KEY_REUSED', details: { workflowId: first.id } },
    });
    expect(await call('POST', '/tasks', noop(1), headers)).toMatchObject({
      status: 422,
      json: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
  });

  it('may be written as YAML', async () => {
    const text =
      'name: from a file\ntasks:\n  a: { template: noop, parameters: { echo: 1 } }\n  b: { template: noop, needs: [a] }\n';
    const answer = await call('POST', '/workflows', text, { 'content-type': 'application/yaml' });
    expect([answer.status, answer.json]).toMatchObject([201, { name: 'from a file' }]);
    expect((await ended(answer.json as Submitted)).status).toBe('completed');
  });

  it('that comes with the platform as an example does what its comments say', async () => {
    const text = await readFile('templates/workflows/article.yaml', 'utf8');
    const answer = await call('POST', '/workflows', text, { 'content-type': 'application/yaml' });
    expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
    const workflow = await ended(answer.json as Submitted);
    expect(workflow.status).toBe('completed');
    const said = async (name: string): Promise<string> =>
      ((await resultOf(workflow, name)) as { text: string }).text;
    expect(await resultOf(workflow, 'page')).toEqual({
      title: await said('title'),
      text: await said('draft'),
      translation: await said('translation'),
    });
  });

  it('of a thousand tasks is accepted at once, and all of them run', async () => {
    const tasks: Record<string, object> = { gather: noop('done') };
    for (let n = 1; n < 1_000; n += 1) tasks[`t${n}`] = noop(n);
    tasks['gather'] = noop('done', { needs: Object.keys(tasks).filter((name) => name !== 'gather') });
    const submitted = await submit({ tasks });
    const gather = submitted.tasks.find(({ name }) => name === 'gather');
    const stream = await SseClient.open(`${platform.url}${gather?.task_url}/stream`);
    await stream.all();
    expect(await view(submitted.id)).toMatchObject({
      status: 'completed',
      task_counts: { completed: 1_000 },
    });
  }, 60_000);
});

describe('listing workflows', () => {
  it('goes through the pages, newest first, and finds the tasks of one', async () => {
    const made: Submitted[] = [];
    for (let n = 0; n < 3; n += 1)
      made.unshift(await submit({ workspace: 'pages', name: `w${n}`, tasks: { a: noop(n), b: noop(n) } }));
    const page = async (query: string): Promise<WorkflowPage> => {
      const answer = await call('GET', `/workflows?workspace=pages&${query}`);
      fits(answer, 'WorkflowPage');
      return answer.json as WorkflowPage;
    };
    const first = await page('page_size=2');
    const second = await page(`page_size=2&after=${encodeURIComponent(first.next ?? '')}`);
    expect([...first.items, ...second.items].map(({ id }) => id)).toEqual(made.map(({ id }) => id));
    expect(second.next).toBeNull();
    const [newest] = made;
    const tasks = await call('GET', `/tasks?workflow_id=${newest?.id}`);
    const { items } = tasks.json as { items: readonly TaskView[] };
    expect(items.map(({ id }) => id).toSorted()).toEqual(newest?.tasks.map(({ id }) => id).toSorted());
    expect((await call('GET', `/tasks/status?workflow_id=${newest?.id}`)).json).toMatchObject({ total: 2 });
    expect(await call('GET', '/workflows/nobody')).toMatchObject({
      status: 404,
      json: { code: 'WORKFLOW_UNKNOWN' },
    });
    expect(await call('DELETE', '/workflows/nobody')).toMatchObject({
      status: 404,
      json: { code: 'WORKFLOW_UNKNOWN' },
    });
  });
});
