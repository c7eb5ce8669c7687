import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import addFormats from 'ajv-formats';
import { join } from 'node:path';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { ApiClient, until } from '../e2e/api-client.js';
import { TestPlatform } from './platform.js';

let simulator: OllamaSimulator;
let folder: string;
let platform: TestPlatform;
let api: ApiClient;
let isServerList: ValidateFunction;

beforeAll(async () => {
  simulator = await startOllamaSimulator({ timeScale: 20 });
  folder = await mkdtemp(join(tmpdir(), 'orchestra-servers-'));
  const file = join(folder, 'servers.yaml');
  await writeFile(file, `servers:\n  - { id: attic, url: '${simulator.url}', vram: 24GiB }\n`);
  platform = await TestPlatform.start({
    ORCHESTRA_SERVERS_FILE: file,
    ORCHESTRA_PROBE_EVERY_MS: '200',
    ORCHESTRA_LEASE_TTL_MS: '1000',
  });
  api = new ApiClient(platform.url);
  const { body } = await api.call<object>('GET', '/openapi.json');
  const ajv = new Ajv2020({ strict: false });
  addFormats.default(ajv);
  ajv.addSchema(body, 'openapi');
  isServerList = ajv.compile({ $ref: 'openapi#/components/schemas/ServerList' });
}, 60_000);

