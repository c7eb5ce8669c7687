import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatusCounts, TaskPage, TaskView } from '#libs/contracts/queries.js';
import { RPC } from '#libs/contracts/subjects.js';
import { until } from './api-client.js';
import { orchestra, type Ended } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

let platform: RunningPlatform;
const ids: string[] = [];

/** Beside them: one that runs on, one that waits for it, one cancelled, and one that failed for that. */
const TASKS = 30;

/** Few enough that there is a snapshot before the scheduler is killed, so that its follower begins from one. */
const SNAPSHOT_EVERY_EVENTS = 20;

beforeAll(async () => {
  const env = { ORCHESTRA_SNAPSHOT_EVERY_EVENTS: String(SNAPSHOT_EVERY_EVENTS) };
  platform = await RunningPlatform.start({ env });
  for (let n = 0; n < TASKS; n += 1) {
    const parameters = { echo: `answer ${n}`, delay_ms: n % 3 === 0 ? 20 : 0 };
    ids.push(
      await platform.api.submit(
        { template: 'noop', parameters, priority: 1 + (n % 10), labels: { n: String(n) } },
        `r-${n}`,
      ),
    );
  }
  const [runsOn, cancelled] = [await long('runs-on'), await long('cancelled')];
  const [waits, failed] = [await dependent(runsOn), await dependent(cancelled)];
  for (const id of [runsOn, cancelled]) await isNow(id, 'running');
  await platform.api.call('DELETE', `/api/v1/tasks/${cancelled}`);
  for (const id of [...ids, cancelled, failed]) await platform.api.ended(id);
  ids.push(runsOn, waits, cancelled, failed);
}, 180_000);

const long = async (key: string): Promise<string> =>
  await platform.api.submit({ template: 'noop', parameters: { delay_ms: 600_000 } }, `r-${key}`);

const dependent = async (on: string): Promise<string> =>
  await platform.api.submit({ template: 'noop', depends_on: [on] }, `r-after-${on}`);

const isNow = async (id: string, status: TaskView['status']): Promise<void> => {
  await until(
    async () => ((await platform.api.task(id))?.status === status ? true : undefined),
    `${id} to be ${status}`,
  );
};

afterAll(async () => {
  await platform?.stop();
}, 60_000);

type Digest = {
  readonly seq: number;
  readonly sha256: string;
  readonly open: number;
  readonly closed: number;
};

const digest = async (): Promise<Digest> => {
  const connection = await platform.connect('gateway');
  try {
    return await until(async () =>
      (await connection.request(RPC.stateDigest, '{}', { timeout: 1_000 })).json<Digest>(),
    );
  } finally {
    await connection.close();
  }
};

/** What the second one to lead said when it began to. */
const secondTerm = async (service: string): Promise<{ restoredSeq: number; seq: number }> =>
  await until(async () => {
    const log = await readFile(join(platform.dataDir, 'logs', `${service}.log`), 'utf8');
    const [, second] = log.split('\n').filter((text) => text.includes('"leading"'));
    return second === undefined ? undefined : (JSON.parse(second) as { restoredSeq: number; seq: number });
  }, `another ${service} to lead`);

const verified = async (...args: readonly string[]): Promise<Ended> =>
  await orchestra(['--json', 'verify', '--data', platform.dataDir, ...args]).ended;

/** Resolves with the file that holds what `orchestra events` says of a stream. */
const exported = async (stream: string): Promise<string> => {
  const args = ['--json', 'events', '--stream', stream, '--data', platform.dataDir];
  const file = join(platform.dataDir, `${stream}.ndjson`);
  await writeFile(file, (await orchestra(args).ended).stdout);
  return file;
};

