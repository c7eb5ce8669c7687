import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import { processesWith, StepBench } from './step-bench.js';

const sandbox = await findSandbox();
const mode = sandbox.kind === 'bwrap' ? {} : { ORCHESTRA_UNSANDBOXED: 'allow' };

let bench: StepBench;

beforeAll(async () => {
  bench = await StepBench.start({ ...mode, ORCHESTRA_PROGRAMS_MAX: '2' });
});

afterAll(async () => {
  await bench?.stop();
});

describe(`execute_script ${sandbox.kind === 'bwrap' ? 'in a sandbox' : `without a sandbox (${sandbox.why})`}`, () => {
  it('answers with what the script wrote, and says whether it ran in a sandbox', async () => {
    const outcome = await bench.run('execute_script', {
      interpreter: 'bash',
      script: 'read line; echo "$line, $NAME, $1, $#"; echo aside >&2; pwd > where; [ "$PWD" = "$HOME" ]',
      args: ['a b', '$(id)', ';'],
      stdin: 'given',
      env: { NAME: "it's; `me`" },
    });
    expect(outcome).toEqual({
      kind: 'completed',
      output: {
        exit_code: 0,
        stdout: "given, it's; `me`, a b, 3\n",
        stderr: 'aside\n',
        truncated: false,
        sandboxed: sandbox.kind === 'bwrap',
        duration_ms: expect.any(Number),
      },
    });
  });

  it.each([
    ['sh', 'echo $((1 + 1))'],
    ['python3', 'print(1 + 1)'],
    ['node', 'console.log(1 + 1, process.version.startsWith("v24"))'],
  ])('runs %s', async (interpreter, script) => {
    expect(await bench.run('execute_script', { interpreter, script })).toMatchObject({
      kind: 'completed',
      output: { stdout: expect.stringMatching(/^2/) },
    });
  });

  it('runs a file of the workspace', async () => {
    await bench.run('write_file', { path: 'tools/-n.py', text: 'import sys; print(sys.argv[1:])' });
    expect(
      await bench.run('execute_script', { interpreter: 'python3', path: 'tools/-n.py', args: ['-c', 'x'] }),
    ).toMatchObject({
      output: { stdout: "['-c', 'x']\n" },
    });
    expect(await bench.run('execute_script', { interpreter: 'sh', path: 'tools/none.sh' })).toMatchObject({
      failure: { code: 'FILE_NOT_FOUND' },
    });
  });

  it('fails with the exit code and the last words, or hands both on', async () => {
    const script = 'echo wrong turn >&2; exit 7';
    expect(await bench.run('execute_script', { interpreter: 'sh', script })).toMatchObject({
      failure: {
        code: 'SCRIPT_FAILED',
        message: expect.stringContaining('wrong turn'),
        details: { exit_code: 7 },
      },
    });
    expect(
      await bench.run('execute_script', { interpreter: 'sh', script, allow_failure: true }),
    ).toMatchObject({
      output: { exit_code: 7, stderr: 'wrong turn\n' },
    });
  });

  it('keeps the beginning of a long output, cut between characters', async () => {
    const outcome = await bench.run('execute_script', {
      interpreter: 'python3',
      script: 'print("ä" * 100000)',
      max_output_bytes: 101,
    });
    expect(outcome).toMatchObject({ output: { stdout: 'ä'.repeat(50), truncated: true } });
  });

  it.each([
    [{ interpreter: 'perl', script: '1' }, 'STEP_NOT_ALLOWED', 'accepted: bash, sh, python3, node'],
    [{ interpreter: '/bin/sh', script: '1' }, 'STEP_INPUT_INVALID', 'interpreter'],
    [{ interpreter: 'sh' }, 'STEP_INPUT_INVALID', 'accepted: exactly one'],
    [{ interpreter: 'sh', script: 'a', path: 'b' }, 'STEP_INPUT_INVALID', 'accepted: exactly one'],
    [{ interpreter: 'sh', script: 'a', network: true }, 'STEP_NOT_ALLOWED', 'ORCHESTRA_SCRIPT_NETWORK'],
    [
      { interpreter: 'sh', script: 'a', timeout_ms: 3_600_001 },
      'STEP_NOT_ALLOWED',
      'ORCHESTRA_PROGRAM_TIMEOUT_MAX_MS',
    ],
    [{ interpreter: 'sh', script: 'a', env: { 'A=B': 'c' } }, 'STEP_INPUT_INVALID', 'env'],
    [{ interpreter: 'sh', script: 'a', args: ['x'.repeat(32_769)] }, 'STEP_INPUT_INVALID', 'args'],
  ])('refuses %p', async (input, code, message) => {
    expect(await bench.run('execute_script', input)).toMatchObject({
      kind: 'failed',
      failure: { code, message: expect.stringContaining(message) },
    });
  });

  it('has more wait than may run at once, and starts none that was cancelled meanwhile', async () => {
    const slow = {
      interpreter: 'sh',
      script: 'echo here > "$1"; while [ ! -e go ]; do sleep 0.01; done',
      args: ['one'],
    };
    const first = bench.attempt('execute_script', slow);
    const second = bench.attempt('execute_script', { ...slow, args: ['two'] });
    const third = bench.attempt('execute_script', { ...slow, args: ['three'] });
    const running = [first, second].map((attempt) =>
      bench.run('execute_script', attempt.dispatch.input, { attempt }),
    );
    const waiting = bench.run('execute_script', third.dispatch.input, { attempt: third });
    third.ending = 'cancelled';
    third.abort.abort();
    expect(await waiting).toEqual({ kind: 'cancelled', confirmed: true });
    await writeFile(join(bench.files(), 'go'), '');
    expect((await Promise.all(running)).map(({ kind }) => kind)).toEqual(['completed', 'completed']);
    expect(await bench.run('read_files', { globs: ['one', 'two', 'three'] })).toMatchObject({
      output: { files: [{ path: 'one' }, { path: 'two' }] },
    });
  });
});

