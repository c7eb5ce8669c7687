import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import type { Backtest } from '#libs/simulation/backtest/backtest.js';
import { until } from './api-client.js';
import { orchestra, type Ended } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';
import { SimulatedServer } from './simulated-server.js';

/**
 * Goal: a backtest of a real run tells what the API tells of it, from the broker and from exports alike, and what another policy changes.
 * Method: tasks of two models of which a server holds one at a time, one of them cancelled; then the log is replayed.
 */
const MODELS = ['llama3.2:1b', 'llama3.2:3b'] as const;
const TASKS = 12;
/** Between the clocks of two writers, and whole milliseconds. */
const TOLERANCE_MS = 250;

let server: SimulatedServer;
let platform: RunningPlatform;
let tasks: readonly TaskView[];
let from: string;

const submit = async (n: number): Promise<string> =>
  await platform.api.submit(
    {
      template: 'ollama-inference',
      priority: 3 + (n % 3),
      workspace: n % 2 === 0 ? 'home' : 'lab',
      parameters: {
        model: MODELS[n % 2],
        prompt: `Task ${n}`,
        options: { num_predict: 800, temperature: 0 },
      },
    },
    `backtest-${n}`,
  );

beforeAll(async () => {
  server = await SimulatedServer.start({ id: 'attic', vramBytes: 3 * 1024 ** 3, timeScale: 4 });
  platform = await RunningPlatform.start({ servers: `servers:\n${server.entry}` });
  from = new Date().toISOString();
  const ids: string[] = [];
  for (let n = 0; n < TASKS; n += 1) ids.push(await submit(n));
  await platform.api.call('DELETE', `/api/v1/tasks/${ids[TASKS - 1]}`);
  tasks = await Promise.all(ids.map(async (id) => await platform.api.ended(id)));
  await writeFile(join(platform.dataDir, 'eager.yaml'), 'swap_lead: 0ms\nswap_share_max: 0.9\naging: 0ms\n');
}, 240_000);

afterAll(async () => {
  await platform?.stop();
  await server?.kill();
}, 60_000);

const cli = async (...args: readonly string[]): Promise<Ended> => await orchestra(args).ended;
const policy = (): readonly string[] => ['--policy', join(platform.dataDir, 'eager.yaml')];
const live = async (...args: readonly string[]): Promise<Ended> =>
  await cli('--json', 'backtest', '--from', from, '--data', platform.dataDir, ...args);

const found = ({ code, stdout, stderr }: Ended): Backtest => {
  expect([code, stderr]).toEqual([0, '']);
  return JSON.parse(stdout) as Backtest;
};

const ms = (time: string | null): number => Date.parse(time ?? '');

describe('a backtest of what really ran', () => {
  let fromBroker: Backtest;

  it('tells of it what the API tells', async () => {
    fromBroker = found(await live(...policy()));
    const { asItWas } = fromBroker;
    const ended = (status: TaskView['status']): number =>
      tasks.filter((task) => task.status === status).length;
    expect(asItWas.tasks).toEqual({
      all: TASKS,
      completed: ended('completed'),
      failed: 0,
      cancelled: 1,
      open: 0,
    });
    expect(asItWas.loads).toBe((await server.state()).loads);
    const near = (wanted: number, is: number): void =>
      expect([wanted, is, Math.abs(wanted - is) < TOLERANCE_MS]).toEqual([wanted, is, true]);
    const [ends, created] = [
      tasks.map((task) => ms(task.ended_at)),
      tasks.map((task) => ms(task.created_at)),
    ];
    near(Math.max(...ends) - Math.min(...created), asItWas.makespanMs);
    const started = tasks.filter((task) => task.started_at !== null);
    near(Math.max(...started.map((task) => ms(task.started_at) - ms(task.created_at))), asItWas.waitsMs.max);
    expect(Object.keys(asItWas.workspaces)).toEqual(['home', 'lab']);
  }, 120_000);

  it('replays the same policy to the same loads, and another one to more', () => {
    const { asItWas, replayed, changed } = fromBroker;
    expect(replayed.tasks).toEqual(asItWas.tasks);
    expect(replayed.loads).toBe(asItWas.loads);
    expect(changed.loads).toBeGreaterThan(replayed.loads);
    expect(changed.makespanMs).toBeGreaterThan(replayed.makespanMs);
  });

  it('tells the same of exports, where no platform is', async () => {
    const files = await Promise.all(
      (['tasks', 'leases'] as const).map(async (stream) => {
        const file = join(platform.dataDir, `${stream}.ndjson`);
        const { stdout } = await cli('--json', 'events', '--stream', stream, '--data', platform.dataDir);
        await writeFile(file, stdout);
        return [`--${stream}`, file];
      }),
    );
    const fromExport = found(await cli('--json', 'backtest', '--from', from, ...files.flat(), ...policy()));
    for (const column of ['asItWas', 'replayed', 'changed'] as const)
      expect([column, fromExport[column]]).toEqual([column, fromBroker[column]]);
    const text = await cli('backtest', '--from', from, ...files.flat(), ...policy());
    expect(text.stdout).toMatch(/as it was +replayed +changed[\s\S]*model loads +\d+ +\d+ +\d+ +\+\d+ %/);
    const half = await cli('backtest', '--from', from, ...(files[0] ?? []), ...policy());
    expect([half.code, half.stderr]).toEqual([2, expect.stringContaining('both --tasks and --leases')]);
  }, 120_000);

  it('has room for both models on a larger server', async () => {
    const list = join(platform.dataDir, 'larger.yaml');
    await writeFile(
      list,
      "servers:\n  - { id: attic, url: 'http://127.0.0.1:11434', vram: 24GiB, slots: 1 }\n",
    );
    const { changed, replayed } = found(await live('--servers', list, '--from', '7d'));
    expect([changed.loads, changed.tasks]).toEqual([MODELS.length, replayed.tasks]);
  }, 120_000);

  it('refuses what it cannot do, and says why', async () => {
    const bad = join(platform.dataDir, 'bad.yaml');
    await writeFile(bad, 'agin: 90s\n');
    const refused = async (...args: readonly string[]): Promise<string> => {
      const { code, stderr } = await live(...args);
      expect(code).toBe(2);
      return stderr;
    };
    expect(await refused('--policy', bad)).toMatch(/bad.yaml:1:1: unknown setting 'agin'/);
    expect(await refused()).toMatch(/give --policy, --servers, or both/);
    expect(await refused('--to', from, ...policy())).toMatch(/window is empty/);
    expect((await refused('--from', '30d', ...policy())).trim()).toMatch(
      /hours long; at most 168 \(7 days\)/,
    );
    await until(
      async () => ((await platform.ready()).ready ? true : undefined),
      'the platform to be as it was',
    );
  }, 120_000);
});
