import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, link, mkdir, readFile, readdir, symlink, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { findSandbox } from '#apps/executor/sandbox/find-sandbox.js';
import type { AttemptOutcome } from '#libs/contracts/reports.js';
import { processesWith, StepBench } from './step-bench.js';

/**
 * Goal: whatever a step tries, it reaches nothing but its workspace, it ends with a clear error, and nothing of it runs on.
 * Method: each attempt is run for real; afterwards no process carries its mark, and a plain script still runs.
 */
const sandbox = await findSandbox();
const MEGABYTE = 1024 * 1024;
const SECRET = 'secret-of-the-platform';

let bench: StepBench;
let server: Server;
let port: number;
/** Outside of every workspace, and readable for this user. */
let outside: string;

beforeAll(async () => {
  process.env['ORCHESTRA_SECRET_OF_TEST'] = SECRET;
  bench = await StepBench.start({
    ORCHESTRA_WORKSPACE_MAX_BYTES: String(16 * MEGABYTE),
    ORCHESTRA_PROGRAM_MEMORY_MAX_BYTES: String(256 * MEGABYTE),
    ORCHESTRA_PROGRAM_PROCESSES_MAX: '32',
    ORCHESTRA_UNSANDBOXED: sandbox.kind === 'bwrap' ? 'refuse' : 'allow',
    ORCHESTRA_GIT_PROTOCOLS: 'https,file',
  });
  outside = join(bench.folder, 'outside');
  await writeFile(outside, SECRET);
  await bench.run('write_file', { path: 'plain', text: 'plain' });
  server = createServer((socket) => socket.end('reached'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  port = (server.address() as { port: number }).port;
});

afterAll(async () => {
  delete process.env['ORCHESTRA_SECRET_OF_TEST'];
  await new Promise((resolve) => server.close(resolve));
  await bench?.stop();
});

const inWorkspace = (name: string): string => join(bench.files(), name);

/** Runs a script whose processes can be told from all others, and expects none of them afterwards. */
const script = async (
  interpreter: string,
  text: string,
  more: Readonly<Record<string, unknown>> = {},
): Promise<AttemptOutcome> => {
  const mark = `mark-${randomUUID()}`;
  const outcome = await bench.run('execute_script', {
    interpreter,
    script: text,
    timeout_ms: 20_000,
    allow_failure: true,
    ...more,
    env: { ESCAPE: mark, ...(more['env'] as object | undefined) },
  });
  expect(await processesWith(mark)).toEqual([]);
  return outcome;
};

const shell = async (text: string, more: Readonly<Record<string, unknown>> = {}): Promise<Ended> =>
  ended(await script('bash', text, more));

type Ended = { readonly exit_code: number; readonly stdout: string; readonly stderr: string };

const ended = (outcome: AttemptOutcome): Ended => {
  expect(outcome).toMatchObject({ kind: 'completed' });
  return (outcome as { output: Ended }).output;
};

const failure = (outcome: AttemptOutcome): { code: string; message: string } => {
  expect(outcome.kind).toBe('failed');
  return (outcome as { failure: { code: string; message: string } }).failure;
};

const stillWorks = async (): Promise<void> => {
  expect(await shell('echo fine')).toMatchObject({ exit_code: 0, stdout: 'fine\n' });
};

const inSandbox = sandbox.kind === 'bwrap' ? describe : describe.skip;

inSandbox(`a script${sandbox.kind === 'none' ? ` (skipped: ${sandbox.why})` : ''}`, () => {
  it.each([
    ['a relative path', 'cat ../outside ../../outside ../../../../outside ../work/*/*'],
    ['an absolute path', 'cat "$1"'],
    ['a symbolic link', 'ln -s "$1" way-out; cat way-out'],
    ['a hard link', 'ln "$1" hard; cat hard'],
    ['its own environment', 'env; cat /proc/self/environ'],
    ['the environment of process 1', 'cat /proc/1/environ | tr "\\0" "\\n"; cat /proc/*/environ'],
    ['the root of process 1', 'cat "/proc/1/root$1"; ls /proc/1/cwd/; cat /proc/1/cwd/"$1"'],
    ['the home folders', 'ls /home /root ~root; cat /etc/passwd /etc/shadow'],
  ])('does not read the platform by %s', async (_, text) => {
    const { stdout } = await shell(text, { args: [outside] });
    expect(stdout).not.toContain(SECRET);
    expect(stdout).not.toMatch(/root:|NATS|ORCHESTRA_(?!PROGRAM)/);
    await shell('rm -f way-out hard');
  });

  it.each([
    ['beside the workspace', 'echo x > ../evil; echo x > "$2/evil"'],
    ['to the file outside', 'echo changed > "$1"'],
    ['through a link', 'ln -sf "$1" way-out; echo changed > way-out; rm way-out'],
    ['to system folders', 'echo x > /usr/bin/evil; echo x > /etc/evil; echo x > /evil; echo x > /run/evil'],
    [
      'to settings of the system',
      'echo x > /proc/sys/kernel/core_pattern; echo 1 > /proc/sys/vm/drop_caches',
    ],
    ['to its own script', 'echo x >> /run/step/script'],
    ['to folders of devices', 'echo x > /dev/evil; mknod /dev/sda b 8 0; mknod disk b 8 0; cat disk'],
  ])('does not write %s', async (_, text) => {
    const patternBefore = await readFile('/proc/sys/kernel/core_pattern', 'utf8').catch(() => '');
    const { stderr } = await shell(text, { args: [outside, bench.folder] });
    expect(stderr).toMatch(/Read-only file system|No such file|Permission denied|not permitted/);
    expect(await readFile(outside, 'utf8')).toBe(SECRET);
    expect(await readFile('/proc/sys/kernel/core_pattern', 'utf8').catch(() => '')).toBe(patternBefore);
    expect((await readdir(bench.folder)).toSorted()).toEqual(['outside', 'work']);
    expect(existsSync('/usr/bin/evil') || existsSync('/etc/evil') || existsSync('/dev/evil')).toBe(false);
  });

  it('sees no devices but those that hold nothing', async () => {
    const { stdout } = await shell('cd /dev && find . -type b -o -type c | sort');
    expect(stdout.split('\n').filter(Boolean)).toEqual(
      ['./full', './null', './pts/ptmx', './random', './tty', './urandom', './zero'].filter((name) =>
        stdout.includes(name),
      ),
    );
    expect((await shell('ls /sys')).exit_code).not.toBe(0);
  });

  it('reaches no network: not the loopback of the machine, not a neighbour, not a name', async () => {
    const { stdout } = await shell(
      `for to in 127.0.0.1/${port} 169.254.169.254/80 1.1.1.1/53; do (exec 3<>/dev/tcp/$to && cat <&3) && echo REACHED; done 2>&1; ` +
        `cat /proc/net/dev | grep -c :`,
    );
    expect(stdout).not.toMatch(/reached/i);
    expect(stdout).toMatch(/Network is unreachable/);
    // The loopback of its own, and nothing else.
    expect(stdout.trim().split('\n').at(-1)).toBe('1');
  });

  it('signals nobody: not the executor, not everybody it may', async () => {
    const { stdout } = await shell('kill -9 "$1"; kill -9 $PPID; echo after; kill -9 -1; echo alive', {
      args: [String(process.pid)],
    });
    expect(stdout).toMatch(/^after\n/);
    await stillWorks();
  });

  it('traces nobody, and gains no rights by a setuid program or a new namespace', async () => {
    const { stdout } = ended(
      await script(
        'python3',
        'import ctypes, os, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n' +
          'print("traced", libc.ptrace(16, int(sys.argv[1]), 0, 0))\n' +
          'os.system("cp /usr/bin/id ./id && chmod 4755 ./id && ./id -u; unshare -Ur id -u; mount -t tmpfs none /tmp && echo MOUNTED")\n' +
          'print(open("/proc/self/status").read())',
        { args: [String(process.pid)] },
      ),
    );
    expect(stdout).toContain('traced -1');
    expect(stdout).toMatch(/CapEff:\s0000000000000000/);
    expect(stdout).toMatch(/NoNewPrivs:\s1/);
    expect(stdout).not.toMatch(/^0$|MOUNTED/m);
  });

  it('is ended with all of its processes when it forks without end', async () => {
    const outcome = await script('bash', 'bomb() { bomb | bomb & }; bomb; sleep 30', { timeout_ms: 3_000 });
    // Where the executor is no administrator the system refuses further processes, and the script waits for one.
    expect(failure(outcome).code).toMatch(
      process.getuid?.() === 0 ? /PROGRAM_OVER_LIMIT/ : /PROGRAM_OVER_LIMIT|STEP_TIMED_OUT/,
    );
    await stillWorks();
  });

  it('is ended when its processes hold too much memory together, and refused more by itself', async () => {
    const one = ended(await script('python3', 'x = bytearray(1 << 30); print("GOT IT")'));
    expect(one).toMatchObject({ exit_code: 1, stdout: '', stderr: expect.stringContaining('MemoryError') });
    const many =
      'import os, time\nfor n in range(6):\n  if os.fork() == 0:\n    x = b"x" * (100 << 20)\n    time.sleep(60)\ntime.sleep(60)';
    expect(failure(await script('python3', many))).toMatchObject({
      code: 'PROGRAM_OVER_LIMIT',
      message: expect.stringContaining('ORCHESTRA_PROGRAM_MEMORY_MAX_BYTES'),
    });
    await stillWorks();
  });

  it('fills no memory by files: /dev/shm is small, the root and /dev are closed', async () => {
    const { stdout } = await shell(
      'for at in /dev/shm /dev /run /; do head -c 200M /dev/zero > $at/fill; done 2>/dev/null; du -sm /dev/shm | cut -f1',
    );
    expect(Number(stdout.trim().split('\n').at(-1))).toBeLessThanOrEqual(16);
  });

  it('leaves nothing that has detached itself, neither at its end nor at its time', async () => {
    expect(
      (await shell('setsid nohup sleep 1000 >/dev/null 2>&1 & disown; (sleep 1000 &); echo done')).stdout,
    ).toBe('done\n');
    const outcome = await script('bash', 'trap "" TERM INT HUP; setsid nohup sleep 1000 & sleep 1000', {
      timeout_ms: 500,
    });
    expect(failure(outcome)).toMatchObject({
      code: 'STEP_TIMED_OUT',
      message: expect.stringContaining('500 ms (timeout_ms)'),
    });
  });

  it('makes no other program of its guards by its variables', async () => {
    const env = {
      LD_PRELOAD: '/workspace/evil.so',
      BASH_ENV: '/workspace/evil',
      PATH: '/workspace',
      PYTHONPATH: '/workspace',
    };
    await bench.run('write_file', { path: 'prlimit', text: '#!/bin/bash\necho CAUGHT', mode: '755' });
    const { stdout } = await shell('ulimit -c; ulimit -f; /usr/bin/true', { env });
    expect(stdout).toBe(`0\n${(16 * MEGABYTE) / 1024}\n`);
  });
});

describe('a program', () => {
  it('is cut short when it writes without end', async () => {
    expect(failure(await script('bash', 'yes'))).toMatchObject({
      code: 'PROGRAM_OVER_LIMIT',
      message: expect.stringContaining('bytes'),
    });
    expect(failure(await script('bash', 'yes >&2'))).toMatchObject({ code: 'PROGRAM_OVER_LIMIT' });
  });

  it('is ended when a file, or all files together, become too large', async () => {
    const one = await shell('head -c 100M /dev/zero > huge; echo $?; rm -f huge');
    expect(one.stdout).toMatch(/^(153|1)\n/);
    const many = 'for n in 1 2 3 4; do head -c 8M /dev/zero > part$n; done; sleep 30';
    expect(failure(await script('bash', many))).toMatchObject({
      code: 'WORKSPACE_FULL',
      message: expect.stringContaining('ORCHESTRA_WORKSPACE_MAX_BYTES'),
    });
    expect(failure(await bench.run('write_file', { path: 'more', text: 'x' })).code).toBe('WORKSPACE_FULL');
    await shellCleaning('part*');
  });

  it('uses up no more time of the processor than its time', async () => {
    const outcome = await script('bash', 'while :; do :; done', { timeout_ms: 1_000 });
    if (outcome.kind === 'failed') expect(failure(outcome).code).toBe('STEP_TIMED_OUT');
    else expect(ended(outcome).exit_code).toBe(152);
  });

  it('gets what it is given as it is, whatever a shell would make of it', async () => {
    const nasty = [
      '; id',
      '$(id)',
      '`id`',
      '| id',
      '&& id',
      '> made',
      '* ?',
      '-c id',
      '\n id',
      '\'"',
      '\\',
      '--',
      '\u202e',
    ];
    const text =
      'import json, os, sys; print(json.dumps([sys.argv[1:], sys.stdin.read(), os.environ["NASTY"]]))';
    for (const interpreter of ['python3'])
      expect(
        JSON.parse(
          ended(
            await script(interpreter, text, {
              args: nasty,
              stdin: nasty.join('\n'),
              env: { NASTY: nasty.join(' ') },
            }),
          ).stdout,
        ),
      ).toEqual([nasty, nasty.join('\n'), nasty.join(' ')]);
    const names = ['; touch made', '$(touch made)', '-rf', 'a\nb', '"', '*'];
    for (const name of names) {
      expect(await bench.run('write_file', { path: name, text: 'x' })).toMatchObject({
        output: { path: name },
      });
      expect(await bench.run('read_files', { paths: [name] })).toMatchObject({
        output: { files: [{ path: name, text: 'x' }] },
      });
    }
    await bench.run('write_file', { path: '-e', text: 'echo "$0"' });
    expect(await bench.run('execute_script', { interpreter: 'sh', path: '-e' })).toMatchObject({
      output: { stdout: expect.stringMatching(/\/-e\n$/) },
    });
    expect(await readdir(bench.files())).not.toContain('made');
  });

  it.each([
    ['execute_script', { interpreter: 'sh', script: 'true', args: ['a\0b'] }],
    ['execute_script', { interpreter: 'sh', script: 'true', env: { A: 'a\0b' } }],
    ['execute_script', { interpreter: 'sh\0', script: 'true' }],
    ['execute_script', { interpreter: 'sh', path: 'a\0b' }],
    ['read_files', { paths: ['plain\0'] }],
    ['write_file', { path: 'a\0b', text: '' }],
    ['git_clone', { repo_url: 'https://example.org/a\0b' }],
  ])('%s takes no NUL: %j', async (type, input) => {
    expect(failure(await bench.run(type, input))).toMatchObject({ code: 'STEP_INPUT_INVALID' });
  });
});

const shellCleaning = async (pattern: string): Promise<void> => {
  await script('bash', `rm -rf -- ${pattern}`).catch(() => undefined);
};

describe('a file of the workspace', () => {
  it.each([
    ['../outside', 'PATH_NOT_ALLOWED'],
    ['a/../../../outside', 'PATH_NOT_ALLOWED'],
    ['/etc/passwd', 'PATH_NOT_ALLOWED'],
    ['.', 'PATH_NOT_ALLOWED'],
    ['x'.repeat(300), 'PATH_NOT_ALLOWED'],
    ['d/'.repeat(100), 'PATH_NOT_ALLOWED'],
    ['nothing', 'FILE_NOT_FOUND'],
  ])('is not read at %s', async (path, code) => {
    expect(failure(await bench.run('read_files', { paths: [path] })).code).toBe(code);
    if (code === 'PATH_NOT_ALLOWED')
      expect(failure(await bench.run('write_file', { path, text: '' })).code).toBe('PATH_NOT_ALLOWED');
  });

  it('is not read or written through a link that leads out, whether it is the file or a folder', async () => {
    await symlink(outside, inWorkspace('link')).catch(() => undefined);
    await symlink(bench.folder, inWorkspace('folder')).catch(() => undefined);
    for (const path of ['link', 'folder/outside'])
      expect(failure(await bench.run('read_files', { paths: [path] }))).toMatchObject({
        code: 'PATH_NOT_ALLOWED',
        message: expect.stringContaining('leads out of the workspace'),
      });
    expect(await bench.run('read_files', { globs: ['link', 'folder/*', '**/outside'] })).toMatchObject({
      output: { files: [] },
    });
    expect(failure(await bench.run('write_file', { path: 'folder/evil', text: 'x' })).code).toBe(
      'PATH_NOT_ALLOWED',
    );
    expect(failure(await bench.run('write_file', { path: 'link', text: 'x', append: true })).code).toBe(
      'PATH_NOT_ALLOWED',
    );
    // A link is replaced, not written through.
    expect(await bench.run('write_file', { path: 'link', text: 'mine' })).toMatchObject({
      kind: 'completed',
    });
    expect(await readFile(outside, 'utf8')).toBe(SECRET);
    expect((await readdir(bench.folder)).toSorted()).toEqual(['outside', 'work']);
    await shellCleaning('link folder');
  });

  it('is not left by a link that is put there while it is read or written', async () => {
    await mkdir(inWorkspace('swap'), { recursive: true });
    await writeFile(inWorkspace('swap/outside'), 'inside');
    const racing = script(
      'python3',
      'import os, sys\nos.symlink(sys.argv[1], "out")\nwhile not os.path.exists("stop"):\n' +
        '  os.rename("swap", "kept"); os.rename("out", "swap"); os.rename("swap", "out"); os.rename("kept", "swap")',
      { args: [bench.folder], timeout_ms: 60_000 },
    );
    let isRacing = true;
    void racing.finally(() => (isRacing = false));
    const seen = new Set<string>();
    for (let round = 0; isRacing && (round < 40 || seen.size < 2); round += 1) {
      const outcome = await bench.run('read_files', { paths: ['swap/outside'] });
      seen.add(outcome.kind === 'completed' ? JSON.stringify(outcome.output) : failure(outcome).code);
      await bench.run('write_file', { path: 'swap/new', text: String(round) });
      await bench.run('write_file', { path: 'swap/outside', text: 'inside' });
    }
    await writeFile(inWorkspace('stop'), '');
    await racing;
    expect([...seen].filter((text) => text.includes(SECRET))).toEqual([]);
    expect(await readFile(outside, 'utf8')).toBe(SECRET);
    expect((await readdir(bench.folder)).toSorted()).toEqual(['outside', 'work']);
    await shellCleaning('swap kept out stop');
  });

  it('is not appended to where it has another name, and a hard link is not written through', async () => {
    const other = join(bench.folder, 'work', 'other');
    await writeFile(other, SECRET);
    await link(other, inWorkspace('hard'));
    expect(failure(await bench.run('write_file', { path: 'hard', text: 'x', append: true }))).toMatchObject({
      code: 'PATH_NOT_ALLOWED',
      message: expect.stringContaining('hard link'),
    });
    await bench.run('write_file', { path: 'hard', text: 'x' });
    expect(await readFile(other, 'utf8')).toBe(SECRET);
  });

  it('that is a pipe, a folder or a device is refused at once', async () => {
    await script('bash', 'mkfifo pipe; mkdir -p folder');
    await symlink('/dev/zero', inWorkspace('zero')).catch(() => undefined);
    for (const path of ['pipe', 'folder', 'zero'])
      expect(failure(await bench.run('read_files', { paths: [path] })).code).toBe('PATH_NOT_ALLOWED');
    expect(failure(await bench.run('write_file', { path: 'pipe', text: 'x', append: true })).code).toBe(
      'PATH_NOT_ALLOWED',
    );
    await shellCleaning('pipe folder zero');
  });

  it('is read up to the limit, however large it says or unpacks to be', async () => {
    await writeFile(inWorkspace('sparse'), '');
    await truncate(inWorkspace('sparse'), 1024 ** 4);
    expect(
      await bench.run('read_files', { paths: ['sparse'], encoding: 'base64', max_bytes: 1000 }),
    ).toMatchObject({
      output: { files: [{ bytes: 1024 ** 4, truncated: true }], truncated: true },
    });
    await script('python3', 'import gzip; gzip.open("bomb.gz", "wb").write(b"0" * (10 << 20))');
    const outcome = await bench.run('read_files', { paths: ['bomb.gz'], encoding: 'base64' });
    expect(JSON.stringify(outcome).length).toBeLessThan(20_000);
    expect(failure(await bench.run('read_files', { paths: ['bomb.gz'] })).code).toMatch(/FILE_NOT_READABLE/);
    await shellCleaning('sparse bomb.gz');
  });

  it('is refused any mode that gives rights away', async () => {
    expect(failure(await bench.run('write_file', { path: 'x', text: '', mode: '4755' })).code).toBe(
      'STEP_INPUT_INVALID',
    );
  });

  it('is found among many only as far as that is bounded', async () => {
    const pattern = `${'*a'.repeat(100)}*b`;
    await bench.run('write_file', { path: 'a'.repeat(200), text: 'x' });
    expect(await bench.run('read_files', { globs: [pattern, `${'**/'.repeat(60)}none`] })).toMatchObject({
      output: { files: [] },
    });
  });

  it('is removed with its workspace, also where a script has closed the folder to its owner', async () => {
    await script(
      'bash',
      'mkdir -p locked/inner && touch locked/inner/x && chmod 000 locked/inner && chmod 500 locked',
    );
    await chmod(inWorkspace('locked'), 0o500);
    expect(await bench.run('write_file', { path: 'after', text: 'x' })).toMatchObject({ kind: 'completed' });
  });
});

describe('the executor', () => {
  it('still runs, and so do its steps', async () => {
    await stillWorks();
    expect(await bench.run('read_files', { paths: ['plain'] })).toMatchObject({
      output: { files: [{ text: 'plain' }] },
    });
  });
});
