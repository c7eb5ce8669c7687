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

type Cancelled = {
  readonly more: boolean;
  readonly ids: { readonly cancelled: readonly string[]; readonly stopping: readonly string[] };
};

const cancel = async (body: object): Promise<Cancelled> => {
  const answer = await client.call('POST', '/tasks/cancel', body);
  expect(answer.status).toBe(200);
  client.fits(answer, 'TasksCancelled');
  return answer.json as Cancelled;
};

/** More than the scheduler appends without waiting for the log. */
const CROWD = 600;

/** Nothing of it starts while the test looks on. */
const later = { run_at: new Date(Date.now() + 3_600_000).toISOString() };

describe('cancelling by filter', () => {
  it('ends what waits, asks what runs to stop, and leaves everything else alone', async () => {
    const labels = { batch: 'one' };
    const runs = await client.submit({ labels, parameters: { delay_ms: 60_000 } });
    await client.started(runs);
    const waits = await client.submit({ labels, depends_on: [runs] });
    const other = await client.submit({ labels: { batch: 'two' }, ...later });
    expect(await cancel({ labels, reason: 'the batch was wrong' })).toEqual({
      matched: 2,
      cancelled: 1,
      stopping: 1,
      more: false,
      ids: { cancelled: [waits], stopping: [runs] },
    });
    expect(await client.ended(runs)).toMatchObject({ status: 'cancelled' });
    expect(await client.view(waits)).toMatchObject({ status: 'cancelled', error: null });
    expect(await client.view(other)).toMatchObject({ status: 'queued' });
    const { json } = await client.call('GET', `/tasks/${waits}/events`);
    expect(json).toMatchObject({ items: [{}, { data: { reason: 'the batch was wrong' } }] });
    expect(await cancel({ labels })).toMatchObject({ matched: 0, more: false });
  });

  it('takes so many at once, and the next ones by the same request', async () => {
    const ids: string[] = [];
    for (let n = 0; n < 5; n += 1) ids.push(await client.submit({ workspace: 'many', ...later }));
    const filter = { workspace: 'many', status: ['queued'], limit: 3 };
    expect(await cancel(filter)).toMatchObject({ more: true, ids: { cancelled: ids.slice(0, 3) } });
    expect(await cancel(filter)).toMatchObject({ more: false, ids: { cancelled: ids.slice(3) } });
  });

  it('fails what depends on what was cancelled, unless that was meant too', async () => {
    const first = await client.submit({ workspace: 'chain', ...later });
    const second = await client.submit({ workspace: 'chain', priority: 9, depends_on: [first] });
    const third = await client.submit({ workspace: 'chain', priority: 9, depends_on: [second] });
    expect(await cancel({ workspace: 'chain', priority_max: 8 })).toMatchObject({ matched: 1 });
    for (const id of [second, third])
      expect(await client.ended(id)).toMatchObject({
        status: 'failed',
        error: { code: 'DEPENDENCY_FAILED' },
      });
  });

  it('of hundreds is answered with each of them', async () => {
    const ids: string[] = [];
    while (ids.length < CROWD) {
      const some = Array.from({ length: 50 }, () => client.submit({ workspace: 'crowd', ...later }));
      ids.push(...(await Promise.all(some)));
    }
    const answer = await cancel({ workspace: 'crowd' });
    expect([...answer.ids.cancelled].toSorted()).toEqual(ids.toSorted());
    const { json } = await client.call('GET', '/tasks/status?workspace=crowd');
    expect(json).toMatchObject({ by_status: { cancelled: CROWD, queued: 0 } });
  });
});
