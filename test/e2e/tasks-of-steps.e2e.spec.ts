import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskPage, TaskView } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: a step that is a task has one child for each try whatever dies while it is submitted, gives what that gives, and takes it along when it ends.
 * Method: templates in two levels over the five services as processes; the scheduler is killed while children are submitted; then the log is audited.
 */
const TASKS = 40;
const DEATHS = 3;

const TEMPLATES: Readonly<Record<string, string>> = {
  leaf: `
name: leaf
parameters: { n: { type: integer, required: true }, delay_ms: { type: integer, default: 0 }, fails: { type: boolean, default: false } }
steps:
  - { id: wait, type: noop, with: { delay_ms: '{{ parameters.delay_ms }}' } }
  - { id: fail, type: noop, when: '{{ parameters.fails }}', retry: { attempts_max: 1 }, with: { fail: { code: MODEL_ERROR, message: 'leaf {{ parameters.n }}' } } }
  - { id: say, type: noop, with: { echo: '{{ parameters.n }}' } }
output: { n: '{{ steps.say.output }}' }
`,
  middle: `
name: middle
parameters: { n: { type: integer, required: true }, delay_ms: { type: integer, default: 0 }, fails: { type: boolean, default: false } }
steps:
  - id: leaves
    type: task
    foreach: [1, 2]
    with: { template: leaf, parameters: { n: '{{ item }}', delay_ms: '{{ parameters.delay_ms }}', fails: '{{ parameters.fails }}' } }
output: '{{ steps.leaves.output.items | map: "output" | map: "n" | join: "+" }} of {{ parameters.n }}'
`,
  outer: `
name: outer
parameters: { n: { type: integer, required: true }, delay_ms: { type: integer, default: 0 }, fails: { type: boolean, default: false } }
steps:
  - id: under
    type: task
    retry: { attempts_max: 2, backoff_ms: 100, on: [model] }
    with: { template: middle, parameters: { n: '{{ parameters.n }}', delay_ms: '{{ parameters.delay_ms }}', fails: '{{ parameters.fails }}' } }
  - { id: last, type: noop, with: { echo: '{{ steps.under.output.output }}' } }
`,
  hurried: `
name: hurried
steps:
  - { id: slow, type: task, timeout: 500ms, on_failure: continue, with: { template: leaf, parameters: { n: 1, delay_ms: 600000 } } }
  - { id: why, type: noop, with: { echo: '{{ steps.slow.error.code }}' } }
`,
};

