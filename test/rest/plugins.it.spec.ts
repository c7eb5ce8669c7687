import { cp, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { PLUGIN_SUBJECTS } from '#libs/contracts/plugin-wire.js';
import type { TaskView } from '#libs/contracts/queries.js';
import { isThere, PYTHON, WorkerProcess } from '../plugins/worker-process.js';
import { TestPlatform } from './platform.js';
import { RestClient } from './rest-client.js';

let platform: TestPlatform;
let client: RestClient;
let folder: string;
const workers: WorkerProcess[] = [];

/** A parameter that is not given leaves its field out. */
const SAID = Object.fromEntries(
  ['wait_ms', 'output', 'fail', 'retry'].map((name) => [name, `{{ parameters.${name} }}`]),
);

const TEMPLATES = {
  reverse: { type: 'acme.reverse', with: { text: '{{ parameters.text }}' } },
  waits: { type: 'acme.waits', with: { wait_ms: 0 } },
  slow: { type: 'acme.slow', with: { wait_ms: 600_000, again_ms: 100 } },
  says: { type: 'acme.says', with: SAID },
  missing: { type: 'acme.missing', plugin_missing: 'fail', with: {} },
  counts: { type: 'acme.word_count', with: { text: '{{ parameters.text }}' } },
  shouts: { type: 'acme.shout', with: { text: '{{ parameters.text }}' } },
};

const templateOf = (name: string, step: object): string =>
  JSON.stringify({
    name,
    parameters: {
      text: { type: 'string', default: 'a b' },
      ...Object.fromEntries(Object.keys(SAID).map((field) => [field, { type: 'any' }])),
    },
    steps: [{ id: 'only', retry: { attempts_max: 2, backoff_ms: 0 }, ...step }],
  });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-plugins-'));
  await cp('examples/plugins/reverse.mjs', join(folder, 'reverse.mjs'));
  await cp('test/fixtures/plugins/troubles.mjs', join(folder, 'troubles.mjs'));
  await writeFile(join(folder, 'wrong.mjs'), 'export default { handler() {} };');
  platform = await TestPlatform.start({
    ORCHESTRA_PLUGINS_DIR: folder,
    ORCHESTRA_PLUGIN_MEMORY_MAX_BYTES: String(64 * 1024 * 1024),
  });
  client = await RestClient.of(platform);
  for (const [name, step] of Object.entries(TEMPLATES)) await put(name, step);
}, 60_000);

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
});

