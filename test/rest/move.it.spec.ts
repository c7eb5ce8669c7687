import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import type { Answer } from './http-client.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start({ ORCHESTRA_CPU_SLOTS: '1' });
  client = await RestClient.of(platform);
}, 60_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

type Queue = { readonly next: readonly { readonly task_id: string; readonly moved: boolean }[] };
type Explained = { readonly summary: string; readonly moved: object | null };

/** Ready is also a scheduler that does not lead yet: asked until one answers, each time for as long as the gateway waits. */
const queue = async (): Promise<Queue['next']> => {
  for (;;) {
    const answer = await client.call('GET', '/queue?limit=20');
    if (answer.status === 503) continue;
    client.fits(answer, 'Queue');
    return (answer.json as Queue).next;
  }
};

/** The places of these tasks in the queue, by their place in the list. */
const orderOf = async (ids: readonly string[]): Promise<string> =>
  (await queue()).map(({ task_id: id }) => ids.indexOf(id)).join(' ');

const ask = async (id: string, body: object): Promise<Answer> =>
  await client.call('POST', `/tasks/${id}/move`, body);

const move = async (id: string, body: object): Promise<TaskView> => {
  const answer = await ask(id, body);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  client.fits(answer, 'Task');
  return answer.json as TaskView;
};

/** Some that wait behind one which has the only slot; that one ends what it does when it is cancelled. */
const waiting = async (count: number): Promise<{ readonly holder: string; readonly ids: string[] }> => {
  const holder = await client.submit({ parameters: { delay_ms: 600_000 } });
  await client.started(holder);
  const ids: string[] = [];
  for (let n = 0; n < count; n += 1) ids.push(await client.submit());
  return { holder, ids };
};

const end = async ({ holder, ids }: { readonly holder: string; readonly ids: readonly string[] }) => {
  for (const id of [...ids, holder]) await client.call('DELETE', `/tasks/${id}`);
  await client.ended(holder);
};

describe('a task that is moved', () => {
  it('has its new place in the queue, and says where, by whom and why', async () => {
    const { holder, ids } = await waiting(4);
    const [a = '', b = '', c = '', d = ''] = ids;
    const said = { reason: 'the demo is today', by: 'ada' };
    const moved = await move(d, { to: 'front', ...said });
    expect(moved.moved).toEqual({ to: 'front', task: null, at: expect.any(String), ...said });
    expect(await orderOf(ids)).toBe('3 0 1 2');
    expect((await move(a, { after: b })).moved).toMatchObject({
      to: 'after',
      task: b,
      by: 'a client',
      reason: 'no reason given',
    });
    expect(await orderOf(ids)).toBe('3 1 0 2');
    await move(c, { before: d });
    await move(b, { to: 'back' });
    expect(await orderOf(ids)).toBe('2 3 0 1');
    expect((await queue()).map((step) => step.moved)).toEqual([true, true, true, true]);

    const told = (await client.explained(d)) as Explained;
    expect(told.moved).toMatchObject({ to: 'front', task: null, ...said });
    expect(told.summary).toMatch(
      /1 step goes first.* It was moved to the front by ada at .*the demo is today/,
    );
    expect(await client.view(d)).toMatchObject({ moved: { to: 'front', ...said }, priority: 5 });
    await end({ holder, ids });
  }, 30_000);

  it('goes back to where priority and age put it with a new priority, and no task is moved by itself', async () => {
    const { holder, ids } = await waiting(3);
    const [, b = '', c = ''] = ids;
    expect((await client.view(b)).moved).toBeNull();
    await move(c, { to: 'front' });
    const answer = await client.call('PATCH', `/tasks/${c}/priority`, { priority: 5 });
    expect(answer.json).toMatchObject({ priority: 5, moved: null });
    expect(await orderOf(ids)).toBe('0 1 2');
    expect(((await client.explained(c)) as Explained).moved).toBeNull();
    await end({ holder, ids });
  }, 30_000);

  it('stays as it is where it is there already', async () => {
    const { holder, ids } = await waiting(2);
    expect((await move(ids[0] ?? '', { to: 'front' })).moved).toBeNull();
    expect((await move(ids[0] ?? '', { before: ids[1] })).moved).toBeNull();
    await end({ holder, ids });
  }, 30_000);
});

describe('a move that cannot be', () => {
  it('is refused with the reason', async () => {
    const { holder, ids } = await waiting(1);
    const [a = ''] = ids;
    const elsewhere = await client.submit({ workspace: 'elsewhere' });
    const over = await client.submit();
    await client.call('DELETE', `/tasks/${over}`);
    const refused = async (id: string, body: object): Promise<unknown> => {
      const answer = await ask(id, body);
      client.fits(answer, 'Problem');
      const { code, status, detail } = answer.json as Record<string, unknown>;
      return [status, code, detail];
    };
    expect(await refused(holder, { to: 'front' })).toEqual([
      409,
      'TASK_NOT_QUEUED',
      expect.stringContaining('running or done'),
    ]);
    expect(await refused(over, { to: 'front' })).toEqual([
      409,
      'TASK_ALREADY_OVER',
      expect.stringContaining('cancelled'),
    ]);
    for (const [body, says] of [
      [{ before: 'nobody' }, 'no such task'],
      [{ after: over }, 'cancelled'],
      [{ after: holder }, 'running or done'],
      [{ before: a }, 'itself'],
      [{ before: elsewhere }, "'elsewhere'"],
    ] as const)
      expect(await refused(a, body)).toEqual([422, 'MOVE_REFERENCE_INVALID', expect.stringContaining(says)]);
    await end({ holder, ids: [...ids, elsewhere] });
  }, 30_000);
});
