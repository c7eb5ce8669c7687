import { createServer, type Server } from 'node:http';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { until } from './api-client.js';
import { processesOn } from './processes-on.js';
import { orchestra, type Ended, type Orchestra } from './run-orchestra.js';

/** `orchestra up` and the commands against it, as processes: what a user has in two terminals. */
const LIMIT_MS = 120_000;

type Announced = { readonly api: string; readonly nats: string; readonly data: string };
type Up = Announced & { readonly process: Orchestra };

let folder: string;
let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
const ups: Orchestra[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-launcher-'));
  simulator = await startOllamaSimulator({ port: 0, timeScale: 1, parallel: 1, seed: 1 });
});
afterAll(async () => {
  await simulator.stop();
  await rm(folder, { recursive: true });
});

/** Asks everything that was started to stop, and waits until nothing of it is left. */
const stopAll = async (): Promise<void> => {
  for (const { child, ended } of ups.splice(0)) {
    child.kill('SIGTERM');
    await ended;
  }
  // A process that was just killed is there for some milliseconds more.
  await until(() => Promise.resolve(processesOn(folder).length === 0 || undefined), 'everything to end');
};

const launch = (args: readonly string[] = []): Orchestra => {
  const up = orchestra(['up', '--json', '--port', '0', '--data', folder, '--ollama', simulator.url, ...args]);
  ups.push(up);
  return up;
};

const launched = async (args: readonly string[] = []): Promise<Up> => {
  const process = launch(args);
  const text = await until(() => Promise.resolve(process.stdout() || undefined), 'the announcement');
  return { ...(JSON.parse(text) as Announced), process };
};

const command = async (up: Up, ...args: readonly string[]): Promise<Ended> =>
  await orchestra(args, { ORCHESTRA_URL: up.api, ORCHESTRA_DATA_DIR: up.data }).ended;

const json = <T>({ stdout }: Ended): T => JSON.parse(stdout) as T;
const lines = <T>({ stdout }: Ended): readonly T[] =>
  stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as T);

const pidsOf = (pattern: RegExp): readonly number[] =>
  processesOn(folder)
    .filter((line) => pattern.test(line))
    .map((line) => Number.parseInt(line, 10));

