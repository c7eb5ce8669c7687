import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskPage } from '#libs/contracts/queries.js';
import type { Answer } from './http-client.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

let platform: TestPlatform;
let client: RestClient;

/** `first` and `side` hang on nothing, `second` reads `first`, `last` reads both. */
const CHAIN = `
name: chain
parameters: { word: { type: string, required: true }, fail: { type: object } }
steps:
  - { id: first, type: noop, with: { echo: '{{ parameters.word }}' } }
  - { id: side, type: noop, needs: [], with: { echo: side } }
  - { id: second, type: noop, needs: [first], with: { echo: '{{ steps.first.output }} second', fail: '{{ parameters.fail }}' } }
  - { id: last, type: noop, needs: [second, side], with: { echo: '{{ steps.second.output }}, {{ steps.side.output }}' } }
output: '{{ steps.last.output }}'
`;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
  await writeFile(join(platform.folder, 'templates', 'chain.yaml'), CHAIN);
  while ((await client.call('GET', '/templates/chain')).status !== 200);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

const rerun = async (id: string, body: object = {}, headers: Record<string, string> = {}): Promise<Answer> =>
  await client.call('POST', `/tasks/${id}/rerun`, body, headers);
const idOf = (answer: Answer): string => {
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  client.fits(answer, 'Submitted');
  return (answer.json as { id: string }).id;
};
const statuses = async (id: string): Promise<object> =>
  Object.fromEntries((await client.view(id)).steps.map((step) => [step.id, step.status]));

describe('running a task again', () => {
  it('makes a new one of the same template version, parameters, priority and labels', async () => {
    const labels = { team: 'red' };
    const first = await client.submit({ parameters: { echo: 5 }, priority: 3, labels, workspace: 'lab' });
    await client.ended(first);
    const id = idOf(await rerun(first));
    expect(id).not.toBe(first);
    const [old, task] = [await client.view(first), await client.ended(id)];
    expect(task).toMatchObject({
      status: 'completed',
      result: 5,
      rerun_of: first,
      template: old.template,
      parameters: old.parameters,
      priority: 3,
      labels,
      workspace: 'lab',
    });
    expect(old.rerun_of).toBeNull();
  });

  it('keeps the version that the old one had, though the template has changed since', async () => {
    const file = join(platform.folder, 'templates', 'changing.yaml');
    const text = (word: string): string =>
      `name: changing\nsteps:\n  - { id: a, type: noop, with: { echo: ${word} } }\n`;
    const served = async (): Promise<string> =>
      ((await client.call('GET', '/templates/changing')).json as { version?: string }).version ?? '';
    await writeFile(file, text('old'));
    while ((await served()) === '');
    const before = await served();
    const first = await client.submit({ template: 'changing' });
    await client.ended(first);
    await writeFile(file, text('new'));
    while ((await served()) === before);
    expect(await client.ended(idOf(await rerun(first)))).toMatchObject({ result: 'old' });
  });

  it('from a step keeps the outputs of those that do not depend on it', async () => {
    const first = await client.submit({ template: 'chain', parameters: { word: 'one' } });
    expect(await client.ended(first)).toMatchObject({ result: 'one second, side' });
    const id = idOf(await rerun(first, { from_step: 'second' }));
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'completed', result: 'one second, side', rerun_of: first });
    expect(task.attempts.map(({ step_id: stepId }) => stepId)).toEqual(['second', 'last']);
    expect(await statuses(id)).toEqual({
      first: 'kept',
      side: 'kept',
      second: 'completed',
      last: 'completed',
    });
    expect(task.steps.find((step) => step.id === 'first')?.output).toBe('one');
    // And once more, from what the rerun kept.
    const third = await client.ended(idOf(await rerun(id, { from_step: 'last' })));
    expect(third.attempts.map(({ step_id: stepId }) => stepId)).toEqual(['last']);
    expect(third.result).toBe('one second, side');
  });

  it('goes on behind what a failed one had done, and says where that failed', async () => {
    const fail = { code: 'MODEL_NOT_FOUND', message: 'no such model' };
    const parameters = { word: 'two', fail };
    const first = await client.submit({ template: 'chain', parameters, labels: { batch: 'dead' } });
    expect(await client.ended(first)).toMatchObject({ status: 'failed' });
    const page = await client.call('GET', '/tasks?status=failed&label=batch:dead');
    client.fits(page, 'TaskPage');
    expect((page.json as TaskPage).items).toMatchObject([
      {
        id: first,
        last_error: { ...fail, step_id: 'second', attempt: 1, server_id: 'cpu', at: expect.any(String) },
      },
    ]);
    const id = idOf(await rerun(first, { from_step: 'second' }));
    await client.ended(id);
    expect(await statuses(id)).toMatchObject({ first: 'kept', second: 'failed', last: 'cancelled' });
  });

  it('is one rerun for one key, and refused with another request', async () => {
    const first = await client.submit({ template: 'chain', parameters: { word: 'three' } });
    await client.ended(first);
    const headers = { 'idempotency-key': 'rerun-1' };
    const id = idOf(await rerun(first, { from_step: 'last' }, headers));
    const again = await rerun(first, { from_step: 'last' }, headers);
    expect(again).toMatchObject({ status: 200, json: { id } });
    client.fits(again, 'Task');
    expect(await rerun(first, {}, headers)).toMatchObject({
      status: 422,
      json: { code: 'IDEMPOTENCY_KEY_REUSED' },
    });
    await client.ended(id);
  });

  it('is refused while the task is open, and for a step that it does not have', async () => {
    const open = await client.submit({ parameters: { delay_ms: 60_000 } });
    expect(await rerun(open)).toMatchObject({ status: 409, json: { code: 'TASK_NOT_OVER' } });
    await client.call('DELETE', `/tasks/${open}`);
    expect(await client.ended(open)).toMatchObject({ status: 'cancelled' });
    expect(await rerun(open, { from_step: 'other' })).toMatchObject({
      status: 422,
      json: { code: 'VALIDATION_FAILED', errors: [{ path: 'from_step', accepted: 'noop' }] },
    });
    const id = idOf(await rerun(open));
    await client.call('DELETE', `/tasks/${id}`);
    expect(await client.ended(id)).toMatchObject({ status: 'cancelled', rerun_of: open });
  });

  it('of one whose dependency failed is refused, because it would wait for ever', async () => {
    const bad = await client.submit({ parameters: { fail: { code: 'MODEL_NOT_FOUND' } } });
    const next = await client.submit({ depends_on: [bad] });
    expect(await client.ended(next)).toMatchObject({
      status: 'failed',
      last_error: { code: 'DEPENDENCY_FAILED', step_id: null, attempt: null, server_id: null },
    });
    expect(await rerun(next)).toMatchObject({ status: 409, json: { code: 'DEPENDENCY_FAILED' } });
  });
});
