import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { processesWith } from '../steps/step-bench.js';
import { until } from './api-client.js';
import { RunningPlatform } from './running-platform.js';
import { SimulatedServer } from './simulated-server.js';

/**
 * Goal: a repository is fetched, its script run and its output read by the real services; a task that is cancelled, and an executor that is
 * killed, leave no process; the files of a task are gone when it is over.
 */
const run = promisify(execFile);
const sandbox = await findSandbox();

let platform: RunningPlatform;
let server: SimulatedServer;
let home: string;
let repo: string;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'orchestra-programs-'));
  repo = join(home, 'repo');
  await mkdir(join(repo, 'tools'), { recursive: true });
  await writeFile(
    join(repo, 'tools/report.sh'),
    'mkdir -p out; echo "report for $*" > out/report.txt; echo done',
  );
  await writeFile(join(repo, 'tools/wait.sh'), 'echo "$1" > out.txt; while :; do sleep 1; done');
  await writeFile(
    join(repo, 'tools/once.sh'),
    '[ -e begun ] && echo again > out.txt && exit; touch begun; while :; do sleep 1; done',
  );
  const git = async (...args: readonly string[]): Promise<unknown> =>
    await run('git', ['-C', repo, '-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args]);
  await git('init', '--quiet', '--initial-branch=main');
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'first');
  await writeFile(join(home, 'note.md'), 'A note about rivers.');
  server = await SimulatedServer.start({ id: 'attic', vramBytes: 8 * 1024 ** 3, timeScale: 50 });
  platform = await RunningPlatform.start({
    servers: `servers:\n${server.entry}`,
    env: {
      ORCHESTRA_GIT_PROTOCOLS: 'https,file',
      ORCHESTRA_READ_ROOTS: home,
      ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
    },
  });
}, 180_000);

afterAll(async () => {
  await platform?.stop();
  await server?.kill();
  await rm(home, { recursive: true, force: true });
}, 60_000);

const workspaces = async (): Promise<readonly string[]> =>
  await readdir(join(platform.dataDir, 'work')).catch(() => []);

const submit = async (script: string, key: string, args: readonly string[]): Promise<string> =>
  await platform.api.submit(
    {
      template: 'git-script-execution',
      parameters: {
        repo_url: `file://${repo}`,
        branch: 'main',
        script_path: script,
        output_path: 'out/report.txt',
        args,
      },
    },
    key,
  );

/** Until a program with this among its arguments runs. */
const running = async (mark: string): Promise<readonly string[]> =>
  await until(async () => {
    const found = await processesWith(mark);
    return found.length > 0 ? found : undefined;
  }, 'the script to run');

const noneLeft = async (mark: string): Promise<void> => {
  await until(
    async () => ((await processesWith(mark)).length === 0 ? true : undefined),
    'every process to be gone',
  );
};

describe('git-script-execution', () => {
  it('fetches, runs and reads, and removes the workspace afterwards', async () => {
    const id = await submit('tools/report.sh', 'report', ['a b', '$(id)']);
    const task = await platform.api.ended(id);
    expect(task).toMatchObject({
      status: 'completed',
      result: {
        commit: expect.stringMatching(/^[0-9a-f]{40}$/),
        stdout: 'done\n',
        sandboxed: sandbox.kind === 'bwrap',
        file: 'report for a b $(id)\n',
      },
    });
    await until(async () => ((await workspaces()).length === 0 ? true : undefined), 'the workspace to go');
  }, 60_000);

  it('fails with what the script said, tried once', async () => {
    const task = await platform.api.ended(await submit('tools/none.sh', 'none', []));
    expect(task).toMatchObject({ status: 'failed', error: { code: 'FILE_NOT_FOUND' } });
  }, 60_000);

  it('is cancelled with everything that runs', async () => {
    const id = await submit('tools/wait.sh', 'cancel', ['mark-of-the-cancelled']);
    await running('mark-of-the-cancelled');
    await platform.api.call('DELETE', `/api/v1/tasks/${id}`);
    expect(await platform.api.ended(id)).toMatchObject({ status: 'cancelled' });
    expect(await processesWith('mark-of-the-cancelled')).toEqual([]);
    await until(async () => ((await workspaces()).length === 0 ? true : undefined), 'the workspace to go');
  }, 60_000);
});

const inSandbox = sandbox.kind === 'bwrap' ? describe : describe.skip;

inSandbox(`an executor that is killed${sandbox.kind === 'none' ? ` (skipped: ${sandbox.why})` : ''}`, () => {
  it('takes its programs with it; the next one finds the files, and removes them in the end', async () => {
    const id = await submit('tools/once.sh', 'killed', ['mark-of-the-killed']);
    await running('mark-of-the-killed');
    await platform.killAndWait('executor');
    await noneLeft('mark-of-the-killed');
    expect(await workspaces()).toEqual([id]);
    // The interrupted attempt is made again in the same workspace, whose script then writes another file than is read.
    expect(await platform.api.ended(id)).toMatchObject({
      status: 'failed',
      error: { code: 'FILE_NOT_FOUND' },
    });
    await until(async () => ((await workspaces()).length === 0 ? true : undefined), 'the workspace to go');
  }, 120_000);
});

describe('file-processing', () => {
  it('gives files to a model', async () => {
    const id = await platform.api.submit(
      {
        template: 'file-processing',
        parameters: { model: 'llama3.2:1b', files: [`${home}/*.md`], instruction: 'Summarise.' },
      },
      'process',
    );
    expect(await platform.api.ended(id)).toMatchObject({
      status: 'completed',
      result: {
        text: expect.stringMatching(/\S/),
        files: [{ path: join(home, 'note.md'), text: 'A note about rivers.' }],
        truncated: false,
      },
    });
    expect(existsSync(join(home, 'note.md'))).toBe(true);
  }, 60_000);
});
