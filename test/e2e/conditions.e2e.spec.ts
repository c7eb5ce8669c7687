import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: conditions are decided once and the same, and failures that a task survives end it as they should, whenever the scheduler dies.
 * Method: tasks whose steps are left out, abandoned and run are submitted while the scheduler is killed again and again; then the
 * log is audited.
 */
const TASKS = 200;
const DEATHS = 3;

const TEMPLATE = `
name: branches
parameters: { n: { type: integer, required: true } }
steps:
  - { id: source, type: noop, with: { echo: '{{ parameters.n | modulo: 4 }}' } }
  - { id: may, type: noop, on_failure: continue, retry: { attempts_max: 1 }, when: '{{ steps.source.output > 0 }}', with: { echo: done, fail: { code: MODEL_ERROR, times: '{{ steps.source.output | minus: 1 }}' } } }
  - { id: mend, type: noop, when: "{{ steps.may.status == 'failed' }}", with: { echo: mended } }
  - { id: last, type: noop, when: '{{ steps.source.output != 3 }}', with: { echo: last } }
output: '{{ steps.may.status }} {{ steps.mend.status }} {{ steps.last.status }}'
`;
/** By the remainder of a task's number. */
const RESULTS = [
  'skipped skipped completed',
  'completed skipped completed',
  'failed completed completed',
  'failed completed skipped',
];

let platform: RunningPlatform;
let templates: string;

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  await writeFile(join(templates, 'branches.yaml'), TEMPLATE);
  platform = await RunningPlatform.start({ env: { ORCHESTRA_TEMPLATES_DIR: templates } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const submit = async (n: number): Promise<string> =>
  await platform.api.submit({ template: 'branches', parameters: { n } }, `branches-${n}`);

const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;

describe('conditions under a scheduler that dies', () => {
  it('are decided for every task, and each ends as its template says', async () => {
    const submitting = (async () => {
      const ids: string[] = [];
      for (let n = 0; n < TASKS; n += 1) ids.push(await submit(n));
      return ids;
    })();
    for (let death = 0; death < DEATHS; death += 1) await platform.killAndWait('scheduler');
    for (const [n, id] of (await submitting).entries()) {
      const { status, result } = await platform.api.ended(id);
      expect([n, status, result]).toEqual([n, 'completed', RESULTS[n % RESULTS.length]]);
    }
  }, 240_000);

  it('leave a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings, ...found } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
    expect(found).toMatchObject({ tasks: { open: 0, over: TASKS }, notChecked: [] });
  }, 60_000);

  it('are told in the history of a task', async () => {
    const { stdout } = await cli('logs', await submit(3));
    expect(stdout).toMatch(/step\.admitted {2}may/);
    expect(stdout).toMatch(/step\.abandoned {2}may #1: MODEL_ERROR: .*; the task goes on/);
    expect(stdout).toMatch(/task\.completed {2}last left out/);
  }, 60_000);
});