describe('the commands', () => {
  let up: Up;
  beforeAll(async () => {
    up = await launched();
  }, LIMIT_MS);
  afterAll(stopAll, LIMIT_MS);

  it(
    'follow a task from its submission to the log',
    async () => {
      expect(await command(up, 'status')).toMatchObject({ code: 0, stderr: '' });
      const submitted = await command(
        up,
        'submit',
        'noop',
        '-p',
        'echo=[1]',
        '--label',
        'k=v',
        '--wait',
        '--json',
      );
      const task = json<TaskView>(submitted);
      expect([submitted.code, task.status, task.result]).toEqual([0, 'completed', [1]]);
      expect(json<TaskView>(await command(up, 'get', task.id, '--json'))).toEqual(task);
      const listed = json<readonly TaskView[]>(await command(up, 'list', '--label', 'k:v', '--json'));
      expect(listed.map(({ id }) => id)).toEqual([task.id]);
      const types = ['task.submitted', 'step.dispatched', 'task.completed'];
      const logs = lines<{ type: string; seq: number }>(await command(up, 'logs', task.id, '--json'));
      expect(logs.map(({ type }) => type)).toEqual(types);
      const events = lines<{ type: string }>(await command(up, 'events', '--task', task.id, '--json'));
      expect(events.map(({ type }) => type)).toEqual(types);
      const later = await command(up, 'events', '--from-seq', String(logs.at(-1)?.seq), '--json');
      expect(lines<{ type: string }>(later)[0]?.type).toBe('task.completed');
      const since = lines<{ seq: number }>(await command(up, 'events', '--since', '1h', '--json'));
      expect(since.map(({ seq }) => seq)).toEqual(since.map((_, n) => n + 1));
      const leases = lines<{ type: string }>(await command(up, 'events', '--stream', 'leases', '--json'));
      expect(leases.map(({ type }) => type)).toEqual(
        expect.arrayContaining(['server.configured', 'lease.granted', 'lease.released']),
      );
    },
    LIMIT_MS,
  );

  it(
    'end with the code that says what was wrong',
    async () => {
      const failing = ['submit', 'noop', '-p', 'fail={"code": "MODEL_ERROR", "message": "asked for"}'];
      const refusals: readonly (readonly [number, readonly string[]])[] = [
        [0, ['--help']],
        [2, ['submit']],
        [2, ['nonsense']],
        [2, ['list', '--limit', '0']],
        [2, ['submit', 'noop', '-p', 'x']],
        [2, ['templates', 'validate', 'none.yaml']],
        [3, ['submit', 'nope']],
        [3, ['get', '01a20843-0000-7000-8000-000000000000']],
        [3, ['watch', '01a20843-0000-7000-8000-000000000000']],
        [4, ['submit', 'noop', '-p', 'delay_ms=-1']],
        [5, ['status', '--url', 'http://127.0.0.1:9']],
        [6, [...failing, '--wait']],
      ];
      for (const [wanted, args] of refusals) {
        const { code, stderr, stdout } = await command(up, ...args);
        expect([args, code]).toEqual([args, wanted]);
        if (wanted !== 0) expect([args, stdout, stderr.length > 0]).toEqual([args, '', true]);
        expect(stderr).not.toMatch(/ at .*\.(js|ts):\d+/);
      }
    },
    LIMIT_MS,
  );

  it(
    'cancel a task in the middle of its answer',
    async () => {
      const parameters = [
        '-p',
        'model=llama3.2:1b',
        '-p',
        'prompt=Go on',
        '-p',
        'options={"num_predict":100000}',
      ];
      const id = (await command(up, 'submit', 'ollama-inference', ...parameters)).stdout.trim();
      const watch = orchestra(['watch', id], { ORCHESTRA_URL: up.api });
      await until(() => Promise.resolve(watch.stdout().length > 20 || undefined), 'tokens');
      const cancelled = await command(up, 'cancel', id, '--json');
      expect([cancelled.code, json<TaskView>(cancelled).status]).toEqual([0, 'cancelled']);
      expect((await watch.ended).code).toBe(7);
      expect((await command(up, 'cancel', id)).code).toBe(4);
    },
    LIMIT_MS,
  );

  it(
    'go on with a stream whose gateway was killed, and miss no state',
    async () => {
      const id = (await command(up, 'submit', 'noop', '-p', 'delay_ms=4000')).stdout.trim();
      const watch = orchestra(['watch', id, '--json'], { ORCHESTRA_URL: up.api });
      await until(
        () => Promise.resolve(watch.stdout().includes('step.dispatched') || undefined),
        'the dispatch',
      );
      for (const pid of pidsOf(/apps\/gateway\/main\.js/)) process.kill(pid, 'SIGKILL');
      const watched = await watch.ended;
      expect(watched.code).toBe(0);
      expect(lines<{ event: string }>(watched).map(({ event }) => event)).toEqual([
        'task.submitted',
        'step.dispatched',
        'task.completed',
      ]);
    },
    LIMIT_MS,
  );
});

