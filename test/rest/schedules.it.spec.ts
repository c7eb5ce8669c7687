import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STREAMS } from '#libs/contracts/streams.js';
import type { ScheduleFired } from '#libs/domain/schedule/schedule-events.js';
import { START } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
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

type View = {
  readonly id: string;
  readonly status: string;
  readonly firings: number;
  readonly next: { readonly due_at: string } | null;
  readonly last_error: { readonly code: string; readonly message: string } | null;
  readonly last_firing: {
    readonly task_id: string;
    readonly due_at: string;
    readonly by_hand: boolean;
  } | null;
};

const put = async (id: string, body: object): Promise<Answer> =>
  await client.call('PUT', `/schedules/${id}`, { template: 'noop', ...body });

const view = async (id: string): Promise<View> => {
  const answer = await client.call('GET', `/schedules/${id}`);
  client.fits(answer, 'Schedule');
  return answer.json as View;
};

/** Asked until it is so; each look takes as long as an answer. */
const until = async (id: string, isSo: (schedule: View) => boolean): Promise<View> => {
  for (;;) {
    const seen = await view(id);
    if (isSo(seen)) return seen;
  }
};

const firingsOf = async (id: string): Promise<readonly ScheduleFired[]> => {
  const fired: ScheduleFired[] = [];
  for await (const { type, data } of jetStreamEventLog(platform.connection, STREAMS.tasks).replay(START)) {
    const event = { ...(data as object), type } as ScheduleFired;
    if (type === 'schedule.fired' && event.scheduleId === id) fired.push(event);
  }
  return fired;
};

const remove = async (id: string): Promise<void> => {
  expect((await client.call('DELETE', `/schedules/${id}`)).status).toBe(204);
};

