import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { StatusCounts, TaskPage } from '#libs/contracts/queries.js';
import { RPC } from '#libs/contracts/subjects.js';
import { STREAMS } from '#libs/contracts/streams.js';
import { canonicalJson } from '#libs/domain/canonical.js';
import type { SchedulerEvent, TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, emptyBook } from '#libs/domain/task/task-book.js';
import { START } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';
import { until } from './api-client.js';
import { RunningPlatform } from './running-platform.js';

let platform: RunningPlatform;
const ids: string[] = [];

beforeAll(async () => {
  platform = await RunningPlatform.start();
  for (let n = 0; n < 30; n += 1) {
    const parameters = { echo: `answer ${n}`, delay_ms: n % 3 === 0 ? 20 : 0 };
    ids.push(
      await platform.api.submit(
        { template: 'noop', parameters, priority: 1 + (n % 10), labels: { n: String(n) } },
        `r-${n}`,
      ),
    );
  }
  for (const id of ids) await platform.api.ended(id);
}, 180_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

type Digest = { readonly seq: number; readonly sha256: string; readonly closed: number };

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

describe('a scheduler that is killed', () => {
  it('is followed by one with the same state, byte for byte, and so is the fold of the log by anyone', async () => {
    const before = await digest();
    await platform.killAndWait('scheduler');
    const after = await digest();
    expect(after.seq).toBeGreaterThan(before.seq);
    expect(after.sha256).toBe(before.sha256);

    const book = emptyBook();
    const connection = await platform.connect('observer');
    for await (const stored of jetStreamEventLog(connection, STREAMS.tasks).replay(START)) {
      const event = typedEvent<TaskEvent | SchedulerEvent>(stored);
      applyToBook(book, {
        seq: stored.seq,
        event,
        ...(stored.causationId ? { causationId: stored.causationId } : {}),
      });
    }
    await connection.close();
    expect(
      createHash('sha256')
        .update(canonicalJson({ ...book, seq: 0 }))
        .digest('hex'),
    ).toBe(before.sha256);
    expect(before.closed).toBe(30);
  }, 120_000);
});

describe('a read model that is lost', () => {
  it('gives the same answers again from the log', async () => {
    const answers = async () => ({
      tasks: await Promise.all(ids.map(async (id) => await platform.api.task(id))),
      counts: (await platform.api.call<StatusCounts>('GET', '/api/v1/tasks/status')).body,
      page: (await platform.api.call<TaskPage>('GET', '/api/v1/tasks?page_size=7')).body,
    });
    const before = await answers();
    expect(before.tasks.every((task) => task?.status === 'completed')).toBe(true);
    for (const suffix of ['', '-wal', '-shm'])
      await rm(join(platform.dataDir, `results.sqlite${suffix}`), { force: true });
    await platform.killAndWait('results');
    const after = await until(async () => {
      const found = await answers();
      return found.counts.total === 30 ? found : undefined;
    }, 'the read model to be rebuilt');
    expect(after).toEqual(before);
  }, 120_000);
});
