import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STREAMS } from '#libs/contracts/streams.js';
import { SERVICES } from '#libs/contracts/subjects.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import type { StatusCounts } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: whatever dies in the middle of a run, every accepted task ends in exactly one state, and no attempt counts twice.
 * Method: 200 tasks are submitted while each service and the broker are killed in turn; then the log is read as an auditor would.
 */
const TASKS = 200;
const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ timeScale: 20, parallel: 2 });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 2, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers, env: { ORCHESTRA_SWAP_PATIENCE_MS: '500' } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
}, 60_000);

const requestOf = (n: number, earlier: readonly string[]): object => {
  if (n % 10 === 0) {
    const model = n % 20 === 0 ? 'llama3.2:1b' : 'llama3.2:3b';
    return {
      template: 'ollama-inference',
      parameters: { model, prompt: `task ${n}`, options: { num_predict: 20 } },
    };
  }
  const depends_on = n % 7 === 0 ? earlier.slice(-1) : [];
  return {
    template: 'noop',
    parameters: { delay_ms: 50 + ((n * 37) % 350), echo: `e${n}` },
    depends_on,
    priority: 1 + (n % 10),
  };
};

describe('a run in which everything dies once', () => {
  const ids: string[] = [];
  const events: StoredEvent[] = [];

  it('accepts every submission', async () => {
    const submitting = (async () => {
      for (let n = 0; n < TASKS; n += 1) ids.push(await platform.api.submit(requestOf(n, ids), `key-${n}`));
    })();
    for (const service of SERVICES) await platform.killAndWait(service);
    await platform.killBroker();
    await submitting;
    expect(new Set(ids).size).toBe(TASKS);
  }, 300_000);

  it('completes every task', async () => {
    const counts = await until(async () => {
      const { body } = await platform.api.call<StatusCounts>('GET', '/api/v1/tasks/status');
      const { completed, failed, cancelled } = body.by_status;
      return completed + failed + cancelled >= TASKS ? body : undefined;
    }, 'all tasks to end');
    expect(counts.by_status).toEqual({
      queued: 0,
      running: 0,
      waiting: 0,
      completed: TASKS,
      failed: 0,
      cancelled: 0,
    });
  }, 180_000);

  it('has every accepted task in the log, with exactly one end', async () => {
    const connection = await platform.connect('observer');
    for await (const event of jetStreamEventLog(connection, STREAMS.tasks).replay(START)) events.push(event);
    await connection.close();
    const ends = events.filter(({ type }) => OVER.has(type)).map(({ taskId = '' }) => taskId);
    expect(ends.toSorted()).toEqual(ids.toSorted());
  }, 60_000);

  it('counts each step once, however often it was tried', () => {
    const effects = events
      .filter(({ type }) => type === 'step.completed' || type === 'task.completed')
      .map(({ taskId, data }) => `${taskId}/${(data as { step: { stepId: string } }).step.stepId}`);
    expect(effects).toHaveLength(new Set(effects).size);
    expect(effects).toHaveLength(TASKS);
  });

  it('lets no attempt begin before the one before it was given up', () => {
    const attempts = new Map<string, number>();
    for (const { type, taskId, data } of events) {
      if (type !== 'step.dispatched') continue;
      const { stepId, attempt } = data as { stepId: string; attempt: number };
      const key = `${taskId}/${stepId}`;
      expect([key, attempt]).toEqual([key, (attempts.get(key) ?? 0) + 1]);
      attempts.set(key, attempt);
    }
  });

  it('starts nothing before what it depends on is done', () => {
    const done = new Set<string>();
    const needs = new Map<string, readonly string[]>();
    for (const { type, taskId = '', data } of events) {
      if (type === 'task.submitted') needs.set(taskId, (data as { dependsOn: readonly string[] }).dependsOn);
      if (type === 'task.completed') done.add(taskId);
      if (type === 'step.dispatched')
        expect((needs.get(taskId) ?? []).filter((id) => !done.has(id))).toEqual([]);
    }
  });

  it('leaves no slot taken', async () => {
    await until(async () => {
      const { body } = await platform.api.call<{ items: { leases: unknown[] }[] }>('GET', '/api/v1/servers');
      return body.items.every(({ leases }) => leases.length === 0) ? true : undefined;
    }, 'all leases to be closed');
  }, 60_000);
});
