import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { SseClient } from '../rest/sse-client.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ parallel: 1 });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 1, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
}, 60_000);

const generate = async (prompt: string, tokens: number, priority = 5): Promise<string> =>
  await platform.api.submit(
    {
      template: 'ollama-inference',
      priority,
      parameters: { model: 'llama3.2:1b', prompt, options: { num_predict: tokens } },
    },
    `cancel-${prompt.replaceAll(' ', '-')}`,
  );

type Explanation = { readonly summary: string; readonly steps: readonly object[] };
type EventPage = { readonly items: readonly { readonly type: string; readonly data: unknown }[] };

const generating = (): number => simulator.state().activeGenerations;

/** Resolves with the time at which the server, which runs in this process, has nothing more to generate. */
const stopOfGeneration = async (): Promise<number> => {
  while (generating() > 0) await new Promise((resolve) => setImmediate(resolve));
  return Date.now();
};

const leases = async (): Promise<number> => {
  type Servers = {
    readonly items: readonly { readonly id: string; readonly leases: readonly unknown[] }[];
  };
  const { items } = (await platform.api.call<Servers>('GET', '/api/v1/servers')).body;
  const found = items.find(({ id }) => id === 'sim');
  if (!found) throw new Error('the server is not in the inventory');
  return found.leases.length;
};

const cancel = async (id: string) => await platform.api.call<TaskView>('DELETE', `/api/v1/tasks/${id}`);

describe('cancelling a task that generates', () => {
  it('is over only when the server has stopped, and the slot is then free for the next', async () => {
    const long = await generate('a very long story', 100_000);
    const stream = await SseClient.open(`${platform.api.url}/api/v1/tasks/${long}/stream`);
    await stream.until(({ event }) => event === 'token');
    expect(generating()).toBe(1);
    const freed = stopOfGeneration();
    const { status } = await cancel(long);
    expect(status).toBe(202);
    const freedMs = await freed;

    const ended = await platform.api.ended(long);
    expect(ended.status).toBe('cancelled');
    expect(Date.parse(ended.ended_at ?? '')).toBeGreaterThanOrEqual(freedMs);
    const last = (await stream.all()).at(-1);
    expect(last).toMatchObject({
      event: 'task.cancelled',
      data: { data: { stopped: [{ how: 'confirmed' }] } },
    });
    expect(simulator.state()).toMatchObject({ activeGenerations: 0, abandoned: 1 });
    await until(async () => ((await leases()) === 0 ? true : undefined), 'the lease to be closed');

    const next = await platform.api.ended(await generate('a short one', 5));
    expect(next.status).toBe('completed');
    expect(next.resource_usage.tokens_out).toBe(5);
    const again = await cancel(long);
    expect(again.status).toBe(409);
  }, 120_000);

  it('keeps the slot while the server goes on, and unloads the model before the next one gets it', async () => {
    simulator.setFault({ kind: 'deaf' });
    const { unloads } = simulator.state();
    // Some seconds at the simulated speed: longer than the proof is waited for.
    const deaf = await generate('a story that nobody can stop', 1_500);
    await until(async () => (generating() === 1 ? true : undefined), 'the generation to begin');
    await cancel(deaf);
    const next = await generate('after the story', 5);
    const ended = await platform.api.ended(deaf);
    const { body } = await platform.api.call<EventPage>('GET', `/api/v1/tasks/${deaf}/events`);
    expect(body.items.at(-1)).toMatchObject({
      type: 'task.cancelled',
      data: { stopped: [{ how: 'unconfirmed' }] },
    });
    expect(ended.status).toBe('cancelled');
    expect(generating()).toBe(1);
    expect(await leases()).toBe(1);
    const freedMs = await stopOfGeneration();
    const after = await platform.api.ended(next);
    expect(after.status).toBe('completed');
    expect(Date.parse(after.started_at ?? '')).toBeGreaterThanOrEqual(freedMs);
    expect(simulator.state().unloads).toBe(unloads + 1);
  }, 120_000);

  it('is over at once while it is queued, and takes those that wait for it with it', async () => {
    const busy = await generate('holding the slot', 100_000);
    await until(async () => (generating() === 1 ? true : undefined), 'the generation to begin');
    const queued = await generate('waiting for the slot', 5);
    const dependent = await platform.api.submit(
      { template: 'noop', depends_on: [queued] },
      'cancel-dependent',
    );
    expect((await cancel(queued)).body.status).toBe('cancelled');
    const failed = await platform.api.ended(dependent);
    expect(failed.error?.code).toBe('DEPENDENCY_FAILED');
    await cancel(busy);
    await platform.api.ended(busy);
  }, 120_000);

  it('lets a task overtake when its priority is raised', async () => {
    const busy = await generate('holding the slot again', 100_000);
    await until(async () => (generating() === 1 ? true : undefined), 'the generation to begin');
    const first = await generate('first in line', 5);
    const second = await generate('second in line', 5);
    const raised = await platform.api.call<TaskView>('PATCH', `/api/v1/tasks/${second}/priority`, {
      priority: 9,
    });
    expect(raised.body.priority).toBe(9);
    // Asked why they wait, both name who has the slot, and who goes first.
    for (const [id, ahead] of [
      [first, 1],
      [second, 0],
    ] as const) {
      const { body } = await platform.api.call<Explanation>('GET', `/api/v1/tasks/${id}/explain`);
      expect(body.summary).toContain(busy);
      expect(body.steps).toMatchObject([
        {
          waits_for: {
            kind: 'slot',
            position: { ahead, ahead_of_same: ahead },
            places: [{ server_id: 'sim', slots: 1, busy: 1, holders: [{ task_id: busy }] }],
          },
        },
      ]);
    }
    await cancel(busy);
    const [a, b] = [await platform.api.ended(first), await platform.api.ended(second)];
    expect(Date.parse(b.started_at ?? '')).toBeLessThan(Date.parse(a.started_at ?? ''));
  }, 120_000);

  it('leaves a log that keeps every promise, also where a model was unloaded to end a run', async () => {
    await until(async () => ((await leases()) === 0 ? true : undefined), 'all leases to be closed');
    const args = ['--json', 'verify', '--settled', '--data', platform.dataDir];
    const { code, stdout } = await orchestra(args).ended;
    expect([code, (JSON.parse(stdout) as { findings: unknown }).findings]).toEqual([0, []]);
  }, 60_000);
});