describe('where no sandbox works', () => {
  const none = { sandbox: { kind: 'none', why: 'bubblewrap (bwrap) is not installed' } } as const;

  it.each([
    ['execute_script', { interpreter: 'sh', script: 'true' }],
    ['git_clone', { repo_url: 'https://1.1.1.1/a.git' }],
  ])('%s is refused, and says what would help', async (type, input) => {
    const refusing = await StepBench.start({}, none);
    expect(await refusing.run(type, input)).toMatchObject({
      failure: {
        code: 'SANDBOX_UNAVAILABLE',
        message: expect.stringMatching(/bwrap\) is not installed.*ORCHESTRA_UNSANDBOXED=allow/),
      },
    });
    await refusing.stop();
  });

  it('a setting allows it, which the output says, with limits and nothing left running', async () => {
    const mark = `mark-${randomUUID()}`;
    const open = await StepBench.start({ ORCHESTRA_UNSANDBOXED: 'allow' }, none);
    const script =
      'setsid nohup sh -c "sleep 1000" >/dev/null 2>&1 & ulimit -c; env | grep -c NATS; echo $HOME';
    const outcome = await open.run('execute_script', { interpreter: 'sh', script, env: { MARK: mark } });
    expect(outcome).toMatchObject({
      output: { sandboxed: false, exit_code: 0, stdout: `0\n0\n${open.files()}\n` },
    });
    expect(await processesWith(mark)).toEqual([]);
    const endless = {
      interpreter: 'sh',
      script: 'trap "" TERM; setsid sleep 1000 & sleep 1000',
      env: { MARK: mark },
    };
    expect(await open.run('execute_script', { ...endless, timeout_ms: 300 })).toMatchObject({
      failure: { code: 'STEP_TIMED_OUT' },
    });
    expect(await processesWith(mark)).toEqual([]);
    await open.stop();
  });
});