describe('the launcher', () => {
  afterEach(stopAll, LIMIT_MS);

  it(
    'starts again whatever is killed, the broker included, and nothing is lost',
    async () => {
      const up = await launched();
      const before = (await command(up, 'submit', 'noop', '--wait', '--json')).stdout;
      for (const program of [
        /results/,
        /gpu-allocator/,
        /scheduler/,
        /executor/,
        /gateway/,
        /nats-server\.conf/,
      ]) {
        for (const pid of pidsOf(program)) process.kill(pid, 'SIGKILL');
      }
      await until(async () => ((await command(up, 'status')).code === 0 ? true : undefined), 'readiness');
      expect(up.process.stderr().match(/starting it again/g)).toHaveLength(6);
      const { id } = JSON.parse(before) as TaskView;
      expect((await command(up, 'get', id, '--json')).stdout).toBe(before);
      expect((await command(up, 'submit', 'noop', '--wait')).code).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'that is killed takes the services with it, and the next one ends the broker that is left',
    async () => {
      const first = await launched();
      const { id } = json<TaskView>(await command(first, 'submit', 'noop', '--wait', '--json'));
      first.process.child.kill('SIGKILL');
      await first.process.ended;
      await until(() => Promise.resolve(pidsOf(/main\.js/).length === 0 || undefined), 'the services to end');
      expect(pidsOf(/nats-server\.conf/)).toHaveLength(1);
      const second = await launched();
      expect(second.process.stderr()).toContain('stopping the broker that an earlier launcher left behind');
      expect(pidsOf(/nats-server\.conf/)).toHaveLength(1);
      expect((await command(second, 'get', id)).code).toBe(0);
    },
    LIMIT_MS,
  );

  it(
    'stops on a signal with exit code 0, and at once on the second',
    async () => {
      const { process: gentle } = await launched();
      // To the whole group, as a terminal does it.
      process.kill(-Number(gentle.child.pid), 'SIGINT');
      expect(await gentle.ended).toMatchObject({
        code: 0,
        stderr: expect.stringMatching(/stopping …\nstopped\n$/),
      });
      const { process: hasty } = await launched();
      // A frozen service would hold up a stop for as long as a service may take.
      for (const pid of pidsOf(/apps\/executor\/main\.js/)) process.kill(pid, 'SIGSTOP');
      await until(() => {
        hasty.child.kill('SIGINT');
        return Promise.resolve(hasty.child.exitCode ?? undefined);
      }, 'the end');
      expect((await hasty.ended).code).toBe(130);
    },
    LIMIT_MS,
  );

  it(
    'gives up a start on a signal',
    async () => {
      const up = launch();
      await until(() => Promise.resolve(up.stderr().includes('broker runs') || undefined), 'the broker');
      up.child.kill('SIGTERM');
      expect(await up.ended).toMatchObject({ code: 0, stdout: '' });
    },
    LIMIT_MS,
  );

  it(
    'refuses a folder that another one has, a port that is taken, and what a service refuses',
    async () => {
      const up = await launched();
      const second = await launch().ended;
      expect([second.code, second.stderr]).toEqual([8, expect.stringContaining('is in use by process')]);
      up.process.child.kill('SIGTERM');
      await up.process.ended;

      const taken: Server = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      const { port } = taken.address() as AddressInfo;
      const refused = await launch(['--port', String(port)]).ended;
      taken.close();
      expect([refused.code, refused.stderr]).toEqual([
        8,
        expect.stringContaining(
          `port ${port} of 127.0.0.1 is taken by another program; choose another with --port`,
        ),
      ]);

      const args = ['up', '--data', folder, '--port', '0'];
      const bad = await orchestra(args, { ORCHESTRA_RESULTS_LAG_MAX: 'many' }).ended;
      expect([bad.code, bad.stderr]).toEqual([
        8,
        expect.stringContaining("ORCHESTRA_RESULTS_LAG_MAX: 'many' — expected a whole number"),
      ]);
    },
    LIMIT_MS,
  );

  it(
    'keeps the logs of the services, and the servers file as the user left it',
    async () => {
      const up = await launched(['--logs']);
      expect(up.process.stderr()).toMatch(/^\d\d:\d\d:\d\d\.\d{3} {2}scheduler +info +leading/m);
      expect(await readFile(join(folder, 'logs', 'scheduler.log'), 'utf8')).toContain('"msg":"leading"');
      up.process.child.kill('SIGTERM');
      await up.process.ended;
      const file = join(folder, 'servers.yaml');
      await writeFile(file, `${await readFile(file, 'utf8')}# mine\n`);
      await launched();
      expect(await readFile(file, 'utf8')).toMatch(/# mine\n$/);
    },
    LIMIT_MS,
  );
});