describe('a scheduler that is killed', () => {
  it('is followed by one with the same state, byte for byte, and so is the fold of the log by anyone', async () => {
    const before = await digest();
    await platform.killAndWait('scheduler');
    const after = await digest();
    expect(after.seq).toBeGreaterThan(before.seq);
    expect(after.sha256).toBe(before.sha256);
    const { restoredSeq, seq } = await secondTerm('scheduler');
    expect(restoredSeq).toBeGreaterThanOrEqual(before.seq - 2 * SNAPSHOT_EVERY_EVENTS);
    expect(restoredSeq).toBeLessThan(seq);

    // Promise 5 of the audit: whoever folds the log from its start, without any snapshot, has the same.
    const { code, stdout } = await verified();
    expect([code, JSON.parse(stdout)]).toMatchObject([0, { findings: [], notChecked: [] }]);
    expect({ open: before.open, closed: before.closed }).toEqual({ open: 2, closed: TASKS + 2 });
    expect({ open: after.open, closed: after.closed }).toEqual({ open: 2, closed: TASKS + 2 });
  }, 120_000);
});

describe('an export of the log', () => {
  it('is as sound as the log, until a line of it is lost', async () => {
    const [tasks, leases] = [await exported('tasks'), await exported('leases')];
    const whole = await verified('--tasks', tasks, '--leases', leases);
    expect([whole.code, JSON.parse(whole.stdout)]).toMatchObject([
      0,
      {
        sound: true,
        tasks: { open: 2, over: TASKS + 2 },
        notChecked: [expect.any(String), expect.any(String)],
      },
    ]);
    const lines = (await readFile(tasks, 'utf8')).split('\n');
    await writeFile(tasks, lines.toSpliced(20, 1).join('\n'));
    const holed = await verified('--tasks', tasks, '--leases', leases);
    expect([holed.code, holed.stderr]).toEqual([9, expect.stringContaining('findings')]);
    expect(JSON.parse(holed.stdout)).toMatchObject({ sound: false, counts: { EVENTS_MISSING: 1 } });
  }, 60_000);
});

describe('a read model that is lost', () => {
  it('gives the same answers again from the log', async () => {
    const counts = async () => (await platform.api.call<StatusCounts>('GET', '/api/v1/tasks/status')).body;
    const page = async (query: string) =>
      (await platform.api.call<TaskPage>('GET', `/api/v1/tasks?page_size=7${query}`)).body;
    const answers = async () => {
      const first = await page('');
      return {
        tasks: await Promise.all(ids.map(async (id) => await platform.api.task(id))),
        counts: await counts(),
        first,
        second: await page(`&after=${encodeURIComponent(first.next ?? '')}`),
        failed: await page('&status=failed'),
        labelled: await page('&label=n:3'),
      };
    };
    const before = await answers();
    expect(before.counts.by_status).toMatchObject({ completed: TASKS, cancelled: 1, failed: 1, running: 1 });
    expect(before.tasks.every((task) => task !== undefined)).toBe(true);
    expect(before.labelled.items).toHaveLength(1);
    const file = join(platform.dataDir, 'results.sqlite');
    const { ino, birthtimeMs } = await stat(file);
    // Halted meanwhile, so that it cannot write the old tables into a new file.
    await platform.killAndWait('results', async () => {
      for (const suffix of ['', '-wal', '-shm']) await rm(`${file}${suffix}`, { force: true });
    });
    await until(
      async () => ((await counts()).total === before.counts.total ? true : undefined),
      'the read model to be filled',
    );
    expect(await answers()).toEqual(before);
    const after = await stat(file);
    expect([after.ino, after.birthtimeMs]).not.toEqual([ino, birthtimeMs]);
  }, 120_000);
});

describe('an allocator that is killed', () => {
  it('goes on from what it had put aside', async () => {
    await platform.killAndWait('gpu-allocator');
    const { restoredSeq, seq } = await secondTerm('gpu-allocator');
    expect(restoredSeq).toBeGreaterThanOrEqual(SNAPSHOT_EVERY_EVENTS);
    expect(restoredSeq).toBeLessThan(seq);
    await platform.api.ended(await platform.api.submit({ template: 'noop' }, 'r-after-allocator'));
  }, 60_000);
});