afterAll(async () => {
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

/** The template serves when this resolves. */
const put = async (name: string, step: object): Promise<void> => {
  await writeFile(join(platform.folder, 'templates', `${name}.json`), templateOf(name, step));
  await until(async () => {
    const { json } = await client.call('GET', '/templates');
    const { items, problems } = json as { items: { name: string }[]; problems: object[] };
    expect(problems).toEqual([]);
    return items.some((item) => item.name === name);
  });
};

/** Each look is a request, so this is no busy loop. */
const until = async (holds: () => Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
};

const registered = async (worker: string): Promise<void> =>
  await until(async () => {
    const answer = await client.call('GET', '/plugins');
    client.fits(answer, 'PluginList');
    return answer.text.includes(`"id":"${worker}"`);
  });

const working = (type: string, worker: string): WorkerProcess => {
  const started = WorkerProcess.node(type, worker, platform.server.url);
  workers.push(started);
  return started;
};

const codesOf = ({ attempts }: TaskView): readonly (string | null)[] =>
  attempts.map(({ error }) => error?.code ?? null);

describe('a step type in the executor', () => {
  it('runs what the folder has', async () => {
    await registered('executor');
    const view = await client.ended(
      await client.submit({ template: 'reverse', parameters: { text: 'one\ntwo' } }),
    );
    expect(view).toMatchObject({ status: 'completed', result: { text: 'two\none', lines: 2 } });
  });

  it('that cannot be loaded is told with its place, by the executor that cannot', async () => {
    const answer = await client.call('GET', '/plugins');
    client.fits(answer, 'PluginList');
    expect((answer.json as { problems: object[] }).problems).toEqual([
      {
        by: 'executor',
        problem: expect.stringMatching(/wrong\.mjs: the default export has no run; expected/),
      },
    ]);
  });

  it.each([
    ['memory_hog', ['PLUGIN_OVER_LIMIT']],
    ['exits', ['PLUGIN_LOST', 'PLUGIN_LOST']],
    ['rejects', ['PLUGIN_LOST', 'PLUGIN_LOST']],
    ['giant', ['OUTPUT_TOO_LARGE']],
    ['circular', ['PLUGIN_OUTPUT_INVALID']],
  ])('that goes wrong (%s) fails its attempts, and the executor lives on', async (name, codes) => {
    await put(`trouble-${name.replace('_', '-')}`, { type: `trouble.${name}` });
    const view = await client.ended(await client.submit({ template: `trouble-${name.replace('_', '-')}` }));
    expect(view.status).toBe('failed');
    expect(codesOf(view)).toEqual(codes);
    expect(await client.ended(await client.submit({ template: 'reverse' }))).toMatchObject({
      status: 'completed',
    });
  });

  it('is ended by the timeout of its step in the middle of an endless loop, and by a cancel', async () => {
    await put('trouble-endless', { type: 'trouble.endless', timeout: '500ms', retry: { attempts_max: 1 } });
    const view = await client.ended(await client.submit({ template: 'trouble-endless' }));
    expect(codesOf(view)).toEqual(['STEP_TIMED_OUT']);
    await put('trouble-never', { type: 'trouble.never' });
    const id = await client.submit({ template: 'trouble-never' });
    await client.started(id);
    expect((await client.call('DELETE', `/tasks/${id}`)).status).toBeLessThan(300);
    expect((await client.ended(id)).status).toBe('cancelled');
  });
});

describe('a step type over the wire', () => {
  it('waits for a worker and says so, and runs when one comes', async () => {
    const id = await client.submit({ template: 'waits' });
    const said = 'waits for a worker of step type acme.waits; none is registered';
    await until(async () => (await client.call('GET', `/tasks/${id}/explain`)).text.includes(said));
    client.fits(await client.call('GET', `/tasks/${id}/explain`), 'Explanation');
    expect((await client.view(id)).steps[0]).toMatchObject({
      status: 'pending',
      waits_for: 'a worker of step type acme.waits; none is registered',
    });
    working('acme.waits', 'w1');
    expect(await client.ended(id)).toMatchObject({
      status: 'completed',
      result: { worker: 'w1', attempt: 1 },
    });
  });

  it('is tried again elsewhere when its worker is killed in mid-step', async () => {
    const first = working('acme.slow', 'w1');
    const id = await client.submit({ template: 'slow' });
    await first.said('begun');
    await first.kill();
    const second = working('acme.slow', 'w2');
    await second.said('begun');
    const view = await client.ended(id);
    expect([view.status, codesOf(view)]).toEqual(['completed', ['PLUGIN_LOST', null]]);
    expect(view.result).toEqual({ worker: 'w2', attempt: 2 });
  });

  it('is stopped at its worker when nobody wants its result any more', async () => {
    const worker = working('acme.slow', 'w3');
    const id = await client.submit({ template: 'slow' });
    await worker.said('begun');
    expect((await client.call('DELETE', `/tasks/${id}`)).status).toBeLessThan(300);
    await worker.said('cancelled');
    expect((await client.ended(id)).status).toBe('cancelled');
  });

  it('gets only what fits its schema, and what it gives is held to it', async () => {
    working('acme.says', 'w1');
    await registered('w1');
    const run = async (input: object): Promise<TaskView> =>
      await client.ended(await client.submit({ template: 'says', parameters: input }));
    expect((await run({ wait_ms: 'soon' })).error).toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringContaining('input.wait_ms'),
    });
    expect((await run({ wait_ms: 0, output: { worker: 7 } })).error).toMatchObject({
      code: 'PLUGIN_OUTPUT_INVALID',
    });
    expect(codesOf(await run({ wait_ms: 0, fail: 'no', retry: false }))).toEqual(['PLUGIN_REFUSED']);
    expect(codesOf(await run({ wait_ms: 0, fail: 'no' }))).toEqual(['PLUGIN_FAILED', 'PLUGIN_FAILED']);
  });

  it('is tried again when its worker leaves with it, which is told so', async () => {
    const type = 'acme.slow';
    const say = (subject: string, message: object): void =>
      platform.connection.publish(subject, JSON.stringify({ worker: 'w0', ...message }));
    const told = platform.connection.subscribe(PLUGIN_SUBJECTS.to(type, 'w0'), { max: 1 });
    say(PLUGIN_SUBJECTS.hello(type), { manifest: { name: type, version: '1.0.0' } });
    const id = await client.submit({ template: 'slow' });
    for await (const message of told) {
      say(PLUGIN_SUBJECTS.from(type), { run: message.json<{ run: string }>().run, kind: 'accept' });
      say(PLUGIN_SUBJECTS.hello(type), { bye: true });
    }
    await until(async () => codesOf(await client.view(id))[0] === 'PLUGIN_LOST');
    expect((await client.view(id)).attempts[0]?.error?.message).toBe(
      "The worker 'w0' of step type 'acme.slow' has left.",
    );
    await client.call('DELETE', `/tasks/${id}`);
  });

  it('is refused for a hello that is wrong, and whoever looks sees it', async () => {
    const subject = PLUGIN_SUBJECTS.hello('acme.refused');
    const hello = { worker: 'w0', manifest: { name: 'acme.refused', version: '' } };
    platform.connection.publish(subject, JSON.stringify(hello));
    const problem = /^its hello is refused: manifest\.version "" is not accepted; expected a version/;
    await until(async () => {
      const { problems } = (await client.call('GET', '/plugins')).json as { problems: { by: string }[] };
      const refused = problems.filter(({ by }) => by === "worker 'w0' of acme.refused");
      if (refused.length > 0)
        expect(refused).toEqual([expect.objectContaining({ problem: expect.stringMatching(problem) })]);
      return refused.length > 0;
    });
  });

  it('is told what of its hello is probably not meant so', async () => {
    const manifest = { name: 'acme.told', version: '1.0.0', inputs: {} };
    const hello = JSON.stringify({ worker: 'w0', manifest });
    const answer = await platform.connection.request(PLUGIN_SUBJECTS.hello('acme.told'), hello);
    expect(answer.json()).toEqual({
      ok: true,
      hello_every_ms: 2_000,
      warnings: [expect.stringContaining("did you mean 'input'?")],
    });
  });

  it('fails where no worker comes and its template says so, after what it says', async () => {
    const view = await client.ended(await client.submit({ template: 'missing' }));
    expect(view.error).toMatchObject({
      code: 'PLUGIN_MISSING',
      message: "No worker of step type 'acme.missing' was registered within 10s (plugin_missing).",
    });
    expect(view.attempts).toHaveLength(1);
  });
});

describe('the examples', () => {
  const which = PYTHON.hasNats ? PYTHON.program : `${PYTHON.program} without nats-py`;
  const hasJq = isThere('jq', ['--version']);

  (PYTHON.isThere ? it : it.skip)(
    `in Python counts words (${PYTHON.isThere ? which : 'skipped: there is no Python'})`,
    async () => {
      workers.push(WorkerProcess.python(platform.server.url));
      const view = await client.ended(
        await client.submit({ template: 'counts', parameters: { text: 'a b  c' } }),
      );
      expect(view).toMatchObject({ status: 'completed', result: { words: 3 } });
    },
  );

  (hasJq ? it : it.skip)(`in bash shouts${hasJq ? '' : ' (skipped: there is no jq)'}`, async () => {
    workers.push(WorkerProcess.start('bash', ['examples/plugins/shout.sh'], platform.server.url));
    const view = await client.ended(
      await client.submit({ template: 'shouts', parameters: { text: 'ä "quoted"\nline' } }),
    );
    expect(view).toMatchObject({ status: 'completed', result: { text: 'ä "QUOTED"\nLINE' } });
  });
});
