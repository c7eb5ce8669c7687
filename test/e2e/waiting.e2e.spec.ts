import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdtemp, copyFile, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: what waits for a time or for people outlives every death of the scheduler, ends once, and the shipped template with a review does what it says.
 * Method: the scheduler is killed while steps wait and while many people answer at once; then the log is audited.
 */
const TEMPLATE = `
name: waits
parameters: { for: { type: string, required: true } }
steps:
  - { id: pause, type: delay, with: { for: '{{ parameters.for }}' } }
  - { id: ask, type: approval, needs: [], with: { message: 'Go on?', assignees: [ada], remind_every: 2s } }
  - { id: tell, type: noop, needs: [pause, ask], with: { echo: '{{ steps.ask.output.by }}' } }
`;

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;
let templates: string;
let webhook: Server;
const published: unknown[] = [];

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  await writeFile(join(templates, 'waits.yaml'), TEMPLATE);
  await copyFile('templates/human-reviewed-report.yaml', join(templates, 'human-reviewed-report.yaml'));
  webhook = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8');
    request.on('data', (part: string) => (body += part));
    request.on('end', () => {
      published.push(JSON.parse(body));
      response.end();
    });
  });
  webhook.listen(0, '127.0.0.1');
  await once(webhook, 'listening');
  simulator = await startOllamaSimulator({ parallel: 1 });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 1, device: gpu }\n`;
  const env = { ORCHESTRA_TEMPLATES_DIR: templates, ORCHESTRA_HTTP_ALLOW: '127.0.0.1:*' };
  platform = await RunningPlatform.start({ servers, env });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
  webhook?.close();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const waiting = async (id: string) =>
  await until(async () => {
    const task = await platform.api.task(id);
    return task?.status === 'waiting' ? task : undefined;
  }, `${id} to wait`);
const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;
/** Asked again while nobody leads. */
const answer = async (id: string, by: string): Promise<number> =>
  await until(async () => {
    const path = `/api/v1/tasks/${id}/steps/ask/answer`;
    const { status } = await platform.api.call('POST', path, { by, decision: 'approve' });
    return status === 200 || status === 409 ? status : undefined;
  });

describe('steps that wait under a scheduler that dies', () => {
  it('go on waiting, end at their time, and take one answer', async () => {
    const id = await platform.api.submit({ template: 'waits', parameters: { for: '8s' } }, 'waits-1');
    const { steps } = await waiting(id);
    const until8s = Date.parse(steps[0]?.waiting?.until ?? '');
    await platform.killAndWait('scheduler');
    expect((await platform.api.task(id))?.steps.map(({ status }) => status)).toEqual([
      'waiting',
      'waiting',
      'pending',
    ]);
    await Promise.all([
      platform.killAndWait('scheduler'),
      ...Array.from({ length: 8 }, (_, n) => answer(id, `person-${n}`)),
    ]);
    const ended = await platform.api.ended(id);
    expect(ended.status).toBe('completed');
    const [pause, ask] = ended.steps;
    expect(ended.result).toBe(ask?.waiting?.answered_by);
    expect(pause?.waiting?.until).toBe(steps[0]?.waiting?.until);
    expect(Date.parse(ended.attempts[0]?.dispatched_at ?? '')).toBeGreaterThanOrEqual(until8s);
    const { body } = await platform.api.call<{ items: { type: string }[] }>(
      'GET',
      `/api/v1/tasks/${id}/events`,
    );
    const types = body.items.map(({ type }) => type);
    expect(types.filter((type) => type === 'step.answered')).toHaveLength(1);
    expect(types.filter((type) => type === 'step.waiting')).toHaveLength(2);
  }, 240_000);

  it('are listed, answered and told on the command line', async () => {
    const id = await platform.api.submit({ template: 'waits', parameters: { for: '100ms' } }, 'waits-2');
    await waiting(id);
    await until(async () =>
      (await cli('inbox', '--assignee', 'ada')).stdout.includes(id) ? true : undefined,
    );
    const { code, stdout } = await cli('--json', 'answer', id, 'ask', '--approve', '--by', 'grace');
    expect([code, (JSON.parse(stdout) as { id: string }).id]).toEqual([0, id]);
    expect(await platform.api.ended(id)).toMatchObject({ status: 'completed', result: 'grace' });
    const late = await cli('answer', id, 'ask', '--reject', '--by', 'eve');
    expect([late.code, late.stderr]).toEqual([4, expect.stringContaining('was answered by grace at ')]);
    expect((await cli('logs', id)).stdout).toMatch(/step\.answered {2}ask: approve by grace/);
  }, 120_000);
});

describe('the report that a person reviews', () => {
  it('is drafted, edited, approved by a link, and sent', async () => {
    const { port } = webhook.address() as AddressInfo;
    const parameters = {
      model: 'llama3.2:1b',
      topic: 'rivers',
      reviewers: ['ada'],
      webhook: `http://127.0.0.1:${port}/hook`,
    };
    const id = await platform.api.submit({ template: 'human-reviewed-report', parameters }, 'report-1');
    await waiting(id);
    const path = `/api/v1/tasks/${id}/steps/review/link`;
    const { body } = await platform.api.call<{ url: string }>('POST', path, { by: 'ada' });
    expect(await (await fetch(body.url)).text()).toContain('May this report about rivers be sent?');
    const form = new URLSearchParams({ choice: 'approve', text: 'Rivers are long.', comment: 'shorter' });
    expect((await fetch(body.url, { method: 'POST', body: form })).status).toBe(200);
    expect(await platform.api.ended(id)).toMatchObject({
      status: 'completed',
      result: {
        decision: 'approved',
        by: 'ada',
        comment: 'shorter',
        report: 'Rivers are long.',
        published: 'completed',
      },
    });
    expect(published).toEqual([{ topic: 'rivers', report: 'Rivers are long.', approved_by: 'ada' }]);
    // The key of links is the owner's alone, and the address of one stands in no log of the gateway.
    expect((await stat(join(platform.dataDir, 'keys', 'answer-links.key'))).mode & 0o777).toBe(0o600);
    const token = body.url.split('/').at(-1) ?? '';
    expect(await readFile(join(platform.dataDir, 'logs', 'gateway.log'), 'utf8')).not.toContain(token);
  }, 120_000);

  it('is not sent when it is rejected, and the log keeps every promise', async () => {
    const parameters = { model: 'llama3.2:1b', topic: 'lakes', webhook: 'http://127.0.0.1:1/' };
    const id = await platform.api.submit({ template: 'human-reviewed-report', parameters }, 'report-2');
    await waiting(id);
    expect((await cli('answer', id, 'review', '--reject', '--by', 'ada')).code).toBe(0);
    expect(await platform.api.ended(id)).toMatchObject({
      status: 'completed',
      result: { decision: 'rejected', published: 'skipped' },
    });
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
  }, 120_000);
});
