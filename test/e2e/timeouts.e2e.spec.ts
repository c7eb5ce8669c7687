import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: an attempt that runs out of time gives its slot back only when the server is free, and does not make the server suspect.
 * Method: generations that are too long, that hang, and whose server does not notice that nobody listens any more; then the log is audited.
 */
const TEMPLATE = `
name: limited
parameters: { tokens: { type: integer, required: true }, prompt: { type: string, required: true } }
steps:
  - id: generate
    type: ollama_generate
    timeout: 2s
    no_progress: 1.5s
    retry: { attempts_max: 1 }
    with: { model: 'llama3.2:1b', prompt: '{{ parameters.prompt }}', options: { num_predict: '{{ parameters.tokens }}' } }
`;

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;
let templates: string;

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  await writeFile(join(templates, 'limited.yaml'), TEMPLATE);
  simulator = await startOllamaSimulator({ parallel: 1 });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 1, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers, env: { ORCHESTRA_TEMPLATES_DIR: templates } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const generate = async (prompt: string, tokens: number): Promise<string> =>
  await platform.api.submit(
    { template: 'limited', parameters: { prompt, tokens } },
    `limited-${prompt.replaceAll(' ', '-')}`,
  );

type Server = { readonly id: string; readonly state: string; readonly leases: readonly unknown[] };

const server = async (): Promise<Server> => {
  const { body } = await platform.api.call<{ readonly items: readonly Server[] }>('GET', '/api/v1/servers');
  const found = body.items.find(({ id }) => id === 'sim');
  if (!found) throw new Error('the server is not in the inventory');
  return found;
};

const timedOut = (task: TaskView, limit: string, confirmed: boolean): void =>
  expect(task).toMatchObject({
    status: 'failed',
    error: { code: 'STEP_TIMED_OUT', details: { limit, confirmed } },
    attempts: [{ outcome: 'failed' }],
  });

describe('an attempt that runs out of time', () => {
  it('is over when the server has stopped, and the slot is free for the next', async () => {
    const long = await generate('a very long story', 100_000);
    timedOut(await platform.api.ended(long), 'timeoutMs', true);
    expect(simulator.state()).toMatchObject({ activeGenerations: 0, abandoned: 1 });
    await until(
      async () => ((await server()).leases.length === 0 ? true : undefined),
      'the lease to be closed',
    );
    expect((await server()).state).toBe('up');
    expect((await platform.api.ended(await generate('a short one', 5))).status).toBe('completed');
  }, 120_000);

  it('by silence leaves the server in use: it was the template that was impatient', async () => {
    simulator.setFault({ kind: 'hang', afterTokens: 3 });
    timedOut(await platform.api.ended(await generate('a story that stops', 50)), 'noProgressMs', true);
    expect((await server()).state).toBe('up');
    expect((await platform.api.ended(await generate('another short one', 5))).status).toBe('completed');
  }, 120_000);

  it('keeps its slot while the server goes on, until the model was unloaded', async () => {
    simulator.setFault({ kind: 'deaf' });
    const { unloads } = simulator.state();
    const deaf = await generate('a story that nobody can stop', 3_000);
    const next = await generate('after the story', 5);
    timedOut(await platform.api.ended(deaf), 'timeoutMs', false);
    const after = await platform.api.ended(next);
    expect(after.status).toBe('completed');
    expect(simulator.state().unloads).toBe(unloads + 1);
  }, 120_000);

  it('leaves a log that keeps every promise', async () => {
    await until(
      async () => ((await server()).leases.length === 0 ? true : undefined),
      'all leases to be closed',
    );
    const args = ['--json', 'verify', '--settled', '--data', platform.dataDir];
    const { code, stdout } = await orchestra(args).ended;
    expect([code, (JSON.parse(stdout) as { findings: unknown }).findings]).toEqual([0, []]);
  }, 60_000);
});
