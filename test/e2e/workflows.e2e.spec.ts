import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { WorkflowView } from '#libs/contracts/workflow-queries.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: a workflow is accepted whole or not at all, and all of it ends, whenever the scheduler is killed.
 * Method: workflows of many tasks are submitted while the scheduler is killed again and again; then the log is audited.
 */
const WORKFLOWS = 12;
const TASKS = 150;
const DEATHS = 3;

let platform: RunningPlatform;

beforeAll(async () => {
  platform = await RunningPlatform.start();
}, 180_000);

afterAll(async () => {
  await platform?.stop();
}, 60_000);

/** One source, many that read it, and one that gathers them whatever became of the one that fails. */
const workflowNumber = (n: number): object => {
  const middle = Object.fromEntries(
    Array.from({ length: TASKS - 3 }, (_, place) => [
      `m${place}`,
      { template: 'noop', parameters: { echo: '{{ tasks.source.result }}' }, needs: ['source'] },
    ]),
  );
  const bad = { template: 'noop', parameters: { fail: { code: 'MODEL_NOT_FOUND' } }, needs: ['source'] };
  const needs = [...Object.keys(middle), { task: 'bad', on_failure: 'continue' }];
  const gather = {
    template: 'noop',
    parameters: { echo: '{{ tasks.m7.result }}, {{ tasks.bad.status }}' },
    needs,
  };
  return {
    tasks: { source: { template: 'noop', parameters: { echo: `made by ${n}` } }, ...middle, bad, gather },
  };
};

const submit = async (n: number): Promise<string> =>
  await until(async () => {
    const response = await fetch(`${platform.api.url}/api/v1/workflows`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': `flow-${n}` },
      body: JSON.stringify(workflowNumber(n)),
    });
    const body = (await response.json()) as { id?: string };
    if (response.status >= 500) return undefined;
    if (body.id === undefined)
      throw new Error(`submission refused with ${response.status}: ${JSON.stringify(body)}`);
    return body.id;
  }, `workflow ${n} to be accepted`);

const ended = async (id: string): Promise<WorkflowView> =>
  await until(async () => {
    const { status, body } = await platform.api.call<WorkflowView>('GET', `/api/v1/workflows/${id}`);
    return status === 200 && body.ended_at !== null ? body : undefined;
  }, `workflow ${id} to end`);

const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;

describe('workflows under a scheduler that dies', () => {
  it('are accepted whole, and all of each ends', async () => {
    const submitting = (async () => {
      const ids: string[] = [];
      for (let n = 0; n < WORKFLOWS; n += 1) ids.push(await submit(n));
      return ids;
    })();
    for (let death = 0; death < DEATHS; death += 1) await platform.killAndWait('scheduler');
    const ids = await submitting;
    expect(new Set(ids).size).toBe(WORKFLOWS);
    for (const [n, id] of ids.entries()) {
      const workflow = await ended(id);
      expect(workflow).toMatchObject({
        status: 'completed',
        task_counts: { completed: TASKS - 1, failed: 1 },
      });
      const gather = await platform.api.task(workflow.tasks.at(-1)?.id ?? '');
      expect(gather?.result).toBe(`made by ${n}, failed`);
    }
  }, 240_000);

  it('leave a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings, ...found } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
    expect(found).toMatchObject({ tasks: { open: 0, over: WORKFLOWS * TASKS }, notChecked: [] });
  }, 60_000);
});

describe('orchestra workflow', () => {
  it('submits a file, waits for its end and shows it', async () => {
    const file = join(platform.dataDir, 'flow.yaml');
    await writeFile(
      file,
      'name: from a file\ntasks:\n  a: { template: noop, parameters: { fail: { code: MODEL_NOT_FOUND } } }\n  b: { template: noop, needs: [{ task: a, on_failure: skip }] }\n',
    );
    const waited = await cli('workflow', 'submit', file, '--wait');
    expect([waited.code, waited.stderr]).toEqual([0, '']);
    expect(waited.stdout).toMatch(
      /completed {2}from a file\n[\s\S]* {2}a {2}failed [\s\S]* {2}b {2}skipped .*after a \(skip\) {2}DEPENDENCY_SKIPPED/,
    );
    const { stdout: listed } = await cli('workflow', 'list', '--limit', '1');
    const [id = ''] = /[0-9a-f-]{36}/.exec(listed) ?? [];
    expect((await cli('--json', 'workflow', 'show', id)).stdout).toContain('"name": "from a file"');
    expect((await cli('workflow', 'show', 'nobody')).code).toBe(3);
  }, 60_000);

  it('cancels what is open, and says where a file is wrong', async () => {
    const file = join(platform.dataDir, 'slow.yaml');
    await writeFile(
      file,
      'tasks:\n  a: { template: noop, parameters: { delay_ms: 600000 } }\n  b: { template: noop, needs: [a] }\n',
    );
    const { stdout } = await cli('workflow', 'submit', file);
    const cancelled = await cli('workflow', 'cancel', stdout.trim());
    expect([cancelled.code, cancelled.stderr]).toEqual([0, '']);
    expect(cancelled.stdout).toMatch(/cancelled\n[\s\S]* {2}a {2}cancelled [\s\S]* {2}b {2}cancelled /);
    await writeFile(
      file,
      'tasks:\n  a: { template: noop, needs: [b] }\n  b: { template: noop, needs: [a] }\n',
    );
    const refused = await cli('workflow', 'submit', file);
    expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining('a -> b -> a')]);
  }, 60_000);
});
