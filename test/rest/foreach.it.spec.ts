import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

/** Goal: a step with `foreach` does over the real services what the README says of it. */
const TEMPLATES = {
  each: `
name: each
parameters: { list: { type: any, required: true }, fail: { type: object } }
steps:
  - { id: words, type: noop, with: { echo: '{{ parameters.list }}' } }
  - { id: shout, type: noop, foreach: '{{ steps.words.output }}', concurrency: 2, retry: { attempts_max: 2, backoff_ms: 0 }, with: { echo: { n: '{{ index }}', word: '{{ item | upcase }}' } } }
  - { id: tell, type: noop, with: { echo: '{{ steps.shout.output.items | map: "word" | join: "," }}' } }
`,
  brittle: `
name: brittle
parameters: { on_failure: { type: string, default: fail } }
steps:
  - { id: try, type: noop, foreach: [0, 3, 0], concurrency: 3, on_failure: continue, retry: { attempts_max: 2, backoff_ms: 0 }, with: { echo: '{{ index }}', fail: { code: MODEL_ERROR, times: '{{ item }}' } } }
  - { id: tell, type: noop, with: { echo: '{{ steps.try.output.failed }} of {{ steps.try.output.total }}: {{ steps.try.output.items[1].error.code }}' } }
`,
  stops: `
name: stops
steps:
  - { id: try, type: noop, foreach: [600000, 0, 600000], concurrency: 3, retry: { attempts_max: 1 }, with: { delay_ms: '{{ item }}', fail: { code: MODEL_NOT_FOUND } } }
`,
  large: `
name: large
parameters: { text: { type: string, required: true }, reads: { type: boolean, default: false } }
steps:
  - { id: many, type: noop, foreach: '{{ "a,b" | split: "," }}', with: { echo: '{{ parameters.text }}' } }
  - { id: count, type: noop, when: '{{ parameters.reads }}', with: { echo: '{{ steps.many.output.items | size }}' } }
  - { id: bytes, type: noop, with: { echo: '{{ steps.many.output.bytes }}' } }
`,
};

let platform: TestPlatform;
let client: RestClient;

beforeAll(async () => {
  platform = await TestPlatform.start();
  client = await RestClient.of(platform);
  for (const [name, text] of Object.entries(TEMPLATES)) {
    await writeFile(join(platform.folder, 'templates', `${name}.yaml`), text);
    while ((await client.call('GET', `/templates/${name}`)).status !== 200);
  }
}, 60_000);

afterAll(async () => {
  expect(platform?.failures).toEqual([]);
  await platform?.stop();
}, 60_000);

const ended = async (template: string, parameters: object = {}) =>
  await client.ended(await client.submit({ template, parameters }));
type Page = {
  readonly items: readonly Readonly<Record<string, unknown>>[];
  readonly counts: object;
  readonly next: string | null;
};
const items = async (id: string, step: string, query = ''): Promise<Page> => {
  const page = await client.call('GET', `/tasks/${id}/steps/${step}/items${query}`);
  client.fits(page, 'ItemPage');
  return page.json as Page;
};

describe('a step with foreach', () => {
  it('runs once for each item and gives their outputs in the order of the list', async () => {
    const task = await ended('each', { list: ['a', 'b', 'c', 'd', 'e'] });
    expect(task).toMatchObject({ status: 'completed', result: 'A,B,C,D,E' });
    expect(task.steps[1]).toMatchObject({
      status: 'completed',
      output: null,
      items: { total: 5, completed: 5, failed: 0, running: 0 },
    });
    expect(task.attempts.map(({ step_id }) => step_id)).toEqual(['words', 'tell']);
  });

  it('shows its items page by page', async () => {
    const { id } = await ended('each', { list: ['a', 'b', 'c'] });
    const first = await items(id, 'shout', '?page_size=2');
    expect(first.items.map(({ index, output }) => [index, output])).toEqual([
      [0, { n: 0, word: 'A' }],
      [1, { n: 1, word: 'B' }],
    ]);
    const second = await items(id, 'shout', `?page_size=2&after=${first.next}`);
    expect(second).toMatchObject({ items: [{ index: 2, status: 'completed', attempts: 1 }], next: null });
    expect((await items(id, 'shout', '?status=failed')).items).toEqual([]);
    const unknown = await client.call('GET', `/tasks/${id}/steps/other/items`);
    expect(unknown.json).toMatchObject({ code: 'VALIDATION_FAILED', detail: expect.stringMatching(/shout/) });
  });

  it('is done at once without items', async () => {
    const task = await ended('each', { list: [] });
    expect(task).toMatchObject({ status: 'completed', result: '', steps: [{}, { items: { total: 0 } }, {}] });
  });

  it.each([
    ['no list', 'a text', /steps\.shout\.foreach: gives 'a text'; expected a list/],
    ['more items than are accepted', Array(10_001).fill(0), /gives 10001 items; up to 10000 are accepted/],
  ])('fails its task for %s, and says so', async (_, list, message) => {
    const task = await ended('each', { list });
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'STEP_INPUT_INVALID', message: expect.stringMatching(message) },
    });
  });
});

describe('an item that fails', () => {
  it('is tried again, and then leaves its error in its place where the step may fail', async () => {
    const task = await ended('brittle');
    expect(task).toMatchObject({ status: 'completed', result: '1 of 3: MODEL_ERROR' });
    expect(task.steps[0]).toMatchObject({ items: { total: 3, completed: 2, failed: 1, running: 0 } });
    const failed = await items(task.id, 'try', '?status=failed');
    expect(failed.items).toMatchObject([{ index: 1, attempts: 2, error: { code: 'MODEL_ERROR' } }]);
  });

  it('fails the step otherwise, and the items that run are stopped', async () => {
    const task = await ended('stops');
    expect(task).toMatchObject({
      status: 'failed',
      error: { code: 'MODEL_NOT_FOUND' },
      last_error: { step_id: 'try[1]', attempt: 1 },
      steps: [{ status: 'failed', items: { total: 3, completed: 0, failed: 1, running: 0 } }],
    });
    const { items: shown } = await items(task.id, 'try');
    expect(shown.map(({ status }) => status)).toEqual(['cancelled', 'failed', 'cancelled']);
  });
});

describe('outputs of items that are more than expressions may read', () => {
  const text = '0123456789'.repeat(15_000);

  it('are counted, and are in the pages of the items', async () => {
    const task = await ended('large', { text });
    expect(task).toMatchObject({ status: 'completed', result: expect.any(Number) });
    expect(task.result).toBeGreaterThan(300_000);
    const { items: shown } = await items(task.id, 'many');
    expect(shown.map(({ output }) => (output as string).length)).toEqual([150_000, 150_000]);
  });

  it('fail what reads them, with their size and the limit', async () => {
    expect(await ended('large', { text, reads: true })).toMatchObject({
      status: 'failed',
      error: {
        code: 'OUTPUT_TOO_LARGE',
        message: expect.stringMatching(
          /the 2 items of step 'many' have 3000\d\d bytes .* up to 262144 can be read/,
        ),
      },
    });
  });
});
