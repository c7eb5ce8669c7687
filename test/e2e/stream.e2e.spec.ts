import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startOllamaSimulator } from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { SseClient, type SseEvent } from '../rest/sse-client.js';
import { until } from './api-client.js';
import { RunningPlatform } from './running-platform.js';

let simulator: Awaited<ReturnType<typeof startOllamaSimulator>>;
let platform: RunningPlatform;
let templatesDir: string;

beforeAll(async () => {
  simulator = await startOllamaSimulator();
  templatesDir = await mkdtemp(join(tmpdir(), 'orchestra-e2e-templates-'));
  await cp('templates', templatesDir, { recursive: true });
  await writeTemplate('old');
  const servers = `servers:\n  - { id: sim, url: '${simulator.url}', vram: 24GiB, slots: 1, device: gpu }\n`;
  platform = await RunningPlatform.start({ servers, env: { ORCHESTRA_TEMPLATES_DIR: templatesDir } });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
  await rm(templatesDir, { recursive: true, force: true });
}, 60_000);

const END = 'task.completed';

const open = async (id: string, lastEventId = '0'): Promise<SseClient> =>
  await SseClient.open(`${platform.api.url}/api/v1/tasks/${id}/stream`, { 'last-event-id': lastEventId });

const generate = async (key: string, tokens: number, depends_on: readonly string[] = []): Promise<string> =>
  await platform.api.submit(
    {
      template: 'ollama-inference',
      depends_on,
      parameters: { model: 'llama3.2:1b', prompt: key, options: { num_predict: tokens } },
    },
    `stream-${key}`,
  );

/** Sequences of the facts among what was read. */
const seqs = (events: readonly SseEvent[]): readonly number[] =>
  events.flatMap(({ id }) => (id === null ? [] : [Number(id)]));

type History = { readonly items: readonly { readonly seq: number; readonly type: string }[] };

const history = async (id: string): Promise<History['items']> =>
  (await platform.api.call<History>('GET', `/api/v1/tasks/${id}/events`)).body.items;

/** Comes back with its last id whenever the stream breaks, until it has the end of the task. */
class ComingBack {
  readonly events: SseEvent[] = [];
  #current: SseClient | undefined;