let platform: RunningPlatform;
let templates: string;

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  for (const [name, text] of Object.entries(TEMPLATES))
    await writeFile(join(templates, `${name}.yaml`), text);
  platform = await RunningPlatform.start({ env: { ORCHESTRA_TEMPLATES_DIR: templates } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const submit = async (key: string, parameters: object): Promise<string> =>
  await platform.api.submit({ template: 'outer', parameters, labels: { key } }, key);
const childrenOf = async (id: string): Promise<readonly TaskView[]> =>
  (await platform.api.call<TaskPage>('GET', `/api/v1/tasks?parent=${id}`)).body.items;
const ended = async (id: string): Promise<TaskView> => await platform.api.ended(id);
const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;
/** The leaves of a task that has begun two of them. */
const leavesOf = async (id: string): Promise<readonly TaskView[]> =>
  await until(async () => {
    const [middle] = await childrenOf(id);
    const leaves = middle ? await childrenOf(middle.id) : [];
    return leaves.length === 2 && leaves.every(({ status }) => status === 'running') ? leaves : undefined;
  }, 'two leaves to run');
const leases = async (): Promise<number> => {
  type Servers = { readonly items: readonly { readonly leases: readonly unknown[] }[] };
  const { items } = (await platform.api.call<Servers>('GET', '/api/v1/servers')).body;
  return items.flatMap((server) => server.leases).length;
};

describe('a task with tasks in two levels below it', () => {
  it('has their results, and shows them', async () => {
    const id = await submit('two-levels', { n: 7 });
    expect(await ended(id)).toMatchObject({ status: 'completed', result: '1+2 of 7' });
    const { steps } = await ended(id);
    const [middle] = await childrenOf(id);
    expect(steps[0]).toMatchObject({
      output: { output: '1+2 of 7', task_id: middle?.id, status: 'completed' },
      waiting: { kind: 'task', task_id: middle?.id },
    });
    expect(middle).toMatchObject({
      parent: { task_id: id, step_id: 'under' },
      labels: { key: 'two-levels' },
    });
    const leaves = await childrenOf(middle?.id ?? '');
    expect(Object.fromEntries(leaves.map(({ parent, result }) => [parent?.step_id, result]))).toEqual({
      'leaves[0]': { n: 1 },
      'leaves[1]': { n: 2 },
    });
    expect((await cli('list', '--parent', id)).stdout).toContain(middle?.id);
  }, 120_000);

  it('tries again with another child, and says at last what was wrong below', async () => {
    const id = await submit('fails', { n: 1, fails: true });
    const task = await ended(id);
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'CHILD_TASK_FAILED', details: { cause: 'MODEL_ERROR' } },
    });
    expect(task.error?.message).toMatch(/\(middle\).*\(leaf\).*MODEL_ERROR: leaf \d/);
    expect((await childrenOf(id)).map(({ status }) => status)).toEqual(['failed', 'failed']);
  }, 120_000);

  it('is explained by what its child does, and takes all of them along when it is cancelled', async () => {
    const id = await submit('cancelled', { n: 1, delay_ms: 600_000 });
    const leaves = await leavesOf(id);
    const { body } = await platform.api.call<{ summary: string }>('GET', `/api/v1/tasks/${id}/explain`);
    expect(body.summary).toMatch(/^Step 'under' waits for task \S+ \(middle\), whose step 'leaves/);
    expect(await leases()).toBe(2);
    expect((await platform.api.call('DELETE', `/api/v1/tasks/${id}`)).status).toBe(202);
    const task = await ended(id);
    expect(task.status).toBe('cancelled');
    for (const leaf of leaves) {
      const over = await ended(leaf.id);
      expect(over.status).toBe('cancelled');
      expect(Date.parse(over.ended_at ?? '')).toBeLessThanOrEqual(Date.parse(task.ended_at ?? ''));
    }
    await until(async () => ((await leases()) === 0 ? true : undefined), 'the leases to be closed');
  }, 120_000);

  it('fails when somebody cancels a child, and makes no other', async () => {
    const id = await submit('child-cancelled', { n: 1, delay_ms: 600_000 });
    const [leaf] = await leavesOf(id);
    await platform.api.call('DELETE', `/api/v1/tasks/${leaf?.id}`);
    expect(await ended(id)).toMatchObject({
      status: 'failed',
      error: { details: { cause: 'CHILD_TASK_CANCELLED' } },
    });
    expect(await childrenOf(id)).toHaveLength(1);
  }, 120_000);

  it('goes on without a child whose time is over', async () => {
    const id = await platform.api.submit({ template: 'hurried' }, 'hurried');
    expect(await ended(id)).toMatchObject({ status: 'completed', result: 'STEP_TIMED_OUT' });
    expect((await childrenOf(id)).map(({ status }) => status)).toEqual(['cancelled']);
  }, 120_000);

  it('keeps what a child gave when it runs again from a later step', async () => {
    const id = await submit('again', { n: 3 });
    await ended(id);
    const { body } = await platform.api.call<{ id: string }>('POST', `/api/v1/tasks/${id}/rerun`, {
      from_step: 'last',
    });
    expect(await ended(body.id)).toMatchObject({ status: 'completed', result: '1+2 of 3' });
    expect(await childrenOf(body.id)).toEqual([]);
  }, 120_000);

  it('is shown before it runs, with the graph of what it submits', async () => {
    const { stdout } = await cli('templates', 'render', 'outer', '-p', 'n=1');
    expect(stdout).toMatch(
      /under {2}task[\s\S]*middle {2}[\s\S]*leaves {2}task[\s\S]*leaf {2}\w+: wait, fail, say/,
    );
  }, 60_000);
});

describe('a scheduler that dies while children are submitted', () => {
  it('leaves one child for each step, and every task ends as it would have', async () => {
    const submitting = (async () => {
      const ids: string[] = [];
      for (let n = 0; n < TASKS; n += 1) ids.push(await submit(`dies-${n}`, { n }));
      return ids;
    })();
    for (let death = 0; death < DEATHS; death += 1) await platform.killAndWait('scheduler');
    for (const [n, id] of (await submitting).entries()) {
      expect(await ended(id)).toMatchObject({ status: 'completed', result: `1+2 of ${n}` });
      const children = await childrenOf(id);
      expect(children).toHaveLength(1);
      expect(await childrenOf(children[0]?.id ?? '')).toHaveLength(2);
    }
  }, 300_000);

  it('leaves a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
  }, 60_000);
});
