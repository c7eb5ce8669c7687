import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: steps under `finally` do over the real services what the README says of them. */
const TEMPLATES = {
  ends: `
name: ends
parameters: { ms: { type: integer, default: 0 }, fail: { type: object }, end_fail: { type: object }, end_ms: { type: integer, default: 0 } }
steps:
  - { id: work, type: noop, retry: { attempts_max: 1 }, with: { echo: done, delay_ms: '{{ parameters.ms }}', fail: '{{ parameters.fail }}' } }
finally:
  - { id: tell, type: noop, retry: { attempts_max: 1 }, with: { echo: '{{ task.status }} {{ task.error.code }} {{ steps.work.status }}', fail: '{{ parameters.end_fail }}' } }
  - { id: mourn, type: noop, when: "{{ task.status == 'failed' }}", with: { echo: '{{ task.error.step }}' } }
  - { id: rest, type: noop, foreach: [1, 2], with: { delay_ms: '{{ parameters.end_ms }}', echo: '{{ item }}' } }
`,
  hurried: `
name: hurried
steps:
  - { id: work, type: noop, with: { echo: soon } }
finally:
  - { id: rest, type: noop, with: { delay_ms: 600000 } }
finally_timeout: 1s
`,
  unfit: `
name: unfit
steps:
  - { id: work, type: noop, with: { echo: soon } }
finally:
  - { id: wrong, type: noop, with: { delay_ms: '{{ steps.work.output }}' } }
  - { id: tell, type: noop, with: { echo: '{{ steps.wrong.error.code }}' } }
`,
};
const FAILURE = { code: 'MODEL_NOT_FOUND', message: 'no such model' };

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await client.call('GET', `/templates/${name}`)).status !== 200);
  }
}, 60_000);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

const submit = async (parameters: object = {}, template = 'ends', more: object = {}): Promise<string> =>
  await client.submit({ template, parameters, ...more });
const ended = async (parameters: object, template = 'ends') =>
  await client.ended(await submit(parameters, template));
const steps = (task: TaskView): object =>
  Object.fromEntries(task.steps.map(({ id, status }) => [id, status]));
const told = (task: TaskView): unknown => task.steps.find(({ id }) => id === 'tell')?.output;
const runs = async (id: string, stepId: string): Promise<TaskView> => {
  for (;;) {
    const task = await client.view(id);
    if (task.steps.some((step) => step.id === stepId && step.status === 'running')) return task;
  }
};

