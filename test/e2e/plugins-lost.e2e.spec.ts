import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { TaskView } from '#libs/contracts/queries.js';
import { PYTHON, WorkerProcess } from '../plugins/worker-process.js';
import { until } from './api-client.js';
import { FailureRows } from './failure-rows.js';
import { orchestra } from './run-orchestra.js';
import { RunningPlatform } from './running-platform.js';
import { startSecond, type SecondService } from './second-service.js';

/**
 * Goal: a run of somebody's step type that dies in mid-step fails one attempt, and the next one passes elsewhere with the right output.
 * Method: what runs the step is killed: the worker, the process of the plugin, the executor; a second executor and a second worker are there.
 */
const ONCE = `
name: once
parameters: { file: { type: string, required: true } }
steps:
  - id: only
    type: acme.stuck_once
    retry: { attempts_max: 2, backoff_ms: 0 }
    with: { text: 'quiet', file: '{{ parameters.file }}' }
`;
const COUNTS = `
name: counts
parameters: { seconds: { type: number, required: true } }
steps:
  - id: only
    type: acme.word_count
    retry: { attempts_max: 2, backoff_ms: 0 }
    with: { text: 'a b  c', seconds: '{{ parameters.seconds }}' }
`;
const TYPE = 'acme.word_count';
/** Work goes to the executors in turn. */
const TRIES_MAX = 20;

let folder: string;
let env: NodeJS.ProcessEnv;
let platform: RunningPlatform;
let rows: FailureRows;
let submitted = 0;
let second: SecondService | undefined;
const workers: WorkerProcess[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestra-plugins-'));
  for (const part of ['plugins', 'templates', 'said']) await mkdir(join(folder, part));
  await cp('test/fixtures/plugins/stuck-once.mjs', join(folder, 'plugins', 'stuck-once.mjs'));
  await writeFile(join(folder, 'templates', 'once.yaml'), ONCE);
  await writeFile(join(folder, 'templates', 'counts.yaml'), COUNTS);
  env = {
    ORCHESTRA_PLUGINS_DIR: join(folder, 'plugins'),
    ORCHESTRA_TEMPLATES_DIR: join(folder, 'templates'),
    // Executors say there which attempts they begin.
    ORCHESTRA_LOG_LEVEL: 'debug',
  };
  platform = await RunningPlatform.start({ env });
  rows = await FailureRows.beside(platform);
}, 180_000);

afterEach(async () => {
  await Promise.all(workers.splice(0).map((worker) => worker.kill()));
  await second?.stop();
  second = undefined;
}, 60_000);

afterAll(async () => {
  await rows?.close();
  await platform?.stop();
  await rm(folder, { recursive: true, force: true });
}, 60_000);

type Workers = readonly { readonly id: string; readonly runs: number }[];

const workersOf = async (type: string): Promise<Workers> => {
  type List = { readonly items: readonly { readonly name: string; readonly workers: Workers }[] };
  const { body } = await platform.api.call<List>('GET', '/api/v1/plugins');
  return body.items.find(({ name }) => name === type)?.workers ?? [];
};

const submit = async (template: string, parameters: object): Promise<string> => {
  submitted += 1;
  return await platform.api.submit({ template, parameters }, `lost-${submitted}`);
};

/** Each process of the plugin that was started for this task wrote its id here. */
const fileOf = (n: number): string => join(folder, 'said', String(n));

const once = async (): Promise<string> => await submit('once', { file: fileOf(submitted + 1) });

const pluginProcess = async (): Promise<number> =>
  await until(async () => {
    const said = await readFile(fileOf(submitted), 'utf8');
    return said.endsWith('\n') ? Number(said.split('\n')[0]) : undefined;
  }, 'the plugin to begin');

const says = async (log: string, taskId: string): Promise<boolean> =>
  (await readFile(join(platform.dataDir, 'logs', `${log}.log`), 'utf8'))
    .split('\n')
    .some((line) => line.includes('"begun"') && line.includes(taskId));

/** Submits until the second executor has the task; the first one is rid of those that it got. */
const atSecond = async (submitOne: () => Promise<string>): Promise<string> => {
  for (let tries = 0; tries < TRIES_MAX; tries += 1) {
    const id = await submitOne();
    const isThere = await until(async () => {
      if (await says('second-executor', id)) return 'there';
      return (await says('executor', id)) ? 'elsewhere' : undefined;
    }, `${id} to begin`);
    if (isThere === 'there') return id;
    await platform.api.call('DELETE', `/api/v1/tasks/${id}`);
    expect((await platform.api.ended(id)).status).toBe('cancelled');
  }
  throw new Error(`none of ${TRIES_MAX} tasks came to the second executor`);
};

const firstExecutor = async (): Promise<number> =>
  await until(async () => {
    const { instance } = (await platform.ready()).services.executor;
    const pid = Number(instance.slice('executor-'.length));
    return Number.isInteger(pid) ? pid : undefined;
  }, 'the first executor to answer');

const secondExecutor = async (): Promise<SecondService> => {
  second = await startSecond(platform, 'executor', env);
  return second;
};

