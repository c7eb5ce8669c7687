import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { WebhookReceiver } from '#libs/testing/webhook-receiver.js';
import { until } from '../e2e/api-client.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

const SECRET = `whsec_${randomBytes(32).toString('base64')}`;

type Listed = {
  readonly id: string;
  readonly status: string;
  readonly title: string;
  readonly channel: string;
  readonly attempts: number;
  readonly cause: { readonly event_type: string | null; readonly seq: number | null };
  readonly last_try: { readonly status: number | null; readonly error: string | null } | null;
};
type Sent = {
  readonly type: string;
  readonly data: { readonly seq: number; readonly task: { readonly id: string }; readonly title: string };
};

let platform: TestPlatform;
let client: RestClient;
let receiver: WebhookReceiver;
let folder: string;

const channel = (path: string, more = ''): string =>
  `{ type: webhook, url: '${receiver.url}${path}', secret_env: NOTIFY_TEST_SECRET, allow_private: true${more} }`;

const fileText = (rules: string): string => `
public_url: https://orchestra.example.org
retry: { first: 20ms, longest: 100ms, for: 20s }
channels:
  ops: ${channel('/ops')}
  hurried: ${channel('/hurried')}
  closed: { type: webhook, url: '${receiver.url}/closed', secret_env: NOTIFY_TEST_SECRET }
  mute: { type: webhook, url: '${receiver.url}/mute', secret_env: NOTIFY_TEST_NO_SECRET, allow_private: true }
rules:
${rules}`;

const RULES = `
  - { events: ['*.*'], templates: [noop], labels: { told: 'yes' }, channels: [ops] }
  - { events: [step.waiting], templates: [sign], channels: [ops] }
  - events: [task.failed]
    workspaces: [team-a]
    channels: [hurried]
    title: '{{ task.template }} broke: {{ event.data.failure.code }}'
    text: '{{ event.data.failure.nothing.there }}'
`;

const ASKING = `
name: sign
steps:
  - { id: ask, type: approval, with: { message: 'Is it right?' } }
`;

beforeAll(async () => {
  process.env['NOTIFY_TEST_SECRET'] = SECRET;
  receiver = await WebhookReceiver.start();
  folder = await mkdtemp(join(tmpdir(), 'orchestra-notify-'));
  const file = join(folder, 'notifications.yaml');
  await writeFile(file, fileText(RULES));
  platform = await TestPlatform.start({ ORCHESTRA_NOTIFICATIONS_FILE: file });
  client = await RestClient.of(platform);
  await writeFile(join(platform.folder, 'templates', 'sign.yaml'), ASKING);
  await until(async () => ((await client.call('GET', '/templates/sign')).status === 200 ? true : undefined));
  await until(async () =>
    (await client.call('GET', '/notifications/channels')).status === 200 ? true : undefined,
  );
}, 60_000);