describe('steps under finally', () => {
  it('run after a completion, and the result is that of the others', async () => {
    const task = await ended({});
    expect([task.status, task.result, told(task)]).toEqual(['completed', 'done', 'completed  completed']);
    expect(steps(task)).toEqual({
      work: 'completed',
      tell: 'completed',
      mourn: 'skipped',
      rest: 'completed',
    });
    expect(task.finishing).toBeNull();
  });

  it('run after a failure, which stays as it was', async () => {
    const task = await ended({ fail: FAILURE, end_fail: { code: 'MODEL_ERROR', message: 'no' } });
    expect([task.status, task.error?.code]).toEqual(['failed', 'MODEL_NOT_FOUND']);
    expect(steps(task)).toEqual({ work: 'failed', tell: 'failed', mourn: 'completed', rest: 'completed' });
    expect(task.steps.find(({ id }) => id === 'mourn')?.output).toBe('work');
  });

  it('fail a task that was complete, and say which', async () => {
    const task = await ended({ end_fail: FAILURE });
    expect(task).toMatchObject({
      status: 'failed',
      result: null,
      error: {
        code: 'FINALLY_FAILED',
        message: expect.stringMatching(/'tell'.*no such model/),
        details: { stepId: 'tell', code: FAILURE.code },
      },
      last_error: { step_id: 'tell' },
    });
    expect(steps(task)).toMatchObject({ work: 'completed', tell: 'failed', rest: 'completed' });
  });

  it('keep others running where one cannot begin, and the task shows why', async () => {
    const task = await ended({}, 'unfit');
    expect([task.status, told(task)]).toEqual(['failed', 'STEP_INPUT_INVALID']);
    expect(task.steps.find(({ id }) => id === 'wrong')).toMatchObject({
      status: 'failed',
      finally: true,
      error: { code: 'STEP_INPUT_INVALID' },
    });
  });

  it('have a time of their own', async () => {
    const task = await ended({}, 'hurried');
    expect([task.status, task.error?.code, steps(task)]).toEqual([
      'failed',
      'FINALLY_TIMED_OUT',
      { work: 'completed', rest: 'cancelled' },
    ]);
  });

  it('hold back what depends on the task until they have ended, and refuse a plain cancel', async () => {
    const id = await submit({ end_ms: 600_000 });
    const dependent = await client.submit({ depends_on: [id] });
    const task = await runs(id, 'rest');
    expect([task.status, task.finishing?.status]).toEqual(['running', 'completed']);
    expect(await client.view(dependent)).toMatchObject({ status: 'queued' });
    const refused = await client.call('DELETE', `/tasks/${id}`);
    expect([refused.status, refused.json]).toMatchObject([409, { code: 'TASK_FINISHING' }]);
    const many = await client.call('POST', '/tasks/cancel', { template: 'ends' });
    expect(many.json).toMatchObject({ matched: 0 });
    expect((await client.call('DELETE', `/tasks/${id}?force=perhaps`)).status).toBe(422);
    expect((await client.call('DELETE', `/tasks/${id}?force=true`)).status).toBe(202);
    const over = await client.ended(id);
    expect([over.status, steps(over)]).toMatchObject(['cancelled', { work: 'completed', rest: 'cancelled' }]);
    expect(await client.ended(dependent)).toMatchObject({ error: { code: 'DEPENDENCY_FAILED' } });
  });

  it('do not run where nothing had begun', async () => {
    const id = await submit({}, 'ends', { run_at: new Date(Date.now() + 3_600_000).toISOString() });
    const { json } = await client.call('DELETE', `/tasks/${id}`);
    expect(json).toMatchObject({ status: 'cancelled' });
    expect(await client.view(id)).toMatchObject({ status: 'cancelled', finishing: null });
  });

  it('are told to run at the end while others run', async () => {
    const id = await submit({ ms: 600_000 });
    await runs(id, 'work');
    const answer = await client.call('GET', `/tasks/${id}/explain`);
    client.fits(answer, 'Explanation');
    expect(answer.json).toMatchObject({
      steps: expect.arrayContaining([
        expect.objectContaining({
          id: 'tell',
          text: expect.stringContaining("runs at the end of the task, when 'work' has ended"),
          waits_for: { kind: 'end', step_ids: ['work'] },
        }),
      ]),
    });
    await client.call('DELETE', `/tasks/${id}`);
    expect(told(await client.ended(id))).toBe('cancelled  cancelled');
  });

  it('are shown with their template, and in a dry run behind all others', async () => {
    const shown = await client.call('GET', '/templates/ends');
    client.fits(shown, 'Template');
    expect(shown.json).toMatchObject({
      finally: [{ id: 'tell', needs: [] }, { id: 'mourn', needs: ['tell'] }, { id: 'rest' }],
      finally_timeout: '1h',
    });
    const dry = await client.call('POST', '/templates/ends/render', { parameters: {} });
    client.fits(dry, 'DryRun');
    const { steps: planned } = dry.json as { readonly steps: readonly Record<string, unknown>[] };
    expect(planned.map(({ id, stage, finally: atEnd }) => [id, stage, atEnd])).toEqual([
      ['work', 1, false],
      ['tell', 2, true],
      ['mourn', 3, true],
      ['rest', 4, true],
    ]);
    expect(planned[1]?.['input']).toMatchObject({
      echo: '{{ task.status }} {{ task.error.code }} {{ steps.work.status }}',
    });
  });

  it('are none to run again from', async () => {
    const id = (await ended({})).id;
    const refused = await client.call('POST', `/tasks/${id}/rerun`, { from_step: 'tell' });
    expect([refused.status, refused.text]).toEqual([
      422,
      expect.stringMatching(/runs at the end of every run of task .*accepted: work/),
    ]);
  });
});
