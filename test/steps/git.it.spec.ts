import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { isNewEnough } from '#apps/executor/steps/find-git.js';
import { credentialVariables } from '#apps/executor/steps/git-credentials.js';
import { StepBench } from './step-bench.js';

const run = promisify(execFile);
const sandbox = await findSandbox();
const mode = { ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow' };

let bench: StepBench;
let home: string;
let repo: string;
let first: string;
let second: string;

const git = async (...args: readonly string[]): Promise<string> => {
  const identity = [
    '-c',
    'user.name=Test',
    '-c',
    'user.email=test@example.org',
    '-c',
    'init.defaultBranch=main',
  ];
  return (await run('git', [...identity, '-C', repo, ...args])).stdout.trim();
};

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), 'orchestra-git-'));
  repo = join(home, 'repo');
  await mkdir(join(repo, 'sub'), { recursive: true });
  await git('init', '--quiet');
  await writeFile(join(repo, 'sub', 'a.txt'), 'first');
  await git('add', '.');
  await git('commit', '--quiet', '-m', 'first');
  await git('tag', 'v1');
  first = await git('rev-parse', 'HEAD');
  await writeFile(join(repo, 'sub', 'a.txt'), 'second');
  // A hook, a submodule that runs a command, a filter, and a link out: what a hostile repository has.
  await mkdir(join(repo, 'hooks'));
  await writeFile(join(repo, 'hooks', 'post-checkout'), `#!/bin/sh\ntouch ${join(home, 'hooked')}\n`);
  await chmod(join(repo, 'hooks', 'post-checkout'), 0o755);
  await writeFile(
    join(repo, '.gitmodules'),
    '[submodule "x"]\n\tpath = x\n\turl = ext::sh -c touch% /workspace/submoduled\n\tupdate = !touch updated\n',
  );
  await writeFile(join(repo, '.gitattributes'), '*.txt filter=evil\n');
  await symlink('/etc/passwd', join(repo, 'passwd'));
  await git('add', '.');
  await git('update-index', '--add', '--cacheinfo', `160000,${first},x`);
  await git('commit', '--quiet', '-m', 'second');
  second = await git('rev-parse', 'HEAD');
  bench = await StepBench.start({ ...mode, ORCHESTRA_GIT_PROTOCOLS: 'https,file' });
});

afterAll(async () => {
  await bench?.stop();
  await rm(home, { recursive: true, force: true });
});

const clone = async (input: Readonly<Record<string, unknown>>): Promise<unknown> =>
  await bench.run('git_clone', { repo_url: `file://${repo}`, timeout_ms: 20_000, ...input });

