import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export const isThere = (program: string, args: readonly string[]): boolean => {
  try {
    execFileSync(program, args, { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
};

const program = process.env['ORCHESTRA_TEST_PYTHON'] ?? 'python3';

/** What this machine has of Python. */
export const PYTHON = {
  program,
  isThere: isThere(program, ['--version']),
  hasNats: isThere(program, ['-c', 'import nats']),
};

/** A worker of a step type as a process of its own. */
export class WorkerProcess {
  readonly lines: string[] = [];
  readonly #changed = new EventTarget();

  private constructor(private readonly process: ChildProcess) {
    for (const stream of [process.stdout, process.stderr])
      if (stream)
        createInterface({ input: stream }).on('line', (line) => {
          this.lines.push(line);
          this.#changed.dispatchEvent(new Event('line'));
        });
  }

  static start(
    program: string,
    args: readonly string[],
    natsUrl: string,
    more: NodeJS.ProcessEnv = {},
  ): WorkerProcess {
    const env = { PATH: process.env['PATH'] ?? '', NATS_URL: natsUrl, ...more };
    return new WorkerProcess(
      spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true }),
    );
  }

  /** The worker of `wire-worker.mjs`. */
  static node(type: string, worker: string, natsUrl: string): WorkerProcess {
    return WorkerProcess.start(process.execPath, ['test/plugins/wire-worker.mjs', type, worker], natsUrl);
  }

  /** The example in Python; with a client of our own where there is no nats-py. */
  static python(natsUrl: string): WorkerProcess {
    const ours = { PYTHONPATH: 'test/plugins/python', PYTHONDONTWRITEBYTECODE: '1' };
    const more = PYTHON.hasNats ? {} : ours;
    return WorkerProcess.start(PYTHON.program, ['examples/plugins/word_count.py'], natsUrl, more);
  }

  /** Waits until it has said a line that begins so, and gives that. */
  async said(start: string): Promise<string> {
    for (;;) {
      const found = this.lines.find((line) => line.startsWith(start));
      if (found !== undefined) return found;
      if (this.process.exitCode !== null) throw new Error(`it ended: ${this.lines.join('\n')}`);
      await new Promise((resolve) => this.#changed.addEventListener('line', resolve, { once: true }));
    }
  }

  /** SIGKILL, with what it has started. */
  async kill(): Promise<void> {
    if (this.process.exitCode !== null || this.process.signalCode !== null) return;
    const gone = once(this.process, 'exit');
    process.kill(-Number(this.process.pid), 'SIGKILL');
    await gone;
  }
}
