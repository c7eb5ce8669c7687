import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

type Explained = {
  readonly as_of: string;
  readonly as_of_seq: number;
  readonly status: string;
  readonly summary: string;
  readonly steps: readonly {
    readonly state: string;
    readonly waits_for: unknown;
    readonly start: { readonly kind: string; readonly at: string } | null;
    readonly bound: { readonly start_by: string } | null;
  }[];
  readonly predictions: { readonly count: number } | null;
};

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  // One slot, so that whatever is submitted beside a task that runs has to wait for it.
  platform = await TestPlatform.start({ ORCHESTRA_CPU_SLOTS: '1' });
  client = await RestClient.of(platform);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

const explained = async (id: string, at?: string | number): Promise<Explained> => {
  const query = at === undefined ? '' : `?at=${encodeURIComponent(String(at))}`;
  const answer = await client.call('GET', `/tasks/${id}/explain${query}`);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  client.fits(answer, 'Explanation');
  return answer.json as Explained;
};

const waits = (explanation: Explained): unknown => explanation.steps[0]?.waits_for;

describe('a task that waited', () => {
  let [runs, first, second, after]: string[] = [];
  let now: Explained;
  let nowAfter: Explained;

  beforeAll(async () => {
    runs = await client.submit({ parameters: { delay_ms: 1_500 } });
    await client.started(runs);
    [first, second] = [await client.submit(), await client.submit()];
    after = await client.submit({ depends_on: [second] });
    [now, nowAfter] = [await explained(second), await explained(after)];
    await client.ended(after);
  }, 60_000);

  it('is explained now with its place, who has the slot, and when it will probably start', async () => {
    expect(now).toMatchObject({ status: 'open', steps: [{ state: 'waiting', start: { kind: 'probably' } }] });
    expect(waits(now)).toMatchObject({
      kind: 'slot',
      position: { ahead: 1, ahead_of_same: 1 },
      places: [{ server_id: 'cpu', slots: 1, busy: 1, holders: [{ task_id: runs, step_id: 'noop' }] }],
    });
    const [{ start, bound } = { start: null, bound: null }] = now.steps;
    expect(Date.parse(start?.at ?? '')).toBeGreaterThanOrEqual(Date.parse(now.as_of));
    expect(Date.parse(start?.at ?? '')).toBeLessThanOrEqual(Date.parse(bound?.start_by ?? ''));
    expect(nowAfter.steps[0]?.start?.kind).toBe('not-before');
  });

  it('is explained the same afterwards, by the time and by the sequence', async () => {
    for (const at of [now.as_of, now.as_of_seq]) {
      const then = await explained(second ?? '', at);
      expect([then.status, then.as_of_seq]).toEqual(['open', now.as_of_seq]);
      expect(waits(then)).toEqual(waits(now));
      expect(then.steps[0]?.bound?.start_by).toBe(now.steps[0]?.bound?.start_by);
    }
    expect((await explained(second ?? '', now.as_of)).as_of).toBe(now.as_of);
    const then = await explained(after ?? '', nowAfter.as_of);
    expect([waits(then), then.steps[0]?.start?.kind]).toEqual([waits(nowAfter), 'not-before']);
  });

  it('was not there before its submission, and is over behind its end', async () => {
    const before = await explained(second ?? '', new Date(Date.parse(now.as_of) - 60_000).toISOString());
    const { created_at: created, ended_at: ended } = await client.view(second ?? '');
    expect(before).toMatchObject({ status: 'not_submitted', steps: [], predictions: null });
    expect(before.summary).toContain(created);
    // The log may have it some milliseconds after the moment that it tells.
    const behind = await explained(second ?? '', new Date().toISOString());
    expect(behind).toMatchObject({ status: 'completed', steps: [] });
    expect(behind.summary).toContain(ended);
  });

  it('was predicted, and how well is told', async () => {
    const { json } = await client.call('GET', `/tasks/${first}/events`);
    const { items } = json as { items: { type: string; data: { predictedStartAt?: string } }[] };
    expect(items.find(({ type }) => type === 'step.dispatched')?.data.predictedStartAt).toBeDefined();
    const holds = await client.submit({ parameters: { delay_ms: 300 } });
    await client.started(holds);
    const later = await client.submit();
    const counted = (await explained(later)).predictions;
    expect(counted).toMatchObject({ count: expect.any(Number), text: expect.stringMatching(/were off by/) });
    const queue = await client.call('GET', '/queue');
    client.fits(queue, 'Queue');
    expect(queue.json).toMatchObject({
      predictions: counted && expect.objectContaining({ text: expect.any(String) }),
    });
    await client.ended(later);
  });

  it.each([
    ['tomorrow', 'is no time', /RFC 3339/],
    ['0', 'is no sequence', /from 1/],
    ['2999-01-01T00:00:00Z', 'has not come yet', /until now/],
    ['999999999', 'is behind the end of the log', /sequence from 1 to/],
  ])('is refused for %s, which %s', async (at, _, says) => {
    const answer = await client.call('GET', `/tasks/${second}/explain?at=${at}`);
    expect(answer).toMatchObject({ status: 422, json: { code: 'VALIDATION_FAILED' } });
    expect(answer.text).toMatch(says);
  });

  it('is not known by another name', async () =>
    expect(await client.call('GET', `/tasks/nobody/explain?at=1`)).toMatchObject({
      status: 404,
      json: { code: 'TASK_UNKNOWN' },
    }));

  it('is explained to a few at once, and the others are told to come back', async () => {
    const path = `/tasks/${second}/explain?at=${now.as_of_seq}`;
    const answers = await Promise.all(Array.from({ length: 40 }, () => client.call('GET', path)));
    const statuses = new Set(answers.map(({ status }) => status));
    expect(statuses).toEqual(new Set([200, 429]));
    const busy = answers.find(({ status }) => status === 429);
    expect(busy).toMatchObject({ json: { code: 'RATE_LIMITED' } });
    expect(busy?.text).toMatch(/one moment of the past is explained at a time/i);
    expect((await explained(second ?? '', now.as_of_seq)).status).toBe('open');
  });
});