afterAll(async () => {
  await platform?.stop();
  await simulator?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

type Shown = {
  readonly id: string;
  readonly state: string;
  readonly foreign?: readonly unknown[];
} & Readonly<Record<string, unknown>>;

/** One of the servers; the list is checked against the schema that the OpenAPI document names for it. */
const shown = async (id: string): Promise<Shown | undefined> => {
  const { body } = await api.call<{ readonly items: readonly Shown[] }>('GET', '/api/v1/servers');
  if (!isServerList(body)) throw new Error(`not as documented: ${JSON.stringify(isServerList.errors)}`);
  return body.items.find((server) => server.id === id);
};

const isNow = async (id: string, state: string): Promise<void> => {
  await until(async () => ((await shown(id))?.state === state ? true : undefined), `${id} to be ${state}`);
};

const generate = async (key: string, tokens: number): Promise<string> =>
  await api.submit(
    {
      template: 'ollama-inference',
      parameters: { model: 'llama3.2:1b', prompt: key, options: { num_predict: tokens } },
    },
    key,
  );

describe('a server that is drained', () => {
  it('ends what it has begun, begins nothing, is empty then, and works on when it is resumed', async () => {
    const running = await generate('runs', 10_000);
    await until(async () => (simulator.state().activeGenerations > 0 ? true : undefined), 'tokens');
    const drained = await api.call<Shown>('POST', '/api/v1/servers/attic/drain');
    expect([drained.status, drained.body]).toMatchObject([
      200,
      { id: 'attic', state: 'draining', drain: { reason: 'asked by a client' } },
    ]);
    const waiting = await generate('waits', 5);
    expect((await api.ended(running)).status).toBe('completed');
    await isNow('attic', 'drained');
    expect(simulator.state().loaded).toEqual([]);
    const { body } = await api.call<{ summary: string }>('GET', `/api/v1/tasks/${waiting}/explain`);
    expect(body.summary).toContain('attic is drained');
    const resumed = await api.call<Shown>('POST', '/api/v1/servers/attic/resume');
    expect([resumed.status, resumed.body]).toMatchObject([200, { state: 'up', drain: null }]);
    expect((await api.ended(waiting)).status).toBe('completed');
  }, 60_000);

  it('stays drained when the allocator is started again', async () => {
    await api.call('POST', '/api/v1/servers/attic/drain');
    await isNow('attic', 'drained');
    await platform.stopService('gpu-allocator');
    await platform.startService('gpu-allocator');
    await isNow('attic', 'drained');
    await api.call('POST', '/api/v1/servers/attic/resume');
    await isNow('attic', 'up');
  }, 60_000);
});

describe('a model that somebody else has loaded', () => {
  const loadedByOthers = async (keepAlive: string, numCtx: number): Promise<void> => {
    const body = { model: 'llama3.2:1b', keep_alive: keepAlive, options: { num_ctx: numCtx } };
    await (
      await fetch(`${simulator.url}/api/generate`, { method: 'POST', body: JSON.stringify(body) })
    ).text();
    await until(
      async () => ((await shown('attic'))?.foreign?.length === 1 ? true : undefined),
      'the foreign model to be seen',
    );
  };

  it.each([
    ['with the options that we want', 4_096],
    ['with other options', 1_024],
  ])(
    '%s is told of, and is ours once a task needed it',
    async (_, numCtx) => {
      await loadedByOthers('10m', numCtx);
      expect(await shown('attic')).toMatchObject({
        foreign: [{ model: 'llama3.2:1b', bytes: expect.any(Number) }],
        residencies: [],
      });
      expect((await api.ended(await generate(`adopts-${numCtx}`, 5))).status).toBe('completed');
      expect(await shown('attic')).toMatchObject({
        foreign: [],
        residencies: [{ model: 'llama3.2:1b', state: 'loaded', options: { numCtx: 4096 } }],
      });
      expect(simulator.state().loaded).toMatchObject([{ model: 'llama3.2:1b', options: { num_ctx: 4096 } }]);
      // To stay, whatever the one who had loaded it wanted: only the drain takes it away.
      await api.call('POST', '/api/v1/servers/attic/drain');
      await isNow('attic', 'drained');
      expect(simulator.state().loaded).toEqual([]);
      await api.call('POST', '/api/v1/servers/attic/resume');
    },
    60_000,
  );
});

describe('a server that is added by the API', () => {
  const entry = () => ({ url: simulator.url, vram: '8GiB', labels: { room: 'cellar' } });

  it('works without a restart, outlives one, and is none of the business of the file', async () => {
    const added = await api.call<Shown>('PUT', '/api/v1/servers/cellar', entry());
    expect([added.status, added.body]).toMatchObject([
      201,
      { id: 'cellar', source: 'api', vram_bytes: 8 * 1024 ** 3, labels: { room: 'cellar' } },
    ]);
    await isNow('cellar', 'up');
    const again = await api.call<Shown>('PUT', '/api/v1/servers/cellar', { ...entry(), slots: 2 });
    expect([again.status, again.body['slots']]).toEqual([200, 2]);

    await writeFile(join(folder, 'servers.yaml'), 'servers: []\n');
    await until(async () => ((await shown('attic')) === undefined ? true : undefined), 'attic to go');
    expect((await api.ended(await generate('on-cellar', 5))).status).toBe('completed');
    await platform.stopService('gpu-allocator');
    await platform.startService('gpu-allocator');
    await isNow('cellar', 'up');
    expect(await shown('cellar')).toMatchObject({ source: 'api', slots: 2 });
  }, 60_000);

  it('is removed when it is drained, and not before', async () => {
    await api.ended(await generate('once-more', 5));
    const refused = await api.call<{ code: string }>('DELETE', '/api/v1/servers/cellar');
    expect([refused.status, refused.body.code]).toEqual([409, 'SERVER_IN_USE']);
    await api.call('POST', '/api/v1/servers/cellar/drain');
    await isNow('cellar', 'drained');
    expect((await api.call('DELETE', '/api/v1/servers/cellar')).status).toBe(204);
    expect(await shown('cellar')).toBeUndefined();
    expect(simulator.state().loaded).toEqual([]);
  }, 60_000);

  it('is checked by the rules of the file, and told every mistake', async () => {
    const { status, body } = await api.call<{ code: string; detail: string }>('PUT', '/api/v1/servers/cpu2', {
      url: 'nowhere',
      vram: 1,
    });
    expect([status, body]).toMatchObject([
      422,
      { errors: [{ path: 'url' }, { path: 'vram', accepted: expect.stringContaining('24GiB') }] },
    ]);
    const { status: taken } = await api.call('DELETE', '/api/v1/servers/nowhere');
    expect(taken).toBe(404);
  });
});
