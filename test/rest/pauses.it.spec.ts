import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pause } from '#libs/domain/task/pauses.js';
import type { Answer } from './http-client.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

const changed = async (method: string, path: string, body?: object): Promise<readonly Pause[]> => {
  const answer = await client.call(method, path, body);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  client.fits(answer, 'PauseList');
  return (answer.json as { items: readonly Pause[] }).items;
};
const pause = async (scope: string, body: object = {}): Promise<readonly Pause[]> =>
  await changed('PUT', `/pauses/${scope}`, body);
const resume = async (scope: string): Promise<readonly Pause[]> =>
  await changed('DELETE', `/pauses/${scope}`);

/** Ready is also a scheduler that does not lead yet: asked until one answers, each time for as long as the gateway waits. */
const queue = async (): Promise<Answer> => {
  for (;;) {
    const answer = await client.call('GET', '/queue');
    if (answer.status !== 503) return answer;
  }
};

afterEach(async () => {
  for (const { scope } of await changed('GET', '/pauses')) await resume(scope);
});

describe('what is paused', () => {
  it.each([
    ['queue', {}],
    ['workspace:held', { workspace: 'held' }],
    ['template:noop', {}],
    ['server:cpu', {}],
  ])('as %s starts nothing new, says who and why, and goes on when it is resumed', async (scope, body) => {
    const running = await client.submit({ ...body, parameters: { delay_ms: 300 } });
    await client.started(running);
    expect(await pause(scope, { reason: 'repair', by: 'ada' })).toEqual([
      { scope, reason: 'repair', by: 'ada', since: expect.any(String) },
    ]);
    const id = await client.submit(body);
    expect(await client.ended(running)).toMatchObject({ status: 'completed' });
    expect(await client.explained(id)).toMatchObject({
      summary: expect.stringMatching(/paused by ada since .*repair/),
      steps: [{ waits_for: { kind: 'paused', pause: { scope, by: 'ada', reason: 'repair' } } }],
    });
    expect(await client.view(id)).toMatchObject({ status: 'queued', attempts: [] });
    expect(await resume(scope)).toEqual([]);
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
  });

  it('holds back nobody else', async () => {
    await pause('workspace:held');
    await pause('template:ollama-chat');
    expect(await client.ended(await client.submit())).toMatchObject({ status: 'completed' });
    const held = await client.submit({ workspace: 'held' });
    const answer = await client.call('DELETE', `/tasks/${held}`);
    expect(answer).toMatchObject({ json: { status: 'cancelled' } });
  });

  it('is shown with the queue, and stays paused when another scheduler leads', async () => {
    await pause('queue', { reason: 'night' });
    const id = await client.submit();
    await platform.stopService('scheduler');
    await platform.startService('scheduler');
    const answer = await queue();
    client.fits(answer, 'Queue');
    expect(answer.json).toMatchObject({
      ready_steps: 1,
      paused: { scope: 'queue', reason: 'night', by: 'a client' },
    });
    await resume('queue');
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
  });

  it('does not stop the clock of a time in the queue', async () => {
    await pause('workspace:held');
    const id = await client.submit({ workspace: 'held', queue_ttl_ms: 50 });
    expect(await client.ended(id)).toMatchObject({ error: { code: 'QUEUE_TTL_EXPIRED' } });
  });
});
