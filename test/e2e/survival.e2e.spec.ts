import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { STREAMS } from '#libs/contracts/streams.js';
import { SERVICES } from '#libs/contracts/subjects.js';
import { START, type StoredEvent } from '#libs/event-log/event-log.js';
import { jetStreamEventLog } from '#libs/event-log/jetstream.event-log.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import type { StatusCounts } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: whatever dies in the middle of a run, every accepted task ends in exactly one state, and no attempt counts twice.
 * Method: 200 tasks are submitted while each service and the broker are killed in turn; then the log is read as an auditor would.
 */
const TASKS = 200;
const MODEL_SLOTS = 2;
const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ timeScale: 20, parallel: MODEL_SLOTS });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: ${MODEL_SLOTS}, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers, env: { ORCHESTRA_SWAP_PATIENCE_MS: '500' } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
}, 60_000);

const requestOf = (n: number, earlier: readonly string[]): object => {
  if (n % 5 === 0) {
    const model = n % 10 === 0 ? 'llama3.2:1b' : 'llama3.2:3b';
    return {
      template: 'ollama-inference',
      parameters: { model, prompt: `task ${n}`, options: { num_predict: 200 } },
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

const counts = async (): Promise<StatusCounts> =>
  (await platform.api.call<StatusCounts>('GET', '/api/v1/tasks/status')).body;

const logged = async (): Promise<readonly StoredEvent[]> => {
  const connection = await platform.connect('observer');
  try {
    const found: StoredEvent[] = [];
    for await (const event of jetStreamEventLog(connection, STREAMS.tasks).replay(START)) found.push(event);
    return found;
  } finally {
    await connection.close();
  }
};

describe('a run in which everything dies once', () => {
  const ids: string[] = [];
  const deaths: { readonly of: string; readonly ms: number }[] = [];
  let events: readonly StoredEvent[] = [];

  const submitUpTo = async (count: number): Promise<void> => {
    while (ids.length < count) {
      const n = ids.length;
      ids.push(await platform.api.submit(requestOf(n, ids), `key-${n}`));
    }
  };

  it('accepts every submission', async () => {
    const victims = [...SERVICES, 'broker'] as const;
    for (const [n, of] of victims.entries()) {
      const submitting = submitUpTo(Math.ceil((TASKS * (n + 1)) / victims.length));
      await until(async () => ((await counts()).by_status.running > 1 ? true : undefined), 'tasks to run');
      const ms = await (of === 'broker' ? platform.killBroker() : platform.killAndWait(of));
      deaths.push({ of, ms });
      await submitting;
    }
    expect(new Set(ids).size).toBe(TASKS);
  }, 300_000);

  it('completes every task', async () => {
    const atTheEnd = await until(async () => {
      const found = await counts();
      const { completed, failed, cancelled } = found.by_status;
      return completed + failed + cancelled >= TASKS ? found : undefined;
    }, 'all tasks to end');
    expect(atTheEnd.by_status).toEqual({
      queued: 0,
      running: 0,
      waiting: 0,
      completed: TASKS,
      failed: 0,
      cancelled: 0,
    });
  }, 180_000);

  it('has every accepted task in the log, with one beginning and one end', async () => {
    events = await logged();
    const inOrder = ids.toSorted((a, b) => a.localeCompare(b));
    for (const fits of [(type: string) => type === 'task.submitted', (type: string) => OVER.has(type)]) {
      const found = events.filter(({ type }) => fits(type)).map(({ taskId }) => taskId ?? '');
      expect(found.toSorted((a, b) => a.localeCompare(b))).toEqual(inOrder);
    }
  }, 60_000);

  it('lost each of them while attempts were under way', () => {
    for (const { of, ms } of deaths) {
      const before = events.filter(({ time }) => Date.parse(time) < ms);
      const begun = new Set(before.filter(({ type }) => type === 'step.dispatched').map((e) => e.taskId));
      for (const { type, taskId } of before) if (OVER.has(type)) begun.delete(taskId);
      expect([of, begun.size > 0]).toEqual([of, true]);
    }
    expect(deaths).toHaveLength(6);
  });

  it('counts each step once, however often it was tried', () => {
    const effects = events
      .filter(({ type }) => type === 'step.completed' || type === 'task.completed')
      .map(({ taskId, data }) => `${taskId}/${(data as { step: { stepId: string } }).step.stepId}`);
    expect(effects).toHaveLength(new Set(effects).size);
    expect(effects).toHaveLength(TASKS);
  });

  it('leaves no slot taken', async () => {
    await until(async () => {
      const { body } = await platform.api.call<{ items: { leases: unknown[] }[] }>('GET', '/api/v1/servers');
      expect(body.items.length).toBeGreaterThan(0);
      return body.items.every(({ leases }) => leases.length === 0) ? true : undefined;
    }, 'all leases to be closed');
  }, 60_000);

  it('keeps every promise in the log, as an audit of it finds', async () => {
    const args = ['--json', 'verify', '--settled', '--data', platform.dataDir];
    const { code, stdout, stderr } = await orchestra(args).ended;
    const { findings, ...found } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings, stderr]).toEqual([0, [], '']);
    const attempts = events.filter(({ type }) => type === 'step.dispatched').length;
    expect(found).toMatchObject({ tasks: { open: 0, over: TASKS }, attempts, notChecked: [] });
    expect(found).toMatchObject({ submissions: expect.any(Number), servers: 2 });
  }, 60_000);

  it('kept the server busy, and never more than it has slots for two models', () => {
    const { activeGenerationsMax } = simulator.state();
    expect(activeGenerationsMax).toBeGreaterThanOrEqual(MODEL_SLOTS);
    expect(activeGenerationsMax).toBeLessThanOrEqual(2 * MODEL_SLOTS);
  });
});
