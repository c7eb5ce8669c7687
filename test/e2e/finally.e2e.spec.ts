import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: the steps under `finally` run after a script that fails, after a cancel in its middle, and whenever the scheduler dies; and they see what came.
 * Method: each of these, with a receiver outside that is told how the task ended; then the log is audited.
 */
const TEMPLATE = `
name: ends
parameters:
  url: { type: string, required: true }
  n: { type: integer, required: true }
  seconds: { type: string, default: '0' }
  code: { type: string, default: '0' }
  end_ms: { type: integer, default: 0 }
steps:
  - { id: note, type: write_file, with: { path: note.txt, text: 'note {{ parameters.n }}' } }
  - id: work
    type: execute_script
    retry: { attempts_max: 1 }
    with: { interpreter: bash, script: 'sleep "$1"; exit "$2"', args: ['{{ parameters.seconds }}', '{{ parameters.code }}'] }
finally:
  - { id: read, type: read_files, with: { paths: [note.txt] } }
  - id: report
    type: http_request
    with:
      url: '{{ parameters.url }}'
      json: { n: '{{ parameters.n }}', status: '{{ task.status }}', why: '{{ task.error.code }}', step: '{{ task.error.step }}', work: '{{ steps.work.status }}', note: '{{ steps.read.output.files[0].text }}' }
  - { id: rest, type: noop, with: { delay_ms: '{{ parameters.end_ms }}' } }
finally_timeout: 2m
output: '{{ steps.work.output.exit_code }}'
`;
const TASKS = 30;
const DEATHS = 3;

let platform: RunningPlatform;
let templates: string;
let receiver: Server;
let url: string;
const reports: { readonly n: number; readonly status: string }[] = [];

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  await writeFile(join(templates, 'ends.yaml'), TEMPLATE);
  receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => {
      reports.push(JSON.parse(body) as (typeof reports)[number]);
      response.end();
    });
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  const env = {
    ORCHESTRA_TEMPLATES_DIR: templates,
    ORCHESTRA_HTTP_ALLOW: '127.0.0.1:*',
    ORCHESTRA_UNSANDBOXED: 'allow',
  };
  platform = await RunningPlatform.start({ env });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  receiver?.close();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const submit = async (n: number, parameters: object = {}): Promise<string> =>
  await platform.api.submit({ template: 'ends', parameters: { url, n, ...parameters } }, `ends-${n}`);
const cancel = async (id: string, query = '') =>
  await platform.api.call<TaskView>('DELETE', `/api/v1/tasks/${id}${query}`);
const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;
const seen = async (id: string, what: string, is: (task: TaskView) => boolean): Promise<TaskView> =>
  await until(async () => {
    const task = await platform.api.task(id);
    return task && is(task) ? task : undefined;
  }, what);
const statusOf = ({ steps }: TaskView, stepId: string) => steps.find(({ id }) => id === stepId)?.status;
const reportsOf = (n: number) => reports.filter((report) => report.n === n);

describe('steps under finally', () => {
  it('run after a script that fails, know why, and have its files; the task keeps its error', async () => {
    const task = await platform.api.ended(await submit(1, { code: '3' }));
    expect([task.status, task.error?.code, task.result]).toEqual(['failed', 'SCRIPT_FAILED', null]);
    expect(task.last_error).toMatchObject({ code: 'SCRIPT_FAILED', step_id: 'work' });
    expect(task.steps.map(({ id, status, finally: atEnd }) => [id, status, atEnd])).toEqual([
      ['note', 'completed', false],
      ['work', 'failed', false],
      ['read', 'completed', true],
      ['report', 'completed', true],
      ['rest', 'completed', true],
    ]);
    expect(reportsOf(1)).toEqual([
      { n: 1, status: 'failed', why: 'SCRIPT_FAILED', step: 'work', work: 'failed', note: 'note 1' },
    ]);
  }, 60_000);

  it('run after a cancel in the middle of a script', async () => {
    const id = await submit(2, { seconds: '600' });
    await seen(id, 'the script to run', (task) => statusOf(task, 'work') === 'running');
    expect((await cancel(id)).status).toBe(202);
    const task = await platform.api.ended(id);
    expect([task.status, statusOf(task, 'work'), statusOf(task, 'report')]).toEqual([
      'cancelled',
      'cancelled',
      'completed',
    ]);
    expect(reportsOf(2)).toMatchObject([{ status: 'cancelled', work: 'cancelled', note: 'note 2' }]);
  }, 60_000);

  it('are not ended by a second cancel, and are by force', async () => {
    const id = await submit(3, { seconds: '600', end_ms: 600_000 });
    await seen(id, 'the script to run', (task) => statusOf(task, 'work') === 'running');
    await cancel(id);
    const finishing = await seen(id, 'the last step', (task) => statusOf(task, 'rest') === 'running');
    expect([finishing.status, finishing.finishing?.status]).toEqual(['running', 'cancelled']);
    expect((await cancel(id)).body).toMatchObject({ status: 'running', finishing: { status: 'cancelled' } });
    expect((await cli('explain', id)).stdout).toMatch(/rest.*runs on/);
    const { code, stdout } = await cli('cancel', '--force', id);
    expect([code, stdout]).toEqual([0, expect.stringContaining('cancelled')]);
    expect(statusOf(await platform.api.ended(id), 'rest')).toBe('cancelled');
    expect((await cli('logs', id)).stdout).toMatch(/task\.cancelled.*cut short, as asked/);
  }, 60_000);

  it('run once all others have ended, whenever the scheduler dies', async () => {
    const ids = await Promise.all(
      Array.from(
        { length: TASKS },
        async (_, n) => [n + 10, await submit(n + 10, { code: String(n % 2) })] as const,
      ),
    );
    for (let death = 0; death < DEATHS; death += 1) await platform.killAndWait('scheduler');
    for (const [n, id] of ids) {
      const { status, result } = await platform.api.ended(id);
      expect([n, status, result]).toEqual([n, n % 2 === 0 ? 'completed' : 'failed', n % 2 === 0 ? 0 : null]);
      // An attempt that is lost with its lease is made again.
      expect(new Set(reportsOf(n).map((report) => report.status))).toEqual(new Set([status]));
    }
  }, 240_000);

  it('run again in a rerun', async () => {
    const id = await submit(4, { code: '1' });
    await platform.api.ended(id);
    const { stdout } = await cli('--json', 'rerun', id, '--from', 'work');
    const again = (JSON.parse(stdout) as { readonly id: string }).id;
    const task = await platform.api.ended(again);
    expect([task.status, statusOf(task, 'note'), statusOf(task, 'report')]).toEqual([
      'failed',
      'kept',
      'completed',
    ]);
    expect(reportsOf(4)).toHaveLength(2);
  }, 60_000);

  it('leave a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings, ...found } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
    expect(found).toMatchObject({ tasks: { open: 0, over: TASKS + 5 }, notChecked: [] });
  }, 60_000);
});
