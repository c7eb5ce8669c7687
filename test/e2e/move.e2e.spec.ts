import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ parallel: 1 });
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 1, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
}, 60_000);

const generate = async (prompt: string, tokens: number): Promise<string> =>
  await platform.api.submit(
    {
      template: 'ollama-inference',
      parameters: { model: 'llama3.2:1b', prompt, options: { num_predict: tokens } },
    },
    `move-${prompt.replaceAll(' ', '-')}`,
  );

const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;

type Queue = { readonly next: readonly { readonly task_id: string }[] };

describe('five tasks behind one that has the only slot', () => {
  it('start in exactly the order into which people move them, also after the scheduler has died', async () => {
    const busy = await generate('holding the slot', 100_000);
    await until(
      async () => (simulator.state().activeGenerations === 1 ? true : undefined),
      'the generation to begin',
    );
    const ids: string[] = [];
    for (const name of ['one', 'two', 'three', 'four', 'five']) ids.push(await generate(name, 5));
    const [one = '', two = '', three = '', four = '', five = ''] = ids;

    const moved = await cli('move', five, '--front', '--reason', 'the demo', '--by', 'ada');
    expect([moved.code, moved.stderr]).toEqual([0, '']);
    expect(moved.stdout).toMatch(/moved {6}to the front by ada at .*: the demo/);
    expect((await cli('move', one, '--back')).code).toBe(0);
    await platform.killAndWait('scheduler');
    // Stored until the next scheduler leads, which then decides from a book that knows the moves before.
    expect((await cli('move', four, '--before', two)).code).toBe(0);
    await until(async () => (await platform.api.task(four))?.moved ?? undefined, 'the move to be decided');
    expect((await cli('move', three, '--after', five)).code).toBe(0);
    const wanted = [five, three, four, two, one];

    const { body } = await platform.api.call<Queue>('GET', '/api/v1/queue');
    expect(body.next.map((step) => step.task_id)).toEqual(wanted);
    const { stdout: explained } = await cli('explain', three);
    expect(explained).toContain(`It was moved after ${five} by `);
    const { stdout: logged } = await cli('logs', five);
    expect(logged).toContain('task.moved  to the front by ada: the demo');

    await platform.api.call('DELETE', `/api/v1/tasks/${busy}`);
    const ended: TaskView[] = [];
    for (const id of wanted) ended.push(await platform.api.ended(id));
    expect(ended.map(({ status }) => status)).toEqual(wanted.map(() => 'completed'));
    const started = ended.toSorted((a, b) => Date.parse(a.started_at ?? '') - Date.parse(b.started_at ?? ''));
    expect(started.map(({ id }) => id)).toEqual(wanted);
  }, 180_000);

  it('are not moved where the command line names no place, and a refusal says what is wrong', async () => {
    const usage = await cli('move', 'abc');
    expect([usage.code, usage.stderr]).toEqual([2, expect.stringContaining('--before <id>')]);
    const unknown = await cli('move', 'nobody', '--front');
    expect([unknown.code, unknown.stderr]).toEqual([3, expect.stringContaining("'nobody'")]);
  }, 60_000);

  it('leave a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    expect([code, (JSON.parse(stdout) as { findings: unknown }).findings]).toEqual([0, []]);
  }, 60_000);
});