afterAll(async () => {
  await platform?.stop();
  await receiver?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

beforeEach(() => {
  receiver.received.length = 0;
  receiver.answer = () => 204;
});

const sentAbout = (taskId: string, of = receiver.received): readonly Sent[] =>
  of.map(({ body }) => JSON.parse(body) as Sent).filter(({ data }) => data.task?.id === taskId);

const listed = async (query: string): Promise<readonly Listed[]> => {
  const answer = await client.call('GET', `/notifications/deliveries?${query}`);
  expect([answer.status, answer.text]).toEqual([200, expect.any(String)]);
  client.fits(answer, 'DeliveryPage');
  return (answer.json as { items: readonly Listed[] }).items;
};

/** The notifications of a task, once there are so many and all are over. */
const over = async (taskId: string, count: number): Promise<readonly Listed[]> =>
  await until(async () => {
    const items = await listed(`task_id=${taskId}`);
    return items.length >= count && items.every(({ status }) => status !== 'pending') ? items : undefined;
  }, `${count} notifications of ${taskId} to be over`);

describe('a message about a step that asks somebody', () => {
  it('says what is asked, and leads to a page at which that is answered', async () => {
    const submitted = await client.call('POST', '/tasks', { template: 'sign' });
    const { id } = submitted.json as { id: string };
    const [item] = await over(id, 1);
    expect(item).toMatchObject({ status: 'delivered', cause: { event_type: 'step.waiting' } });
    const { data } = sentAbout(id)[0] as unknown as { data: { link: string; text: string } };
    expect(data.text).toBe('Is it right?');
    const [, path] = /^https:\/\/orchestra\.example\.org\/api\/v1(\/answers\/.+)$/.exec(data.link) ?? [];
    const page = await client.call('GET', path ?? 'none');
    expect([page.status, page.text.includes('Is it right?')]).toEqual([200, true]);
    await client.call('POST', `/tasks/${id}/steps/ask/answer`, { decision: 'approve', by: 'ada' });
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
    expect((await client.call('GET', path ?? 'none')).text).toContain('ada');
  });
});

describe('a receiver that fails five times and then accepts', () => {
  it('gets each event of a task, in order, with a signature that the public library accepts', async () => {
    let refused = 0;
    receiver.answer = () => (refused++ < 5 ? 503 : 204);
    const id = await client.submit({ labels: { told: 'yes' } });
    expect(await client.ended(id)).toMatchObject({ status: 'completed' });
    const items = await over(id, 3);
    expect(items.map(({ cause }) => cause.event_type).toReversed()).toEqual([
      'task.submitted',
      'step.dispatched',
      'task.completed',
    ]);
    expect(items.map(({ attempts }) => attempts).toReversed()).toEqual([6, 1, 1]);

    const taken = sentAbout(id, [...receiver.taken]);
    expect(taken.map(({ type }) => type)).toEqual(['task.submitted', 'step.dispatched', 'task.completed']);
    const seqs = taken.map(({ data }) => data.seq);
    expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
    // The first one was tried six times with the same id; nothing overtook it.
    const ids = receiver.received.map(({ headers }) => String(headers['webhook-id']));
    expect(new Set(ids.slice(0, 6)).size).toBe(1);
    expect(ids.slice(0, 6)[0]).toBe(items.at(-1)?.id);
    for (const { body, headers } of receiver.received)
      expect(new Webhook(SECRET).verify(body, headers as Record<string, string>)).toMatchObject({
        type: expect.any(String),
        timestamp: expect.any(String),
        data: {
          title: expect.stringContaining('noop task'),
          link: `https://orchestra.example.org/api/v1/tasks/${id}`,
        },
      });
  });
});

describe('a task whose messages are not taken', () => {
  it('holds no other task of the same channel', async () => {
    let dead = '';
    receiver.answer = ({ body }) => (body.includes(dead) ? 500 : 204);
    dead = await client.submit({ labels: { told: 'yes' } });
    const other = await client.submit({ labels: { told: 'yes' } });
    expect(await over(other, 3)).toHaveLength(3);
    expect(sentAbout(dead, [...receiver.taken])).toEqual([]);
    expect(await listed(`task_id=${dead}&status=pending`)).not.toEqual([]);
    receiver.answer = () => 204;
    expect((await over(dead, 3)).map(({ status }) => status)).toEqual([
      'delivered',
      'delivered',
      'delivered',
    ]);
  });
});

describe('the words of a rule', () => {
  it('are filled in, and where that fails the message comes all the same and says so', async () => {
    const failing = { workspace: 'team-a', parameters: { fail: { code: 'VALUE_REFUSED' } } };
    const id = await client.submit(failing);
    await client.ended(id);
    const [item] = await over(id, 1);
    expect(item).toMatchObject({
      channel: 'hurried',
      title: 'noop broke: VALUE_REFUSED',
      status: 'delivered',
    });
    const answer = await client.call('GET', `/notifications/deliveries/${item?.id}`);
    client.fits(answer, 'Delivery');
    expect(answer.json).toMatchObject({
      text: expect.stringMatching(
        /VALUE_REFUSED: .*\n\(the words of the rule could not be filled in: undefined/s,
      ),
      data: { task: { id, workspace: 'team-a' }, facts: { failure: { code: 'VALUE_REFUSED' } } },
    });
  });
});

const tested = async (name: string): Promise<Listed> => {
  const answer = await client.call('POST', '/notifications/test', { channel: name });
  expect([answer.status, answer.text]).toEqual([201, expect.any(String)]);
  client.fits(answer, 'Delivery');
  const { id } = answer.json as Listed;
  return await until(async () => {
    const seen = (await client.call('GET', `/notifications/deliveries/${id}`)).json as Listed;
    return seen.last_try === null ? undefined : seen;
  }, 'a try');
};

describe('a channel', () => {
  it('can be tested', async () => {
    expect(await tested('ops')).toMatchObject({
      status: 'delivered',
      last_try: { status: 204, error: null },
    });
    expect(receiver.taken).toHaveLength(1);
  });

  it('at a private address is closed unless the file opens it', async () => {
    expect((await tested('closed')).last_try?.error).toMatch(
      /'127\.0\.0\.1', port \d+: it is this machine; accepted: .* what allow_private names/,
    );
    expect(receiver.received).toEqual([]);
  });

  it('without its secret says which variable is missing', async () => {
    expect((await tested('mute')).last_try?.error).toBe(
      'the variable NOTIFY_TEST_NO_SECRET has no secret in it',
    );
  });

  it('that is not there is refused, and so are other names, cursors and ids', async () => {
    for (const [method, path, body, status, code] of [
      ['POST', '/notifications/test', { channel: 'nowhere' }, 404, 'CHANNEL_UNKNOWN'],
      ['POST', '/notifications/test', {}, 422, 'VALIDATION_FAILED'],
      ['GET', '/notifications/deliveries?status=lost', undefined, 422, 'VALIDATION_FAILED'],
      ['GET', '/notifications/deliveries?after=x', undefined, 400, 'CURSOR_INVALID'],
      ['GET', '/notifications/deliveries/msg-1', undefined, 404, 'DELIVERY_UNKNOWN'],
      ['POST', '/notifications/deliveries/msg-1/resend', {}, 404, 'DELIVERY_UNKNOWN'],
      ['GET', '/notifications/deliveries/..%2f', undefined, 422, 'VALIDATION_FAILED'],
    ] as const)
      expect(await client.call(method, path, body)).toMatchObject({ status, json: { code } });
  });

  it('is listed without its secret, which no answer has', async () => {
    const answer = await client.call('GET', '/notifications/channels');
    client.fits(answer, 'ChannelList');
    expect(answer.json).toMatchObject({
      items: [
        { name: 'ops', type: 'webhook', rules: 2 },
        { name: 'hurried', rules: 1 },
        { name: 'closed', rules: 0 },
        { name: 'mute', rules: 0 },
      ],
      problems: [],
    });
    const all = await client.call('GET', '/notifications/deliveries?page_size=200');
    for (const { text } of [answer, all]) expect(text).not.toContain(SECRET.slice(6, 20));
  });
});

describe('deliveries', () => {
  it('are listed newest first, page by page, and by what they are about', async () => {
    const id = await client.submit({ labels: { told: 'yes' } });
    const all = await over(id, 3);
    const seen: Listed[] = [];
    let after = '';
    do {
      const answer = await client.call('GET', `/notifications/deliveries?task_id=${id}&page_size=2${after}`);
      const page = answer.json as { items: readonly Listed[]; next: string | null };
      seen.push(...page.items);
      after = page.next === null ? '' : `&after=${page.next}`;
    } while (after !== '');
    expect(seen).toEqual(all);
    expect(await listed(`task_id=${id}&cause=step`)).toEqual([]);
    expect(await listed(`task_id=${id}&channel=ops&status=delivered`)).toHaveLength(3);
  });

  it('that were given up may be sent again, with the same id', async () => {
    receiver.answer = () => 410;
    const id = await client.submit({ labels: { told: 'yes' } });
    const given = await over(id, 3);
    expect(given.map(({ status, attempts }) => [status, attempts])).toEqual(Array(3).fill(['failed', 1]));
    receiver.answer = () => 204;
    const answer = await client.call('POST', `/notifications/deliveries/${given[0]?.id}/resend`, {});
    client.fits(answer, 'Delivery');
    expect(answer).toMatchObject({ status: 200, json: { status: 'pending', attempts: 1 } });
    const [again] = await over(id, 3);
    expect(again).toMatchObject({ id: given[0]?.id, status: 'delivered', attempts: 2 });
    expect(receiver.taken.map(({ headers }) => headers['webhook-id'])).toEqual([given[0]?.id]);
  });
});

const NOTIFYING = `
name: telling
parameters:
  channel: { type: string, required: true }
  wait: { type: boolean, default: false }
steps:
  - id: tell
    type: notify
    with:
      channel: '{{ parameters.channel }}'
      title: 'Look at {{ parameters.channel }}'
      text: It is ready.
      link: https://example.org/it
      wait: '{{ parameters.wait }}'
`;

describe('the step notify', () => {
  beforeAll(async () => {
    await writeFile(join(platform.folder, 'templates', 'telling.yaml'), NOTIFYING);
    await until(async () =>
      (await client.call('GET', '/templates/telling')).status === 200 ? true : undefined,
    );
  });

  const ended = async (parameters: object): Promise<Awaited<ReturnType<RestClient['view']>>> =>
    await client.ended(await client.submit({ template: 'telling', parameters }));

  it('is done when its message is stored, and the message arrives whatever becomes of the task', async () => {
    receiver.answer = () => 500;
    const task = await ended({ channel: 'ops' });
    expect(task).toMatchObject({ status: 'completed', result: { channel: 'ops', status: 'pending' } });
    receiver.answer = () => 204;
    expect(await over(task.id, 1)).toMatchObject([
      { title: 'Look at ops', cause: { kind: 'step', step_id: 'tell' }, status: 'delivered' },
    ]);
    expect(JSON.parse(receiver.taken[0]?.body ?? '')).toMatchObject({
      type: 'notification',
      data: { title: 'Look at ops', text: 'It is ready.', link: 'https://example.org/it', step_id: 'tell' },
    });
  });

  it('waits with `wait` until the message has arrived, and fails when it was given up', async () => {
    let refused = 0;
    receiver.answer = () => (refused++ < 3 ? 500 : 200);
    expect(await ended({ channel: 'ops', wait: true })).toMatchObject({
      status: 'completed',
      result: { status: 'delivered', attempts: 4 },
    });
    receiver.answer = () => 410;
    expect(await ended({ channel: 'ops', wait: true })).toMatchObject({
      status: 'failed',
      error: {
        code: 'NOTIFICATION_NOT_DELIVERED',
        message: "The message to 'ops' was given up after 1 tries: answers 410: 'not now'.",
      },
    });
  });

  it('fails at once for a channel that is not there', async () => {
    expect(await ended({ channel: 'nowhere' })).toMatchObject({
      status: 'failed',
      error: {
        code: 'CHANNEL_UNKNOWN',
        message: expect.stringMatching(/there are: ops, hurried, closed, mute\./),
      },
      attempts: [{ attempt: 1 }],
    });
  });
});

describe('the notifications file', () => {
  it('is read again when it changes; a bad one changes nothing and is told', async () => {
    const file = join(folder, 'notifications.yaml');
    await writeFile(file, 'channels: { ops: { type: pager } }');
    const problems = await until(async () => {
      const { json } = await client.call('GET', '/notifications/channels');
      const told = (json as { problems: readonly string[] }).problems;
      return told.length > 0 ? told : undefined;
    }, 'the problem to be told');
    expect(problems[0]).toMatch(/notifications\.yaml:1:\d+: channels\.ops\.type: 'pager' is not accepted/);
    expect(await tested('ops')).toMatchObject({ status: 'delivered' });

    await writeFile(file, fileText(`  - { events: ['task.*'], templates: [noop], channels: [hurried] }\n`));
    await until(async () => {
      const { json } = await client.call('GET', '/notifications/channels');
      const { items } = json as { items: readonly { name: string; rules: number }[] };
      return items.find(({ name }) => name === 'hurried')?.rules === 1 && items[0]?.rules === 0
        ? true
        : undefined;
    }, 'the new rules');
    const id = await client.submit();
    expect((await over(id, 2)).map(({ channel: to }) => to)).toEqual(['hurried', 'hurried']);
  });
});

describe('another notifier', () => {
  it('goes on where the one before it was, also with what was not delivered yet', async () => {
    receiver.answer = () => 500;
    const id = await client.submit();
    await client.ended(id);
    await until(async () => ((await listed(`task_id=${id}`)).length === 2 ? true : undefined));
    await platform.stopService('results');
    const missed = await client.submit();
    receiver.answer = () => 204;
    await platform.startService('results');
    await platform.ready();
    await until(async () =>
      (await client.call('GET', '/notifications/channels')).status === 200 ? true : undefined,
    );
    for (const task of [id, missed]) {
      expect((await over(task, 2)).map(({ status }) => status)).toEqual(['delivered', 'delivered']);
      expect(sentAbout(task, [...receiver.taken]).map(({ type }) => type)).toEqual([
        'task.submitted',
        'task.completed',
      ]);
    }
  });
});
