import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STREAMS } from '#libs/contracts/streams.js';
import type { ScheduleFired } from '#libs/domain/schedule/schedule-events.js';
import { START } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { until } from './api-client.js';
import { orchestra, type Ended } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';
import { startSecond } from './second-service.js';

/**
 * Goal: a schedule fires once for each of its times, whoever dies. Method: one that is due every second, on real processes with two schedulers, of
 * which the leader is killed, then the one that followed it, then the broker; what fired is read from the log and held to the clock.
 */
let platform: RunningPlatform;
let second: Awaited<ReturnType<typeof startSecond>> | undefined;

beforeAll(async () => {
  platform = await RunningPlatform.start();
}, 180_000);

afterAll(async () => {
  await second?.stop();
  await platform?.stop();
}, 60_000);

type View = {
  readonly firings: number;
  readonly status: string;
  readonly last_firing: { readonly task_id: string };
};

const cli = async (...args: readonly string[]): Promise<Ended> =>
  await orchestra(['--url', platform.api.url, '--json', 'schedules', ...args]).ended;

const said = async <T>(...args: readonly string[]): Promise<T> => {
  const { code, stdout, stderr } = await cli(...args);
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as T;
};

const shown = async (id: string): Promise<View | undefined> => {
  const { status, body } = await platform.api.call<View>('GET', `/api/v1/schedules/${id}`);
  return status === 200 ? body : undefined;
};

const firedBy = async (id: string): Promise<readonly ScheduleFired[]> => {
  const connection = await until(() => platform.connect('gateway'));
  try {
    const fired: ScheduleFired[] = [];
    for await (const { type, data } of jetStreamEventLog(connection, STREAMS.tasks).replay(START)) {
      const event = { ...(data as object), type } as ScheduleFired;
      if (type === 'schedule.fired' && event.scheduleId === id && !event.byHand) fired.push(event);
    }
    return fired;
  } finally {
    await connection.close();
  }
};

const firesOn = async (id: string, more: number): Promise<void> => {
  const from = (await until(() => shown(id))).firings;
  await until(
    async () => ((await shown(id))?.firings ?? 0) >= from + more || undefined,
    `${more} more firings of ${id}`,
  );
};

describe('a schedule that is due every second', () => {
  it('is made on the command line', async () => {
    const args = [
      'add',
      'heartbeat',
      'noop',
      '--every',
      '1s',
      '--overlap',
      'queue',
      '--catch-up',
      'all',
      '-p',
      'echo=alive',
    ];
    expect(await said(...args)).toMatchObject({
      id: 'heartbeat',
      status: 'active',
      every: '1s',
      parameters: { echo: 'alive' },
    });
    await firesOn('heartbeat', 2);
  }, 60_000);

  it('fires once for each second while schedulers and the broker are killed', async () => {
    second = await startSecond(platform, 'scheduler');
    // The leader, then whoever leads now if it is the launcher's, then the broker under both.
    await platform.killAndWait('scheduler');
    await firesOn('heartbeat', 3);
    await second.stop();
    second = undefined;
    await firesOn('heartbeat', 2);
    await platform.killAndWait('scheduler');
    await firesOn('heartbeat', 2);
    await platform.killBroker();
    await firesOn('heartbeat', 3);
  }, 180_000);

  it('is paused, fired by hand, and removed on the command line, and its log is sound', async () => {
    expect(await said('pause', 'heartbeat', '--reason', 'enough')).toMatchObject({
      status: 'paused',
      paused: { reason: 'enough' },
    });
    const { id } = await said<{ id: string }>('fire', 'heartbeat');
    expect(await platform.api.ended(id)).toMatchObject({ status: 'completed', result: 'alive' });
    expect(await said('next', 'heartbeat', '--count', '3')).toHaveLength(3);
    expect(await said('list')).toMatchObject([{ id: 'heartbeat', status: 'paused' }]);
    const { last_firing: last } = await said<View>('show', 'heartbeat');
    expect(last.task_id).toBe(id);

    const due = (await firedBy('heartbeat')).map(({ dueAt }) => Date.parse(dueAt));
    expect(due.length).toBeGreaterThan(12);
    expect(due.map((at, place) => at - (due[place - 1] ?? at - 1_000))).toEqual(due.map(() => 1_000));
    expect(await said('remove', 'heartbeat')).toEqual({ id: 'heartbeat', removed: true });
    expect((await cli('show', 'heartbeat')).code).toBe(3);

    await until(async () => {
      const { body } = await platform.api.call<{ total: number; by_status: Record<string, number> }>(
        'GET',
        '/api/v1/tasks/status',
      );
      return body.by_status['completed'] === body.total || undefined;
    }, 'all tasks to be completed');
    const verified = await orchestra(['--json', 'verify', '--settled', '--data', platform.dataDir]).ended;
    expect([verified.code, JSON.parse(verified.stdout)]).toMatchObject([0, { findings: [], notChecked: [] }]);
  }, 120_000);
});
