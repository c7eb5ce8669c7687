import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { processesOn } from './processes-on.js';
import { orchestra } from './run-orchestra.js';

/** `npm run demo`, as a user starts it. */
const LIMIT_MS = 120_000;

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-demo-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

type Summary = {
  readonly api: string;
  readonly server: { readonly kind: string };
  readonly model_loads: readonly unknown[];
  readonly tasks: readonly (TaskView & { readonly name: string })[];
};

describe('the demo', () => {
  it(
    'completes three tasks where there is no Ollama, says so, and leaves nothing running',
    async () => {
      const { code, stdout, stderr } = await orchestra(['demo', '--data', folder]).ended;
      expect([code, stderr]).toEqual([0, expect.stringContaining('Everything is stopped.')]);
      expect(stderr).toContain('No Ollama answers at http://127.0.0.1:1.');
      expect(stderr).toContain('Starting the simulator instead');
      for (const name of ['relaxed', 'urgent', 'last']) {
        expect(stderr).toMatch(new RegExp(`^${name} completed$`, 'm'));
        expect(stdout).toMatch(new RegExp(`^${name} .*█+.* \\d+\\.\\d\\d s$`, 'm'));
        expect(stdout).toMatch(new RegExp(`^${name}  completed  llama3.2:1b: load .* 48 written in`, 'm'));
      }
      expect(stdout).toMatch(/^API {3}http:\/\/127\.0\.0\.1:\d+\/api\/v1, its pages http:.*\/docs/m);
      expect(stdout).not.toContain('\u001B');
      expect(processesOn(folder)).toEqual([]);
      expect(await readdir(folder)).not.toContain('launcher.pid');
    },
    LIMIT_MS,
  );

  it(
    'gives one JSON document with --json, a second time on the same folder',
    async () => {
      for (const run of [1, 2]) {
        const { code, stdout } = await orchestra(['demo', '--json', '--data', folder]).ended;
        const { server, tasks, model_loads: loads } = JSON.parse(stdout) as Summary;
        expect([run, code, server.kind, loads.length]).toEqual([run, 0, 'simulator', 1]);
        expect(tasks.map(({ name, status }) => [name, status])).toEqual([
          ['relaxed', 'completed'],
          ['urgent', 'completed'],
          ['last', 'completed'],
        ]);
        const [relaxed, urgent, last] = tasks;
        expect(urgent?.priority).toBeGreaterThan(relaxed?.priority ?? 10);
        expect(last?.depends_on).toEqual([urgent?.id]);
        expect(Date.parse(last?.started_at ?? '')).toBeGreaterThanOrEqual(Date.parse(urgent?.ended_at ?? ''));
        expect(tasks.every(({ resource_usage: usage }) => usage.tokens_out > 0)).toBe(true);
      }
    },
    2 * LIMIT_MS,
  );

  it(
    'stops everything on Ctrl-C',
    async () => {
      const demo = orchestra(['demo', '--data', folder]);
      await until(() => Promise.resolve(demo.stderr().includes('submitted') || undefined), 'a submission');
      demo.child.kill('SIGINT');
      const { code, stderr } = await demo.ended;
      expect([code, stderr]).toEqual([130, expect.stringContaining('Everything is stopped.')]);
      expect(processesOn(folder)).toEqual([]);
    },
    LIMIT_MS,
  );
});
