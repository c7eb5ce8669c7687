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

/** What a grant in the `LEASES` stream says. */
type Granted = {
  readonly serverId: string;
  readonly leases: readonly (LeaseOf & { readonly residencyId?: string })[];
};
type LeaseOf = {
  readonly leaseId: string;
  readonly taskId: string;
  readonly stepId: string;
  readonly attempt: number;
};

const counts = async (): Promise<StatusCounts> =>
  (await platform.api.call<StatusCounts>('GET', '/api/v1/tasks/status')).body;

const logged = async (stream: { readonly name: string }): Promise<readonly StoredEvent[]> => {
  const connection = await platform.connect('observer');
  try {
    const found: StoredEvent[] = [];
    for await (const event of jetStreamEventLog(connection, stream).replay(START)) found.push(event);
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
    events = await logged(STREAMS.tasks);
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

  it('lets no attempt begin before the one before it was given up', () => {
    const last = new Map<string, { readonly attempt: number; readonly open: boolean }>();
    for (const { type, taskId, data } of events) {
      if (type === 'step.dispatched') {
        const { stepId, attempt } = data as LeaseOf;
        const key = `${taskId}/${stepId}`;
        const previous = last.get(key) ?? { attempt: 0, open: false };
        expect([key, attempt, previous.open]).toEqual([key, previous.attempt + 1, false]);
        last.set(key, { attempt, open: true });
      }
      if (type !== 'step.failed' && type !== 'task.completed') continue;
      const { step } = data as { step: LeaseOf };
      const key = `${taskId}/${step.stepId}`;
      expect(last.get(key)).toEqual({ attempt: step.attempt, open: true });
      last.set(key, { attempt: step.attempt, open: false });
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
      expect(body.items.length).toBeGreaterThan(0);
      return body.items.every(({ leases }) => leases.length === 0) ? true : undefined;
    }, 'all leases to be closed');
  }, 60_000);

  it('gave every attempt a lease of its own, none of them twice at a time, and never more than there are slots', async () => {
    const live = new Map<string, string>();
    const slots = new Map<string, number>();
    const fullest = new Map<string, number>();
    const grants = new Map<number, readonly LeaseOf[]>();
    for (const { type, seq, data } of await logged(STREAMS.leases)) {
      if (type === 'server.configured') {
        const { server } = data as { server: { serverId: string; slots: number } };
        slots.set(server.serverId, server.slots);
      }
      if (type === 'lease.granted') {
        const { serverId, leases } = data as Granted;
        grants.set(seq, leases);
        for (const lease of leases) {
          // An answer that was lost is asked for again by the same id, which has another token if the first grant expired.
          expect([lease.leaseId, live.has(lease.leaseId)]).toEqual([lease.leaseId, false]);
          // A model has slots of its own on its server.
          const place = `${serverId}/${lease.residencyId ?? 'cpu'}`;
          live.set(lease.leaseId, place);
          const taken = [...live.values()].filter((other) => other === place).length;
          expect([place, taken <= (slots.get(serverId) ?? 0)]).toEqual([place, true]);
          fullest.set(serverId, Math.max(taken, fullest.get(serverId) ?? 0));
        }
      }
      if (type !== 'lease.released' && type !== 'lease.expired') continue;
      for (const leaseId of (data as { leaseIds: readonly string[] }).leaseIds)
        expect([leaseId, live.delete(leaseId)]).toEqual([leaseId, true]);
    }
    expect([...live.keys()]).toEqual([]);
    // Else this run could not have shown it.
    expect(fullest.get('sim')).toBe(slots.get('sim'));
    const used = events.flatMap(({ type, data }) =>
      type === 'step.dispatched' ? [data as LeaseOf & { lease: { leaseId: string; token: number } }] : [],
    );
    expect(new Set(used.map(({ lease }) => lease.leaseId)).size).toBe(used.length);
    for (const { taskId, stepId, attempt, lease } of used) {
      const granted = grants.get(lease.token)?.find(({ leaseId }) => leaseId === lease.leaseId);
      expect(granted).toMatchObject({ taskId, stepId, attempt });
    }
    expect(simulator.state().activeGenerationsMax).toBeLessThanOrEqual(2 * MODEL_SLOTS);
  }, 60_000);
});
