import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: steps that wait do over the real services what the README says of them. */
const TEMPLATES = {
  pause: `
name: pause
parameters: { for: { type: string, required: true } }
steps:
  - { id: cool, type: delay, with: { for: '{{ parameters.for }}' } }
  - { id: tell, type: noop, with: { echo: 'after {{ steps.cool.output.until }}' } }
`,
};

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

/** Once the task waits. */
const waiting = async (id: string) => {
  for (;;) {
    const task = await client.view(id);
    if (task.status === 'waiting') return task;
    expect(task.ended_at).toBeNull();
  }
};

describe('a delay', () => {
  it('holds its task for so long, without a lease, and says until when', async () => {
    const id = await client.submit({ template: 'pause', parameters: { for: '1.5s' } });
    const { steps, attempts } = await waiting(id);
    expect(steps[0]).toMatchObject({ status: 'waiting', waiting: { kind: 'delay', answered_by: null } });
    expect(attempts).toEqual([]);
    expect(await client.explained(id)).toMatchObject({
      summary: `Step 'cool' waits until ${steps[0]?.waiting?.until?.slice(0, 19)}Z, since ${steps[0]?.waiting?.since.slice(11, 19)} UTC.`,
    });
    const ended = await client.ended(id);
    expect(ended).toMatchObject({ status: 'completed', result: `after ${steps[0]?.waiting?.until}` });
    const { startedAt } = { startedAt: ended.attempts[0]?.dispatched_at ?? '' };
    expect(Date.parse(startedAt)).toBeGreaterThanOrEqual(Date.parse(steps[0]?.waiting?.until ?? ''));
  });

  it('ends with a cancel, and leaves nothing of it in the queue', async () => {
    const id = await client.submit({ template: 'pause', parameters: { for: '1h' } });
    await waiting(id);
    expect((await client.call('GET', '/queue')).json).toMatchObject({ ready_steps: 0 });
    await client.call('DELETE', `/tasks/${id}`);
    expect(await client.ended(id)).toMatchObject({
      status: 'cancelled',
      steps: [{ status: 'cancelled' }, {}],
    });
  });

  it('that cannot be is refused when the task is submitted or its turn comes', async () => {
    const never = await client.call('POST', '/tasks', { template: 'pause', parameters: { for: 'never' } });
    expect([never.status, never.text]).toEqual([422, expect.stringContaining('parameters.for')]);
    const id = await client.submit({ template: 'pause', parameters: { for: '1000d' } });
    expect(await client.ended(id)).toMatchObject({ status: 'failed', error: { code: 'STEP_INPUT_INVALID' } });
  });
});
