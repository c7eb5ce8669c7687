import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
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

const fromNow = (ms: number): string => new Date(Date.now() + ms).toISOString();
const HOUR_MS = 3_600_000;

describe('a task that is to run later', () => {
  it('starts when its time has come and not before', async () => {
    const runAt = fromNow(700);
    const id = await client.submit({ run_at: runAt });
    expect(await client.explained(id)).toMatchObject({
      steps: [{ state: 'waiting', waits_for: { kind: 'run-at', at: runAt } }],
    });
    const task = await client.ended(id);
    expect(task).toMatchObject({ status: 'completed', run_at: runAt, deadline_at: null, queue_ttl_ms: null });
    expect(Date.parse(task.started_at ?? '')).toBeGreaterThanOrEqual(Date.parse(runAt));
  });

  it('is shown with what was asked for, in UTC, and can be cancelled meanwhile', async () => {
    const id = await client.submit({
      run_at: '2026-01-31T13:00:00+01:00',
      deadline_at: '2026-01-31T12:00:00.5Z',
      queue_ttl_ms: HOUR_MS,
    });
    expect(await client.ended(id)).toMatchObject({
      // A deadline that has passed fails nothing.
      status: 'completed',
      run_at: '2026-01-31T12:00:00.000Z',
      deadline_at: '2026-01-31T12:00:00.500Z',
      queue_ttl_ms: HOUR_MS,
    });
    const later = await client.submit({ run_at: fromNow(HOUR_MS) });
    await client.call('DELETE', `/tasks/${later}`);
    expect(await client.ended(later)).toMatchObject({ status: 'cancelled', started_at: null });
  });

  it('is the first one when its request is repeated, though its time has passed', async () => {
    const body = { run_at: fromNow(-HOUR_MS), deadline_at: fromNow(-1) };
    const headers = { 'idempotency-key': 'later-1' };
    const id = await client.submit(body, headers);
    const again = await client.call('POST', '/tasks', { template: 'noop', ...body }, headers);
    expect(again).toMatchObject({ status: 200, json: { id } });
  });
});

describe('a task that has a time in the queue', () => {
  it('fails when nothing of it has started by then, and what depends on it with it', async () => {
    const id = await client.submit({ run_at: fromNow(100), queue_ttl_ms: 300, depends_on: [await busy()] });
    const next = await client.submit({ depends_on: [id] });
    const task = await client.ended(id);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'QUEUE_TTL_EXPIRED', details: { queueTtlMs: 300 } },
      attempts: [],
    });
    const waitedMs = Date.parse(task.ended_at ?? '') - Date.parse(task.run_at ?? '');
    expect(waitedMs).toBeGreaterThanOrEqual(300);
    expect(await client.ended(next)).toMatchObject({
      status: 'failed',
      error: { code: 'DEPENDENCY_FAILED' },
    });
  });

  it('goes on when it has started in time, however long it takes', async () => {
    const id = await client.submit({ parameters: { delay_ms: 1_500 }, queue_ttl_ms: 1_000 });
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
  });

  it('fails when the time was over while no scheduler led', async () => {
    const blocker = await busy();
    const id = await client.submit({ queue_ttl_ms: 400, depends_on: [blocker] });
    const { created_at: createdAt } = await client.view(id);
    await platform.stopService('scheduler');
    const overAtMs = Date.parse(createdAt) + 400;
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, overAtMs - Date.now())));
    await platform.startService('scheduler');
    expect(await client.ended(id)).toMatchObject({ status: 'failed', error: { code: 'QUEUE_TTL_EXPIRED' } });
    expect(await client.view(blocker)).toMatchObject({ status: 'running' });
    await client.call('DELETE', `/tasks/${blocker}`);
  });

  /** A task that runs until it is cancelled. */
  const busy = async (): Promise<string> => {
    const id = await client.submit({ parameters: { delay_ms: 60_000 } });
    await client.started(id);
    return id;
  };
});
