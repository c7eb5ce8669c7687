import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

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

  static start(program: string, args: readonly string[], natsUrl: string): WorkerProcess {
    const env = { PATH: process.env['PATH'] ?? '', NATS_URL: natsUrl };
    return new WorkerProcess(
      spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'], detached: true }),
    );
  }

  /** The worker of `wire-worker.mjs`. */
  static node(type: string, worker: string, natsUrl: string): WorkerProcess {
    return WorkerProcess.start(process.execPath, ['test/plugins/wire-worker.mjs', type, worker], natsUrl);
  }

  /** Waits until it has said a line that begins so. */
  async said(start: string): Promise<void> {
    while (!this.lines.some((line) => line.startsWith(start))) {
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