  async readToEnd(id: string): Promise<void> {
    await until(async () => {
      const lastEventId = this.events.findLast((event) => event.id !== null)?.id ?? '0';
      this.#current = await open(id, lastEventId);
      this.events.push(...(await this.#current.all()));
      return this.events.at(-1)?.event === END ? true : undefined;
    }, 'the end of the stream');
  }

  /** Resolves once tokens of this attempt came, on whatever connection is open then. */
  async tokensOf(attempt: number): Promise<void> {
    const fits = ({ event, data }: SseEvent): boolean =>
      event === 'token' && (data as { attempt: number }).attempt === attempt;
    await until(
      async () => (this.#current?.events.some(fits) ? true : undefined),
      `tokens of attempt ${attempt}`,
    );
  }
}

describe('the stream of a task that generates', () => {
  it('has every token of the answer in order, every fact once, and ends with the task', async () => {
    const before = await platform.api.submit(
      { template: 'noop', parameters: { delay_ms: 500 } },
      'stream-before',
    );
    const id = await generate('whole', 200, [before]);
    const stream = await open(id);
    await stream.until(({ event }) => event === 'task.submitted');
    expect(stream.events.map(({ event }) => event)).toEqual(['task.submitted']);
    const events = await stream.all();
    expect(events.at(-1)?.event).toBe(END);
    expect(seqs(events)).toEqual((await history(id)).map(({ seq }) => seq));
    const tokens = events.filter(({ event }) => event === 'token').map(({ data }) => data);
    const text = tokens.map((data) => (data as { text: string }).text).join('');
    expect((await platform.api.ended(id)).result).toMatchObject({ text });
    expect(text).not.toBe('');
  }, 120_000);

  it('is taken up behind the last fact by a reader that left in mid-generation', async () => {
    const id = await generate('left', 1_500);
    const first = await open(id);
    await first.until(({ event }) => event === 'token');
    first.close();
    const seen = seqs(await first.all());
    const second = await open(id, String(seen.at(-1)));
    await second.until(({ event }) => event === 'token');
    const rest = await second.all();
    expect(rest.at(-1)?.event).toBe(END);
    expect([...seen, ...seqs(rest)]).toEqual((await history(id)).map(({ seq }) => seq));
    const nothing = await open(id, String(seqs(rest).at(-1)));
    expect(nothing.status).toBe(204);
    expect(await nothing.all()).toEqual([]);
  }, 120_000);

  it('neither repeats nor misses a fact when executor, scheduler and gateway die under it', async () => {
    const id = await generate('broken', 3_000);
    const reader = new ComingBack();
    const reading = reader.readToEnd(id);
    await reader.tokensOf(1);
    await platform.killAndWait('executor');
    await reader.tokensOf(2);
    await platform.killAndWait('gateway');
    await platform.killAndWait('scheduler');
    await reading;
    const facts = await history(id);
    expect(seqs(reader.events)).toEqual(facts.map(({ seq }) => seq));
    expect(facts.filter(({ type }) => type === 'step.dispatched').length).toBeGreaterThanOrEqual(2);
    expect(facts.filter(({ type }) => type === END)).toHaveLength(1);
  }, 180_000);
});

type TemplateList = {
  readonly items: readonly { readonly name: string; readonly version: string }[];
  readonly problems: readonly { readonly file: string }[];
};

const templates = async (): Promise<TemplateList> =>
  (await platform.api.call<TemplateList>('GET', '/api/v1/templates')).body;

const versionNow = async (): Promise<string | undefined> =>
  (await templates()).items.find(({ name }) => name === 'pinned')?.version;

const writeTemplate = async (word: string): Promise<void> =>
  await writeFile(
    join(templatesDir, 'pinned.yaml'),
    `name: pinned
parameters:
  delay_ms: { type: integer, required: true }
steps:
  - { id: wait, type: noop, with: { delay_ms: '{{ parameters.delay_ms }}', echo: waited } }
  - { id: say, type: noop, with: { echo: '${word} {{ steps.wait.output }}' } }
`,
  );

describe('a template that is changed while tasks run', () => {
  it('is used by new tasks, while those that began with the old one end with it, over a restart too', async () => {
    const old = await versionNow();
    expect(old).toBeDefined();
    const submit = async (delay_ms: number, key: string): Promise<string> =>
      await platform.api.submit({ template: 'pinned', parameters: { delay_ms } }, `template-${key}`);
    const running = await submit(10_000, 'running');
    await until(async () => ((await platform.api.task(running))?.status === 'running' ? true : undefined));

    await writeTemplate('new');
    const now = await until(async () => {
      const version = await versionNow();
      return version === old ? undefined : version;
    }, 'the changed file to be picked up');
    const later = await platform.api.ended(await submit(0, 'later'));
    expect(later.template.version).toBe(now);
    expect(later.result).toBe('new waited');

    await platform.killAndWait('scheduler');
    expect((await platform.api.task(running))?.steps.map(({ status }) => status)).toEqual([
      'running',
      'pending',
    ]);
    const ended = await platform.api.ended(running);
    expect(ended.template.version).toBe(old);
    expect(ended.result).toBe('old waited');
  }, 120_000);

  it('keeps its last good version while the file has a mistake, and says so', async () => {
    const good = await versionNow();
    await writeFile(join(templatesDir, 'pinned.yaml'), 'name: pinned\nsteps: nothing\n');
    await until(async () => ((await templates()).problems.length > 0 ? true : undefined), 'the mistake');
    expect(await versionNow()).toBe(good);
    const task = await platform.api.ended(
      await platform.api.submit({ template: 'pinned', parameters: { delay_ms: 0 } }, 'template-mistake'),
    );
    expect(task.result).toBe('new waited');
  }, 120_000);
});
