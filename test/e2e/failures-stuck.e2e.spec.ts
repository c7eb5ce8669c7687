import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { until } from './api-client.js';
import { FailureRows, type LoggedEvent } from './failure-rows.js';
import { RunningPlatform } from './running-platform.js';
import { SimulatedServer } from './simulated-server.js';

/**
 * Goal: a server that answers and does not get on is left alone, freed by what can free it, and used again.
 * Method: first one server, so that nothing but its recovery can end the wait; then a second one is written into the list.
 */
const VRAM_BYTES = 3 * 1024 ** 3;
const OVER = new Set(['task.completed', 'task.failed', 'task.cancelled']);

let attic: SimulatedServer;
let cellar: SimulatedServer;
let platform: RunningPlatform;
let rows: FailureRows;

beforeAll(async () => {
  [attic, cellar] = (await Promise.all(
    ['attic', 'cellar'].map((id) => SimulatedServer.start({ id, vramBytes: VRAM_BYTES, timeScale: 4 })),
  )) as [SimulatedServer, SimulatedServer];
  platform = await RunningPlatform.start({
    servers: `servers:\n${attic.entry}`,
    env: {
      ORCHESTRA_PROBE_EVERY_MS: '500',
      ORCHESTRA_LOAD_TIMEOUT_MS: '4000',
      ORCHESTRA_UNLOAD_TIMEOUT_MS: '2000',
      ORCHESTRA_LOAD_RETRY_MS: '500',
      ORCHESTRA_SWAP_PATIENCE_MS: '500',
    },
  });
  rows = await FailureRows.beside(platform);
}, 180_000);

afterAll(async () => {
  await rows?.close();
  await platform?.stop();
  await attic?.kill();
  await cellar?.kill();
}, 60_000);

const generate = async (model: string, tokens: number): Promise<string> =>
  await platform.api.submit(
    { template: 'ollama-inference', parameters: { model, prompt: 'Hi', options: { num_predict: tokens } } },
    `stuck-${model}-${tokens}`,
  );

const endOf = async (taskId: string): Promise<LoggedEvent> =>
  await rows.seen('the end of the task', 0, (event) => event.taskId === taskId && OVER.has(event.type));

const changed =
  (serverId: unknown, state: string) =>
  ({ type, data }: LoggedEvent): boolean =>
    type === 'server.state-changed' && data['serverId'] === serverId && data['state'] === state;

type Shown = {
  readonly items: readonly { readonly id: string; readonly state: string; readonly reason: string | null }[];
};

const shown = async (id: unknown) =>
  (await platform.api.call<Shown>('GET', '/api/v1/servers')).body.items.find((server) => server.id === id);

describe("a server whose own scheduler waits for ever (Ollama's issue 17408)", () => {
  it('is found by the load that does not end, and freed by unloading what it holds, without a restart', async () => {
    const long = await generate('llama3.2:1b', 6_000);
    await until(async () => ((await attic.state()).activeGenerations === 1 ? true : undefined), 'tokens');
    // Somebody else asks for what has no room beside it, which makes the server evict; and somebody else brings the victim back.
    const outsider = attic.ask({
      model: 'llama3.2:3b',
      prompt: 'Hi',
      options: { num_ctx: 4096, num_predict: 1 },
    });
    await until(async () => ((await attic.state()).evicting === null ? undefined : true), 'the eviction');
    await attic.ask({ model: 'llama3.2:1b', keep_alive: -1, options: { num_ctx: 4096 } });
    expect((await endOf(long)).type).toBe('task.completed');
    expect(await attic.state()).toMatchObject({ evicting: 'llama3.2:1b', loads: 1 });

    const task = await generate('smollm2:135m', 5);
    const begun = await rows.seen(
      'the load',
      0,
      ({ type, data }) =>
        type === 'residency.load-started' && (data['profile'] as { model: string }).model === 'smollm2:135m',
    );
    const seen = await rows.seen('the suspicion', begun.ms, changed('attic', 'suspect'));
    expect(seen.data['reason']).toMatch(/4000 ms/);
    const end = await endOf(task);
    expect(end.type).toBe('task.completed');
    await outsider;
    expect((await attic.state()).evicting).toBeNull();
    rows.add("a server's own scheduler deadlocks", begun.ms, seen, end);
  }, 120_000);
});

describe('a server that does not unload a model', () => {
  it('takes nothing new, and the task that waits for the room gets it elsewhere', async () => {
    await writeFile(join(platform.dataDir, 'test-servers.yaml'), `servers:\n${attic.entry}${cellar.entry}`);
    await rows.seen('the second server', 0, changed('cellar', 'up'));
    // One model on each server, with no room beside them.
    for (const model of ['llama3.2:1b', 'llama3.2:3b', 'qwen3:4b'])
      await attic.arm({ kind: 'stuck-unload', model });
    for (const model of ['llama3.2:1b', 'llama3.2:3b', 'qwen3:4b'])
      await cellar.arm({ kind: 'stuck-unload', model });
    const fromMs = Date.now();
    const tasks = await Promise.all(
      ['llama3.2:3b', 'qwen3:4b', 'llama3.2:1b'].map((model) => generate(model, 20)),
    );
    const order = await rows.seen(
      'the order to unload',
      fromMs,
      ({ type }) => type === 'residency.unload-started',
    );
    const stuck = order.data['serverId'];
    await (stuck === 'attic' ? cellar : attic).disarm();
    const seen = await rows.seen('the suspicion', order.ms, changed(stuck, 'suspect'));
    for (const task of tasks) expect((await endOf(task)).type).toBe('task.completed');
    const after = rows.events.filter(
      ({ type, ms, data }) => type === 'lease.granted' && ms >= seen.ms && data['serverId'] === stuck,
    );
    expect(after).toEqual([]);
    expect(await shown(stuck)).toMatchObject({
      state: 'suspect',
      reason: expect.stringContaining('still listed'),
    });
    const ends = await Promise.all(tasks.map(endOf));
    rows.add('an unload sticks', order.ms, seen, { ms: Math.max(...ends.map(({ ms }) => ms)) });
    await (stuck === 'attic' ? attic : cellar).disarm();
    await rows.seen('its return', seen.ms, changed(stuck, 'up'));
    await rows.noLeaseLeft();
  }, 120_000);

  it('has left a log that keeps every promise', async () => {
    expect(await rows.audit()).toEqual({ code: 0, findings: [], open: 0 });
  }, 60_000);
});
