import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { until } from './api-client.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';

/**
 * Goal: a list of 10,000 items costs no service much memory and no page much time, keeps its order, and survives the death of a scheduler.
 * Method: steps that do nothing over the five services as processes; peaks of memory as the kernel has them; then the log is audited.
 */
const ITEMS = 10_000;
const FEWER = 600;
const MEMORY_MAX_MIB = 400;
/** Of the pages that are measured. A page is asked for while the items run, and when they are over. */
const PAGES = 25;

const TEMPLATE = `
name: many
parameters: { list: { type: array, required: true } }
steps:
  - { id: each, type: noop, foreach: '{{ parameters.list }}', concurrency: 100, with: { echo: '{{ item }}' } }
  - { id: join, type: noop, with: { echo: "{{ steps.each.output.items | join: ' ' }}" } }
`;

let platform: RunningPlatform;
let templates: string;

beforeAll(async () => {
  templates = await mkdtemp(join(tmpdir(), 'orchestra-templates-'));
  await writeFile(join(templates, 'many.yaml'), TEMPLATE);
  platform = await RunningPlatform.start({ env: { ORCHESTRA_TEMPLATES_DIR: templates } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await rm(templates, { recursive: true, force: true });
}, 60_000);

const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);

const submit = async (count: number): Promise<string> =>
  await platform.api.submit({ template: 'many', parameters: { list: numbers(count) } }, `many-${count}`);

/** Most that each service has held in memory since it began, in MiB. */
const peaks = async (): Promise<ReadonlyMap<string, number>> => {
  const { services } = await platform.ready();
  const found = new Map<string, number>();
  for (const [service, { instance }] of Object.entries(services)) {
    const status = await readFile(`/proc/${instance.slice(service.length + 1)}/status`, 'utf8');
    found.set(service, Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1]) / 1024));
  }
  return found;
};

const itemsOf = (task: TaskView | undefined) => task?.steps[0]?.items;

/** Milliseconds that the task's page took, in the middle and at the worst. */
const pageTimes = async (id: string): Promise<{ readonly middle: number; readonly worst: number }> => {
  const times: number[] = [];
  for (let n = 0; n < PAGES; n += 1) {
    const from = performance.now();
    await platform.api.task(id);
    times.push(performance.now() - from);
  }
  times.sort((a, b) => a - b);
  return { middle: times[PAGES >> 1] ?? 0, worst: times.at(-1) ?? 0 };
};

const rounded = ({ middle, worst }: { middle: number; worst: number }): string =>
  `${middle.toFixed(0)} ms in the middle, ${worst.toFixed(0)} ms at the worst`;

const cli = async (...args: readonly string[]) => await orchestra(['--url', platform.api.url, ...args]).ended;

describe('10,000 items', () => {
  let id: string;

  it('are done, in their order, with little memory and quick pages', async () => {
    const from = performance.now();
    id = await submit(ITEMS);
    const under = await until(async () => {
      const { completed = 0 } = itemsOf(await platform.api.task(id)) ?? {};
      return completed > ITEMS / 4 ? await pageTimes(id) : undefined;
    }, 'a quarter of the items');
    const { status, result, steps } = await platform.api.ended(id);
    const seconds = (performance.now() - from) / 1000;
    expect([status, steps[0]?.items]).toEqual([
      'completed',
      { total: ITEMS, completed: ITEMS, failed: 0, running: 0 },
    ]);
    expect(result).toBe(numbers(ITEMS).join(' '));
    const memory = await peaks();
    const after = await pageTimes(id);
    process.stdout.write(
      `${ITEMS} items: ${seconds.toFixed(1)} s, ${(ITEMS / seconds).toFixed(0)} a second; page under way ${rounded(under)}, after ${rounded(after)}; ` +
        `most memory in MiB: ${[...memory].map(([service, mib]) => `${service} ${mib}`).join(', ')}\n`,
    );
    for (const [service, mib] of memory) expect([service, mib < MEMORY_MAX_MIB]).toEqual([service, true]);
  }, 240_000);

  it('are shown page by page, in their order', async () => {
    const shown: number[] = [];
    for (let after = ''; ;) {
      const { body } = await platform.api.call<{ items: { output: number }[]; next: string | null }>(
        'GET',
        `/api/v1/tasks/${id}/steps/each/items?page_size=200${after}`,
      );
      shown.push(...body.items.map(({ output }) => output));
      if (body.next === null) break;
      after = `&after=${body.next}`;
    }
    expect(shown).toEqual(numbers(ITEMS));
  }, 60_000);

  it('are no event of their own size: the largest is that of the submission', async () => {
    const { body } = await platform.api.call<{ items: { type: string; data: unknown }[] }>(
      'GET',
      `/api/v1/tasks/${id}/events?limit=1000`,
    );
    const sizes = body.items.slice(1).map(({ data }) => JSON.stringify(data).length);
    expect(Math.max(...sizes)).toBeLessThan(1_000);
  }, 60_000);
});

describe('items under a scheduler that dies', () => {
  it('are each done once, and in their order', async () => {
    const id = await submit(FEWER);
    for (const part of [0.1, 0.5]) {
      await until(async () => {
        const { completed = 0 } = itemsOf(await platform.api.task(id)) ?? {};
        return completed > FEWER * part || undefined;
      }, `${part} of the items`);
      await platform.killAndWait('scheduler');
    }
    const { status, result } = await platform.api.ended(id);
    expect([status, result]).toEqual(['completed', numbers(FEWER).join(' ')]);
  }, 240_000);

  it('leave a log that keeps every promise', async () => {
    const { code, stdout } = await cli('--json', 'verify', '--settled', '--data', platform.dataDir);
    const { findings, ...found } = JSON.parse(stdout) as { findings: unknown };
    expect([code, findings]).toEqual([0, []]);
    expect(found).toMatchObject({ tasks: { open: 0, over: 2 }, notChecked: [] });
  }, 60_000);
});