describe('git_clone', () => {
  it('fetches the newest commit, and says which', async () => {
    expect(await clone({})).toEqual({
      kind: 'completed',
      output: {
        path: 'repo',
        commit: second,
        files: expect.any(Number),
        bytes: expect.any(Number),
        sandboxed: sandbox.kind === 'bwrap',
      },
    });
    expect(await readFile(join(bench.files(), 'repo/sub/a.txt'), 'utf8')).toBe('second');
  });

  it.each([['v1'], ['main'], ['the hash of a commit']])('fetches %s', async (ref) => {
    const commit = ref === 'main' ? second : first;
    const outcome = await clone({ ref: ref.startsWith('the hash') ? first : ref, path: 'at/ref', depth: 0 });
    expect(outcome).toMatchObject({ output: { path: 'at/ref', commit } });
  });

  it('may be done again: what is there is replaced', async () => {
    await writeFile(join(bench.files(), 'repo/left'), 'over');
    expect(await clone({ ref: 'v1' })).toMatchObject({ output: { commit: first } });
    expect(existsSync(join(bench.files(), 'repo/left'))).toBe(false);
  });

  it('runs nothing of a repository: no hook, no submodule, no filter, and follows none of its links', async () => {
    await clone({ path: 'hostile' });
    expect(existsSync(join(home, 'hooked'))).toBe(false);
    expect(existsSync(join(bench.files(), 'submoduled'))).toBe(false);
    expect(existsSync(join(bench.files(), 'hostile/x/.git'))).toBe(false);
    expect(await bench.run('read_files', { paths: ['hostile/passwd'] })).toMatchObject({
      failure: { code: 'PATH_NOT_ALLOWED' },
    });
  });

  it.each([
    [{ repo_url: 'ext::sh -c touch% evil' }, 'STEP_NOT_ALLOWED', 'accepted: https://…, file://…'],
    [{ repo_url: 'ext://sh' }, 'STEP_NOT_ALLOWED', 'accepted: https://…, file://…'],
    [{ repo_url: '--upload-pack=touch evil' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: 'ssh://git@example.org/a.git' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: 'git@example.org:a.git' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: '/etc' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: 'http://example.org/a.git' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: 'https:/example.org/a.git' }, 'STEP_NOT_ALLOWED', 'accepted: https://…'],
    [{ repo_url: 'https://me:secret@1.1.1.1/a.git' }, 'STEP_INPUT_INVALID', 'credentials'],
    [{ repo_url: 'file://elsewhere/a.git' }, 'STEP_INPUT_INVALID', 'another machine'],
    [{ repo_url: 'https://127.0.0.1/a.git' }, 'STEP_NOT_ALLOWED', '127.0.0.1'],
    [{ repo_url: 'https://2130706433/a.git' }, 'STEP_NOT_ALLOWED', '127.0.0.1'],
    [{ repo_url: 'https://[::ffff:10.0.0.1]/a.git' }, 'STEP_NOT_ALLOWED', 'IPv4 address in IPv6 form'],
    [{ repo_url: 'https://169.254.169.254/latest' }, 'STEP_NOT_ALLOWED', '169.254.169.254'],
    [{ repo_url: 'https://localhost/a.git' }, 'STEP_NOT_ALLOWED', 'this machine'],
    [{ ref: '--upload-pack=touch evil' }, 'STEP_INPUT_INVALID', 'ref'],
    [{ ref: '-c' }, 'STEP_INPUT_INVALID', 'ref'],
    [{ ref: 'a:b' }, 'STEP_INPUT_INVALID', 'ref'],
    [{ ref: 'a..b' }, 'STEP_INPUT_INVALID', 'ref'],
    [{ path: '../out' }, 'PATH_NOT_ALLOWED', "'..'"],
    [{ path: '/out' }, 'PATH_NOT_ALLOWED', 'absolute'],
    [{ path: '.' }, 'PATH_NOT_ALLOWED', 'workspace itself'],
    [{ ref: 'no-such-branch' }, 'GIT_FAILED', "couldn't find remote ref"],
  ])('refuses %j', async (input, code, message) => {
    expect(await clone(input)).toMatchObject({
      kind: 'failed',
      failure: { code, message: expect.stringContaining(message) },
    });
    expect(existsSync('evil')).toBe(false);
  });

  it('does not fetch from this machine unless a setting says so', async () => {
    const closed = await StepBench.start(mode);
    expect(await closed.run('git_clone', { repo_url: `file://${repo}` })).toMatchObject({
      failure: { code: 'STEP_NOT_ALLOWED', message: expect.stringContaining('ORCHESTRA_GIT_PROTOCOLS') },
    });
    await closed.stop();
  });

  it('connects to what it has looked at, and only where a setting allows that address', async () => {
    let connections = 0;
    const listener = createServer((socket) => {
      connections += 1;
      socket.destroy();
    });
    await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve));
    const repoUrl = `https://localhost:${(listener.address() as AddressInfo).port}/a.git`;
    expect(await bench.run('git_clone', { repo_url: repoUrl })).toMatchObject({
      failure: { code: 'STEP_NOT_ALLOWED' },
    });
    expect(connections).toBe(0);
    const open = await StepBench.start({ ...mode, ORCHESTRA_HTTP_ALLOW: 'localhost:*' });
    expect(await open.run('git_clone', { repo_url: repoUrl })).toMatchObject({
      failure: { code: 'GIT_FAILED' },
    });
    expect(connections).toBeGreaterThan(0);
    await open.stop();
    await new Promise((resolve) => listener.close(resolve));
  });

  it('stops when the workspace is full', async () => {
    const large = join(home, 'large');
    await run('git', ['init', '--quiet', large]);
    await run('sh', ['-c', 'head -c 4000000 /dev/urandom > "$1/noise"', 'sh', large]);
    await run('git', ['-C', large, 'add', '.']);
    await run('git', [
      '-C',
      large,
      '-c',
      'user.name=T',
      '-c',
      'user.email=t@example.org',
      'commit',
      '--quiet',
      '-m',
      'x',
    ]);
    const small = await StepBench.start({
      ...mode,
      ORCHESTRA_GIT_PROTOCOLS: 'file',
      ORCHESTRA_WORKSPACE_MAX_BYTES: String(2 * 1024 * 1024),
    });
    const outcome = await small.run('git_clone', { repo_url: `file://${large}` });
    // Git itself meets the limit of a file first, or its objects that of all.
    expect(outcome).toMatchObject({ failure: { code: expect.stringMatching(/WORKSPACE_FULL|GIT_FAILED/) } });
    expect(existsSync(join(small.files(), 'repo'))).toBe(false);
    await small.stop();
  });
});

describe('the version of git', () => {
  it.each([
    ['git version 2.37.0', true],
    ['git version 2.39.5 (Apple Git-154)', true],
    ['git version 3.0.1', true],
    ['git version 2.36.9', false],
    ['git version 1.99.0', false],
    ['', false],
  ])('%j is new enough: %s', (version, enough) => {
    expect(isNewEnough(version)).toBe(enough);
  });
});

describe('credentials of a repository', () => {
  it('are known to git for this URL alone, from its variables', async () => {
    const asked = async (url: string): Promise<string> => {
      const env = credentialVariables('https://example.org/a/b.git', { password: 'p@ss word' });
      const { stdout } = await run('git', ['config', '--get-urlmatch', 'http.extraHeader', url], {
        env: { ...env, PATH: process.env['PATH'] },
      }).catch(() => ({ stdout: 'none' }));
      return stdout.trim();
    };
    const expected = `Authorization: Basic ${Buffer.from('git:p@ss word').toString('base64')}`;
    expect(await asked('https://example.org/a/b.git/info/refs')).toBe(expected);
    expect(await asked('https://example.org/a/other.git')).toBe('none');
    expect(await asked('https://example.com/a/b.git')).toBe('none');
  });

  it('are for https only', async () => {
    const input = { repo_url: `file://${repo}`, credentials: { password: '{{ secrets.token }}' } };
    expect(
      await bench.run('git_clone', input, { values: { token: 'a-token-of-some-length' } }),
    ).toMatchObject({
      kind: 'failed',
      failure: { code: 'STEP_INPUT_INVALID', message: expect.stringContaining('https:// only') },
    });
  });
});
