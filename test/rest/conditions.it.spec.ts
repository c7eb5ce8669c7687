import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';
import { SseClient } from './sse-client.js';

/** Goal: conditions and failures that a task survives do over the real services what the README says of them. */
const TEMPLATES = {
  choice: `
name: choice
parameters: { score: { type: integer, required: true }, fail: { type: object }, last: { type: boolean, default: true } }
steps:
  - { id: judge, type: noop, with: { echo: { score: '{{ parameters.score }}' } } }
  - { id: rewrite, type: noop, when: '{{ steps.judge.output.score < 3 }}', on_failure: continue, retry: { attempts_max: 1 }, with: { echo: rewritten, fail: '{{ parameters.fail }}' } }
  - { id: tell, type: noop, when: '{{ parameters.last }}', with: { echo: '{{ steps.rewrite.status }} {{ steps.rewrite.output }} {{ steps.rewrite.error.code }}' } }
`,
  late: `
name: late
steps:
  - { id: slow, type: noop, timeout: 200ms, no_progress: 0.1s, on_failure: continue, retry: { attempts_max: 2, backoff_ms: 0 }, with: { delay_ms: 60000 } }
  - { id: slower, type: noop, timeout: 200ms, on_failure: continue, retry: { attempts_max: 1 }, with: { delay_ms: 60000 } }
  - { id: tell, type: noop, with: { echo: "{% if steps.slower.error.message contains 'its timeout' %}timeoutMs{% endif %}" } }
`,
  broken: `
name: broken
parameters: { words: { type: string, required: true } }
steps:
  - { id: first, type: noop }
  - { id: second, type: noop, when: "{{ parameters.words | split: '' | join: '------------------------------------------------------------' | size }}" }
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

const submit = async (parameters: object): Promise<string> =>
  await client.submit({ template: 'choice', parameters });
const ended = async (parameters: object) => await client.ended(await submit(parameters));
const statuses = ({ steps }: Awaited<ReturnType<typeof ended>>): object =>
  Object.fromEntries(steps.map(({ id, status }) => [id, status]));

describe('a template with conditions and limits in time', () => {
  it('is shown as it was written', async () => {
    for (const [name, step] of [
      ['choice', { id: 'rewrite', when: '{{ steps.judge.output.score < 3 }}', on_failure: 'continue' }],
      ['late', { id: 'slow', timeout: '200ms', no_progress: '0.1s' }],
    ] as const) {
      const shown = await client.call('GET', `/templates/${name}`);
      client.fits(shown, 'Template');
      expect(shown.json).toMatchObject({ steps: expect.arrayContaining([expect.objectContaining(step)]) });
    }
  });
});

describe('a step that takes too long', () => {
  it('fails with what it ran out of, and is tried again', async () => {
    const task = await client.ended(await client.submit({ template: 'late' }));
    expect(task).toMatchObject({ status: 'completed', result: 'timeoutMs' });
    expect(task.attempts.map(({ outcome, error }) => [outcome, error?.code ?? null])).toEqual([
      ['failed', 'STEP_TIMED_OUT'],
      ['failed', 'STEP_TIMED_OUT'],
      ['failed', 'STEP_TIMED_OUT'],
      ['completed', null],
    ]);
    expect(task.attempts.map(({ error }) => error?.message ?? '')).toEqual([
      "Attempt 1 of step 'slow' showed no progress for the 100 ms of its no_progress.",
      "Attempt 2 of step 'slow' showed no progress for the 100 ms of its no_progress.",
      "Attempt 1 of step 'slower' took longer than the 200 ms of its timeout.",
      '',
    ]);
    expect(task.attempts[2]?.error?.details).toEqual({ limit: 'timeoutMs', limitMs: 200, confirmed: true });
  });
});

describe('a step with a condition', () => {
  it('runs where that is true, and is left out where it is not', async () => {
    const low = await ended({ score: 2 });
    expect(low).toMatchObject({ status: 'completed', result: 'completed rewritten ' });
    expect(statuses(low)).toEqual({ judge: 'completed', rewrite: 'completed', tell: 'completed' });
    const high = await ended({ score: 3 });
    expect(high).toMatchObject({ status: 'completed', result: 'skipped  ', error: null });
    expect(statuses(high)).toEqual({ judge: 'completed', rewrite: 'skipped', tell: 'completed' });
    expect(high.attempts.map(({ step_id: stepId }) => stepId)).toEqual(['judge', 'tell']);
  });

  it('may end its task by being left out, with the result of the last that completed', async () => {
    const id = await submit({ score: 5, last: false });
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'completed', result: { score: 5 } });
    expect(statuses(task)).toEqual({ judge: 'completed', rewrite: 'skipped', tell: 'skipped' });
    const events = await (await SseClient.open(`${platform.url}/api/v1/tasks/${id}/stream`)).all();
    expect(events.map(({ event }) => event)).toEqual([
      'task.submitted',
      'step.dispatched',
      'step.completed',
      'step.skipped',
      'task.completed',
    ]);
  });

  it('fails its task where it cannot be evaluated', async () => {
    const words = 'x'.repeat(400_000);
    const task = await client.ended(await client.submit({ template: 'broken', parameters: { words } }));
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'TEMPLATE_RENDER_FAILED', message: expect.stringMatching(/steps\.second\.when/) },
    });
  });

  it('is decided when its time has come, and not before', async () => {
    const runAt = new Date(Date.now() + 1_000).toISOString();
    const id = await client.submit({ template: 'choice', parameters: { score: 9 }, run_at: runAt });
    const task = await client.ended(id);
    expect(task.status).toBe('completed');
    expect(Date.parse(task.ended_at ?? '')).toBeGreaterThanOrEqual(Date.parse(runAt));
  });

  it('says while it waits that its condition is to come', async () => {
    const held = await client.submit({ parameters: { delay_ms: 60_000 } });
    const id = await client.submit({ template: 'choice', parameters: { score: 1 }, depends_on: [held] });
    expect(await client.explained(id)).toMatchObject({
      steps: [{ id: 'judge' }, { id: 'rewrite', waits_for: { kind: 'tasks' } }, { id: 'tell' }],
    });
    await client.call('DELETE', `/tasks/${held}`);
    await client.ended(id);
  });
});

describe('a step that may fail', () => {
  it('has its task go on, which sees why', async () => {
    const task = await ended({ score: 1, fail: FAILURE });
    expect(task).toMatchObject({ status: 'completed', error: null, result: 'failed  MODEL_NOT_FOUND' });
    expect(statuses(task)).toEqual({ judge: 'completed', rewrite: 'failed', tell: 'completed' });
    expect(task.attempts[1]).toMatchObject({ step_id: 'rewrite', outcome: 'failed', error: FAILURE });
  });

  it('is kept as it ended by a rerun from a later one, and tried again by one from it', async () => {
    const first = await submit({ score: 1, fail: FAILURE });
    await client.ended(first);
    const again = async (from: string) => {
      const answer = await client.call('POST', `/tasks/${first}/rerun`, { from_step: from });
      return await client.ended((answer.json as { id: string }).id);
    };
    const later = await again('tell');
    expect(later).toMatchObject({ status: 'completed', result: 'failed  MODEL_NOT_FOUND' });
    expect(later.attempts).toHaveLength(1);
    expect(statuses(later)).toEqual({ judge: 'kept', rewrite: 'kept', tell: 'completed' });
    expect((await again('rewrite')).attempts.map(({ step_id: id }) => id)).toEqual(['rewrite', 'tell']);
    const skipped = await submit({ score: 4 });
    await client.ended(skipped);
    const { json } = await client.call('POST', `/tasks/${skipped}/rerun`, { from_step: 'tell' });
    const kept = await client.ended((json as { id: string }).id);
    expect(statuses(kept)).toEqual({ judge: 'kept', rewrite: 'skipped', tell: 'completed' });
  });
});