describe('a schedule', () => {
  it('is created, shown, changed, and removed', async () => {
    const body = {
      cron: '30 2 * * *',
      time_zone: 'Europe/Berlin',
      labels: { team: 'red' },
      jitter: '30s',
      max_firings: 3,
    };
    const created = await put('nightly', body);
    client.fits(created, 'Schedule');
    expect([created.status, created.headers['location']]).toEqual([201, '/api/v1/schedules/nightly']);
    expect(created.json).toMatchObject({
      id: 'nightly',
      status: 'active',
      template_version: 'latest',
      parameters: {},
      cron: '30 2 * * *',
      time_zone: 'Europe/Berlin',
      overlap: 'skip',
      catch_up: 'last',
      jitter: '30s',
      max_firings: 3,
      firings: 0,
    });
    expect((await put('nightly', body)).status).toBe(200);
    expect((await put('nightly', { every: '15m', template_version: 'pinned' })).json).toMatchObject({
      every: '15m',
      cron: null,
      pinned_version: expect.stringMatching(/^[0-9a-f]{16}$/),
    });
    const page = await client.call('GET', '/schedules');
    client.fits(page, 'SchedulePage');
    expect(page.json).toMatchObject({ items: [{ id: 'nightly' }], next: null });
    await remove('nightly');
    expect(await client.call('GET', '/schedules/nightly')).toMatchObject({
      status: 404,
      json: { code: 'SCHEDULE_UNKNOWN' },
    });
  });

  it('is listed in pages, by workspace too', async () => {
    for (const id of ['page-a', 'page-b', 'page-c'])
      await put(id, { every: '1h', workspace: id === 'page-b' ? 'other' : 'paged' });
    const ids = async (query: string) => {
      const { items, next } = (await client.call('GET', `/schedules?${query}`)).json as {
        items: View[];
        next: string | null;
      };
      return [items.map(({ id }) => id), next];
    };
    expect(await ids('page_size=2')).toEqual([['page-a', 'page-b'], 'page-b']);
    expect(await ids('page_size=2&after=page-b')).toEqual([['page-c'], null]);
    expect(await ids('workspace=paged')).toEqual([['page-a', 'page-c'], null]);
    for (const id of ['page-a', 'page-b', 'page-c']) await remove(id);
  });

  it('says when it is due next', async () => {
    await put('preview', {
      cron: '30 2 * * *',
      time_zone: 'Europe/Berlin',
      start_at: '2027-03-26T00:00:00Z',
    });
    const answer = await client.call('GET', '/schedules/preview/next?count=4');
    client.fits(answer, 'NextTimes');
    expect((answer.json as { items: { due_at: string }[] }).items.map(({ due_at: due }) => due)).toEqual([
      '2027-03-26T01:30:00.000Z',
      '2027-03-27T01:30:00.000Z',
      // 02:30 is not there on the 28th.
      '2027-03-28T01:00:00.000Z',
      '2027-03-29T00:30:00.000Z',
    ]);
    await remove('preview');
  });

  it('fires, and its tasks are found by it', async () => {
    await put('often', {
      every: '1s',
      overlap: 'queue',
      max_firings: 3,
      parameters: { echo: 'hello' },
      priority: 9,
    });
    const { last_firing: last } = await until('often', ({ firings }) => firings === 3);
    const task = await client.ended(last?.task_id ?? '');
    expect(task).toMatchObject({
      status: 'completed',
      result: 'hello',
      priority: 9,
      labels: { schedule: 'often' },
    });
    const { items } = (await client.call('GET', '/tasks?label=schedule:often')).json as {
      items: { id: string }[];
    };
    expect(items.map(({ id }) => id)).toHaveLength(3);
    expect((await until('often', ({ status }) => status === 'finished')).next).toBeNull();
    const due = (await firingsOf('often')).map(({ dueAt }) => Date.parse(dueAt));
    expect(due.map((at) => at - (due[0] ?? 0))).toEqual([0, 1000, 2000]);
    await remove('often');
  });

  it('is paused, fired by hand meanwhile, and resumed', async () => {
    await put('paused', { every: '1h' });
    const paused = await client.call('POST', '/schedules/paused/pause', { reason: 'holidays', by: 'ada' });
    client.fits(paused, 'Schedule');
    expect(paused.json).toMatchObject({ status: 'paused', paused: { reason: 'holidays', by: 'ada' } });
    const fired = await client.call('POST', '/schedules/paused/fire', undefined, {
      'idempotency-key': 'by-hand',
    });
    client.fits(fired, 'Fired');
    expect([fired.status, fired.json]).toMatchObject([201, { schedule_id: 'paused', status: 'queued' }]);
    const again = await client.call('POST', '/schedules/paused/fire', undefined, {
      'idempotency-key': 'by-hand',
    });
    expect([again.status, again.json]).toEqual([200, fired.json]);
    const { id } = fired.json as { id: string };
    expect(await client.ended(id)).toMatchObject({ status: 'completed', labels: { schedule: 'paused' } });
    expect(await view('paused')).toMatchObject({ firings: 0, last_firing: { task_id: id, by_hand: true } });
    const resumed = await client.call('POST', '/schedules/paused/resume', {});
    expect([resumed.status, resumed.json]).toMatchObject([200, { status: 'active', paused: null }]);
    await remove('paused');
  });

  it('follows its template as it changes, and says when its parameters no longer fit', async () => {
    const file = join(platform.folder, 'templates', 'greeting.yaml');
    const greeting = (extra: string): string =>
      `name: greeting\nparameters:\n  who: { type: string, required: true }\n${extra}` +
      "steps:\n  - { id: say, type: noop, with: { echo: 'Hello {{ parameters.who }}' } }\n";
    await writeFile(file, greeting(''));
    const request = { template: 'greeting', parameters: { who: 'Ada' }, every: '1s', overlap: 'queue' };
    for (;;) if ((await put('greets', request)).status === 201) break;
    await until('greets', ({ firings }) => firings > 0);
    await writeFile(file, greeting('  tone: { type: string, required: true }\n'));
    const { last_error: error } = await until('greets', (seen) => seen.last_error !== null);
    expect(error).toMatchObject({
      code: 'PARAMETERS_INVALID',
      message: expect.stringMatching(/tone.*greeting@/),
    });
    // As it was before: an earlier version is the latest again.
    await writeFile(file, greeting(''));
    const { firings } = await view('greets');
    await until('greets', (seen) => seen.firings > firings);
    await remove('greets');
    expect(await readFile(file, 'utf8')).not.toMatch(/tone/);
  }, 30_000);

  it.each([
    ['no rule', {}, 'VALIDATION_FAILED', /cron, every, at/],
    ['two rules', { cron: '* * * * *', every: '1h' }, 'VALIDATION_FAILED', /cron and every are given/],
    ['a bad cron', { cron: '61 * * * *' }, 'VALIDATION_FAILED', /minute: 61/],
    ['a zone that is none', { cron: '0 9 * * *', time_zone: 'Berlin' }, 'VALIDATION_FAILED', /IANA/],
    ['a zone without cron', { every: '1h', time_zone: 'UTC' }, 'VALIDATION_FAILED', /time_zone/],
    ['too often', { every: '0s' }, 'VALIDATION_FAILED', /from 1s to 366d/],
    ['no duration', { every: 'hourly' }, 'VALIDATION_FAILED', /90s, 15m/],
    ['too much jitter', { every: '1h', jitter: '2h' }, 'VALIDATION_FAILED', /from 0s to 1h/],
    [
      'an end before the start',
      { every: '1h', start_at: '2099-02-01T00:00:00Z', end_at: '2099-01-01T00:00:00Z' },
      'VALIDATION_FAILED',
      /end_at/,
    ],
    ['a time that has passed', { at: '2020-01-01T00:00:00Z' }, 'SCHEDULE_NEVER_DUE', /never be due/],
    ['a day that is never', { cron: '0 0 30 2 *' }, 'SCHEDULE_NEVER_DUE', /never be due/],
    [
      'parameters that do not fit',
      { every: '1h', parameters: { delay_ms: -1 } },
      'PARAMETERS_INVALID',
      /delay_ms/,
    ],
    [
      'too many parameters',
      { every: '1h', parameters: { echo: 'x'.repeat(65_536) } },
      'VALIDATION_FAILED',
      /65536/,
    ],
    ['an unknown template', { every: '1h', template: 'nothing' }, 'TEMPLATE_UNKNOWN', /nothing/],
    ['an unknown field', { every: '1h', run_at: 'now' }, 'VALIDATION_FAILED', /run_at is not a field/],
  ])('with %s is refused', async (_, body, code, says) => {
    const answer = await put('refused', body);
    client.fits(answer, 'Problem');
    expect(answer.json).toMatchObject({ code, detail: expect.stringMatching(says) });
    expect((await client.call('GET', '/schedules/refused')).status).toBe(404);
  });

  it.each([
    ['DELETE', '', undefined],
    ['POST', '/pause', {}],
    ['POST', '/resume', {}],
    ['POST', '/fire', undefined],
    ['GET', '/next', undefined],
  ])('that is not there cannot be changed: %s %s', async (method, path, body) =>
    expect(await client.call(method, `/schedules/nobody${path}`, body)).toMatchObject({
      status: 404,
      json: { code: 'SCHEDULE_UNKNOWN' },
    }),
  );

  it('has an id that leaves room for a due time', async () =>
    expect(await put('x'.repeat(47), { every: '1h' })).toMatchObject({
      status: 422,
      json: { detail: expect.stringMatching(/1 to 46/) },
    }));
});

describe('a scheduler that stops around a due time', () => {
  it('leaves each due time to be fired once by the next', async () => {
    await put('survives', { every: '1s', overlap: 'queue' });
    for (const firings of [2, 5, 8]) {
      await until('survives', (seen) => seen.firings >= firings);
      await platform.stopService('scheduler');
      await platform.startService('scheduler');
      for (;;) if ((await client.call('GET', '/schedules')).status === 200) break;
    }
    await until('survives', (seen) => seen.firings >= 12);
    await remove('survives');
    const due = (await firingsOf('survives')).map(({ dueAt }) => Date.parse(dueAt));
    expect(due.length).toBeGreaterThanOrEqual(12);
    expect(due.map((at, place) => at - (due[place - 1] ?? at - 1000))).toEqual(due.map(() => 1000));
  }, 60_000);
});