const isGone = async (pid: number): Promise<void> => {
  await until(async () => {
    const status = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
    return status === '' ? true : undefined;
  }, `process ${pid} to end`);
};

const codesOf = ({ attempts }: TaskView): readonly (string | null)[] =>
  attempts.map(({ error }) => error?.code ?? null);

/** Two attempts, of which the second one completed it with this. */
const expectRetried = async (id: string, code: string, result: object): Promise<TaskView> => {
  const view = await platform.api.ended(id);
  expect([view.status, codesOf(view), view.result]).toEqual(['completed', [code, null], result]);
  expect(view.attempts.map(({ outcome }) => outcome)).toEqual(['failed', 'completed']);
  return view;
};

describe('a step type in the executor', () => {
  it('whose process is killed in mid-step is tried again, and passes at the other executor', async () => {
    const { instance, stop } = await secondExecutor();
    const id = await atSecond(once);
    const pid = await pluginProcess();
    // It takes nothing more from here on, and lets what runs go on.
    const stopped = stop();
    await until(
      async () =>
        (await workersOf('acme.stuck_once')).every((one) => one.id !== instance) ? true : undefined,
      'the second executor to take no more',
    );
    process.kill(pid, 'SIGKILL');
    const { attempts } = await expectRetried(id, 'PLUGIN_LOST', {
      text: 'QUIET',
      executor: await firstExecutor(),
    });
    expect(attempts[0]?.error?.message).toContain('SIGKILL');
    await stopped;
  }, 120_000);

  it('dies with its executor, whose lease ends by its time; the other executor does it', async () => {
    const { kill } = await secondExecutor();
    const id = await atSecond(once);
    const pid = await pluginProcess();
    await kill();
    await isGone(pid);
    await expectRetried(id, 'LEASE_LOST', { text: 'QUIET', executor: await firstExecutor() });
  }, 120_000);
});

/** A worker in Python needs one; where there is none this is skipped, and its name says so. */
const whichPython = !PYTHON.isThere
  ? 'skipped: there is none'
  : PYTHON.hasNats
    ? 'with nats-py'
    : 'with a client of our own';

(PYTHON.isThere ? describe : describe.skip)(`a step type over the wire (Python, ${whichPython})`, () => {
  let address: string;

  beforeAll(async () => {
    const args = ['--json', 'plugins', 'credentials', TYPE, '--data', platform.dataDir];
    address = (JSON.parse((await orchestra(args).ended).stdout) as { url: string }).url;
  });

  /** Resolves with its id when the platform knows of it. */
  const startWorker = async (): Promise<{ readonly id: string; readonly worker: WorkerProcess }> => {
    const worker = WorkerProcess.python(address);
    workers.push(worker);
    const [id = ''] = (await worker.said('py-')).split(' ');
    await until(
      async () => ((await workersOf(TYPE)).some((one) => one.id === id) ? true : undefined),
      `${id} to be registered`,
    );
    return { id, worker };
  };

  const busy = async (): Promise<string> =>
    await until(async () => (await workersOf(TYPE)).find(({ runs }) => runs > 0)?.id, 'a worker to work');

  /** When no hello says any more that a worker has a run, be it one that was cancelled or one of a worker that is gone. */
  const submitAlone = async (seconds: number): Promise<string> => {
    await until(
      async () => ((await workersOf(TYPE)).every(({ runs }) => runs === 0) ? true : undefined),
      'all workers to be idle',
    );
    return await submit('counts', { seconds });
  };

  it('whose worker is killed in mid-step is tried again, and passes at the other worker', async () => {
    const both = [await startWorker(), await startWorker()];
    const id = await submitAlone(8);
    const first = await busy();
    await both.find((one) => one.id === first)?.worker.kill();
    const { attempts } = await expectRetried(id, 'PLUGIN_LOST', { words: 3 });
    expect(attempts[0]?.error?.message).toContain(`'${first}'`);
    expect((await workersOf(TYPE)).map((one) => one.id)).not.toContain(first);
  }, 120_000);

  it('whose executor is killed is tried again by the other one, and the worker gives up the run that nobody wants', async () => {
    const both = [await startWorker(), await startWorker()];
    const { kill } = await secondExecutor();
    const id = await atSecond(async () => await submitAlone(20));
    const first = await busy();
    // The idle one dies too: it is in the list for a while and looks as free as can be, and what it does not take is no attempt.
    const idle = both.findIndex((one) => one.id !== first);
    await both[idle]?.worker.kill();
    await kill();
    const worker = both[1 - idle]?.worker as WorkerProcess;
    const abandoned = await worker.said('gave up');
    const { attempts } = await expectRetried(id, 'LEASE_LOST', { words: 3 });
    expect(abandoned).toContain(attempts[0]?.lease_id);
    expect(worker.lines.filter((line) => line.startsWith('gave up'))).toHaveLength(1);
  }, 120_000);
});

describe('all of that', () => {
  it('leaves no lease, and a log that keeps every promise', async () => {
    await rows.noLeaseLeft();
    expect(await rows.audit()).toEqual({ code: 0, findings: [], open: 0 });
  }, 60_000);
});
