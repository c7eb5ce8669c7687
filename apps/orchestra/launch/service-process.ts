import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Writable } from 'node:stream';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { restartDelayMs, STABLE_AFTER_MS } from './restart-delay.js';

export type ServiceProcessOptions = {
  readonly service: ServiceName;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly log: Writable;
  readonly say: (line: string) => void;
  readonly random: () => number;
};

/** Exit code of a service that refuses its configuration: starting it again would change nothing. */
const BAD_CONFIGURATION = 78;

/** A service that has not started by then is broken, or its broker is. */
const START_LIMIT_MS = 60_000;

/** Beyond the grace that the service itself takes (10 s by default) and its closing (5 s). */
const STOP_LIMIT_MS = 20_000;

/** Lines of a failed start that are shown. */
const SHOWN_LINES = 20;

/**
 * One service as a child process: started, watched, started again when it ends, stopped in order.
 *
 * `starting` → `running` on the child's message; any end while not `stopping` → `waiting`, then `starting` again; a bad
 * configuration or `stop` → `stopped`.
 */
export class ServiceProcess {
  #child: ChildProcess | null = null;
  #state: 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped' = 'stopped';
  #restarts = 0;
  #tail: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #watchers = new Set<() => void>();

  constructor(private readonly options: ServiceProcessOptions) {}

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get restarts(): number {
    return this.#restarts;
  }

  /** Resolves when the service says that it has started; rejects when it will not. */
  async start(): Promise<void> {
    this.#launch();
    await this.ready();
  }

  /** Resolves when the service runs (again). */
  async ready(): Promise<void> {
    const limit = Date.now() + START_LIMIT_MS;
    while (this.#state !== 'running') {
      if (this.#state === 'stopped')
        throw new Error(`${this.options.service} did not start:\n${this.#tail.join('\n')}`);
      if (Date.now() > limit)
        throw new Error(`${this.options.service} did not start within ${START_LIMIT_MS} ms`);
      await this.#change(limit - Date.now());
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGTERM, and SIGKILL when that is not heeded. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    const child = this.#child;
    if (child === null || child.exitCode !== null || child.signalCode !== null) {
      this.#enter('stopped');
      return;
    }
    this.#enter('stopping');
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
    await gone;
    clearTimeout(hard);
  }

  #launch(): void {
    const { program, args, env } = this.options;
    this.#enter('starting');
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'] });
    this.#child = child;
    const startedMs = Date.now();
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (part: Buffer) => this.#logged(part));
    child.on('message', (message) => {
      if ((message as { ready?: string }).ready !== undefined) this.#enter('running');
    });
    child.once('error', (error) => this.#logged(Buffer.from(`${error.message}\n`)));
    child.once('exit', (code, signal) => this.#ended(code, signal, Date.now() - startedMs));
  }

  #ended(code: number | null, signal: NodeJS.Signals | null, ranMs: number): void {
    const { service, say, random } = this.options;
    if (this.#state === 'stopping') return this.#enter('stopped');
    const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
    if (code === BAD_CONFIGURATION) {
      say(`${service} refuses its configuration:\n${this.#tail.join('\n')}`);
      return this.#enter('stopped');
    }
    if (ranMs >= STABLE_AFTER_MS) this.#restarts = 0;
    const delayMs = restartDelayMs(this.#restarts, random());
    this.#restarts += 1;
    say(`${service} ${how}; starting it again in ${delayMs} ms`);
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.#launch(), delayMs);
  }

  #logged(part: Buffer): void {
    this.options.log.write(part);
    this.#tail = [...this.#tail, ...part.toString('utf8').trimEnd().split('\n')].slice(-SHOWN_LINES);
  }

  #enter(state: 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped'): void {
    this.#state = state;
    for (const wake of this.#watchers) wake();
  }

  async #change(limitMs: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#watchers.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#watchers.add(done);
    });
  }
}
