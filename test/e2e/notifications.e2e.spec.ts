import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Webhook } from 'standardwebhooks';
import { WebhookReceiver, type Received } from '#libs/testing/webhook-receiver.js';
import { until } from './api-client.js';
import { orchestra, type Ended } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: every fact that a rule asks for arrives, in order for each task, whoever dies. Method: a receiver that refuses every third
 * message, while the service that delivers is killed twice and the broker once, in the middle of it; what it accepted is held to what the log says.
 */
const SECRET = `whsec_${randomBytes(32).toString('base64')}`;
const TOLD = ['task.submitted', 'step.dispatched', 'task.completed'];

let platform: RunningPlatform;
let receiver: WebhookReceiver;
let folder: string;

beforeAll(async () => {
  receiver = await WebhookReceiver.start();
  folder = await mkdtemp(join(tmpdir(), 'orchestra-notify-'));
  const file = join(folder, 'notifications.yaml');
  await writeFile(
    file,
    `retry: { first: 50ms, longest: 500ms, for: 10m }
channels:
  ops: { type: webhook, url: '${receiver.url}', secret_env: OPS_SECRET, allow_private: true, timeout: 2s }
  gone: { type: webhook, url: 'http://127.0.0.1:1/', secret_env: OPS_SECRET, allow_private: true }
rules:
  - { events: ['task.*', 'step.*'], channels: [ops] }
`,
  );
  platform = await RunningPlatform.start({ env: { ORCHESTRA_NOTIFICATIONS_FILE: file, OPS_SECRET: SECRET } });
  await until(async () => {
    const { status } = await platform.api.call('GET', '/api/v1/notifications/channels');
    return status === 200 || undefined;
  }, 'a notifier');
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await receiver?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

type Body = {
  readonly type: string;
  readonly data: { readonly seq: number; readonly task: { readonly id: string } };
};

/** Types in the order in which they were accepted first, by task. */
const acceptedFirst = (received: readonly Received[]): ReadonlyMap<string, readonly string[]> => {
  const seen = new Set<string>();
  const tasks = new Map<string, string[]>();
  for (const { headers, body } of received) {
    new Webhook(SECRET).verify(body, headers as Record<string, string>);
    if (seen.has(String(headers['webhook-id']))) continue;
    seen.add(String(headers['webhook-id']));
    const { type, data } = JSON.parse(body) as Body;
    tasks.set(data.task.id, [...(tasks.get(data.task.id) ?? []), type]);
  }
  return tasks;
};

const cli = async (...args: readonly string[]): Promise<Ended> =>
  await orchestra(['--url', platform.api.url, '--json', 'notifications', ...args]).ended;

describe('what happens', () => {
  it('is told at least once and in order, though the notifier is killed twice and the broker once', async () => {
    let n = 0;
    receiver.answer = () => (n++ % 3 === 0 ? 500 : 204);
    const ids: string[] = [];
    const submit = async (count: number): Promise<void> => {
      for (let k = 0; k < count; k += 1) {
        const at = ids.length;
        ids.push(await platform.api.submit({ template: 'noop', parameters: { delay_ms: 20 } }, `told-${at}`));
      }
    };
    const acceptedMoreThan = async (count: number): Promise<void> => {
      await until(async () => receiver.taken.length > count || undefined, `${count} messages to be accepted`);
    };
    await submit(10);
    await acceptedMoreThan(2);
    await platform.killAndWait('results');
    await submit(10);
    await acceptedMoreThan(receiver.taken.length);
    await platform.killBroker();
    await submit(5);
    await acceptedMoreThan(receiver.taken.length);
    await platform.killAndWait('results');
    await submit(5);
    for (const id of ids) expect(await platform.api.ended(id)).toMatchObject({ status: 'completed' });
    const told = await until(async () => {
      const tasks = acceptedFirst(receiver.taken);
      const isAll = ids.every((id) => (tasks.get(id)?.length ?? 0) >= TOLD.length);
      return isAll ? tasks : undefined;
    }, 'every fact to be told');
    for (const id of ids) expect([id, told.get(id)]).toEqual([id, TOLD]);
  }, 240_000);

  it('is listed on the command line, and a channel is tested there', async () => {
    const listed = await cli('list', '--status', 'delivered', '--limit', '5');
    expect([listed.code, JSON.parse(listed.stdout)]).toEqual([
      0,
      Array(5).fill(
        expect.objectContaining({ channel: 'ops', status: 'delivered', last_try: expect.anything() }),
      ),
    ]);
    const [{ id } = { id: '' }] = JSON.parse(listed.stdout) as { id: string }[];
    receiver.answer = () => 204;
    const again = await cli('resend', id);
    expect([again.code, JSON.parse(again.stdout)]).toMatchObject([0, { id, status: 'delivered' }]);
    const reached = await cli('test', 'ops');
    expect([reached.code, JSON.parse(reached.stdout)]).toMatchObject([0, { status: 'delivered' }]);
    const missed = await cli('test', 'gone');
    expect(missed).toMatchObject({ code: 1, stderr: expect.stringMatching(/not arrived yet/) });
    expect(JSON.parse(missed.stdout)).toMatchObject({
      status: 'pending',
      last_try: { error: expect.stringMatching(/ECONNREFUSED/) },
    });
    expect(await cli('test', 'nowhere')).toMatchObject({
      code: 3,
      stderr: expect.stringMatching(/there are: ops, gone/),
    });
    for (const { stdout, stderr } of [listed, again, reached, missed])
      expect(`${stdout}${stderr}`).not.toContain(SECRET.slice(6, 20));
  }, 60_000);
});
