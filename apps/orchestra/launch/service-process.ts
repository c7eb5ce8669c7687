import { spawn, type ChildProcess } from 'node:child_process';
import type { ServiceName } from '#libs/contracts/subjects.js';
import { LineSplitter } from './line-splitter.js';
import { restartDelayMs, restartsBefore } from './restart-delay.js';

export type ServiceProcessOptions = {
  readonly service: ServiceName;
  readonly program: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  /** Gets what the service writes, as it comes. */
  readonly log: { readonly write: (part: Uint8Array) => void; readonly close: () => void };
  /** Gets it line by line. */
  readonly onLine?: (line: string) => void;
  readonly say: (line: string) => void;
  readonly random: () => number;
  readonly limits?: ServiceLimits;
};

export type ServiceLimits = {
  /** A service that has not started by then is broken, or its broker is: it is ended and started again. */
  readonly startMs: number;
  /** After this a stop is no longer asked for but enforced. */
  readonly stopMs: number;
};

/** The stop is beyond the grace that a service takes by default (10 s) and its closing (5 s). */
const LIMITS: ServiceLimits = { startMs: 60_000, stopMs: 20_000 };

/** Exit code of a service that refuses its configuration: starting it again would change nothing. */
const BAD_CONFIGURATION = 78;

/** Lines that are shown of a service that does not start. */
const SHOWN_LINES = 20;

type State = 'starting' | 'running' | 'waiting' | 'stopping' | 'stopped';

/**
 * One service as a child process: started, watched, started again when it ends, stopped in order.
 *
 * `starting` → `running` on the child's message; any end while not `stopping` → `waiting`, then `starting` again; a bad
 * configuration or `stop` → `stopped`.
 */
export class ServiceProcess {
  #child: ChildProcess | null = null;
  #state: State = 'stopped';
  /** Since it last ran for long. */
  #failures = 0;
  #restarts = 0;
  #tail: string[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #watchers = new Set<() => void>();
  readonly #limits: ServiceLimits;

  constructor(private readonly options: ServiceProcessOptions) {
    this.#limits = options.limits ?? LIMITS;
  }

  /** Undefined while no process is there. */
  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** How often it was started again. */
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
    const { service } = this.options;
    const limit = Date.now() + this.#limits.startMs;
    while (this.#state !== 'running') {
      if (this.#state === 'stopped') throw new Error(`${service} did not start${this.#lastLines()}`);
      if (Date.now() >= limit)
        throw new Error(`${service} did not start within ${this.#limits.startMs} ms${this.#lastLines()}`);
      await this.#change(limit - Date.now());
    }
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** SIGKILL, and resolves when the end was noticed; the restart is under way then. */
  async kill(): Promise<void> {
    const child = this.#child;
    child?.kill('SIGKILL');
    while (child !== null && this.#child === child) await this.#change(this.#limits.stopMs);
  }

  /** SIGTERM, and SIGKILL when that is not heeded. */
  async stop(): Promise<void> {
    clearTimeout(this.#timer);
    if (this.#child === null) this.#enter('stopped');
    else this.#enter('stopping');
    this.#child?.kill('SIGTERM');
    const hard = setTimeout(() => this.#child?.kill('SIGKILL'), this.#limits.stopMs);
    while (this.#child !== null) await this.#change(this.#limits.stopMs);
    clearTimeout(hard);
    this.options.log.close();
  }

  #launch(): void {
    const { program, args, env } = this.options;
    const startedMs = Date.now();
    // In a group of its own: Ctrl-C in the terminal reaches the launcher alone, which then stops everything in order.
    const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe', 'ipc'], detached: true });
    this.#child = child;
    this.#enter('starting');
    this.#timer = setTimeout(() => child.kill('SIGKILL'), this.#limits.startMs);
    for (const stream of [child.stdout, child.stderr]) this.#copy(stream);
    child.on('message', (message) => {
      if ((message as { ready?: string } | null)?.ready === undefined || this.#state !== 'starting') return;
      clearTimeout(this.#timer);
      this.#enter('running');
    });
    child.once('error', (error) => {
      this.#keep(error.message);
      // Only a process that never came to be has no id, and nothing else will be heard of it.
      if (child.pid === undefined) this.#ended(`could not be started: ${error.message}`, null, 0);
    });
    // Not 'exit': the last lines may still be under way then.
    child.once('close', (code, signal) => {
      const how = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
      if (child.pid !== undefined) this.#ended(how, code, Date.now() - startedMs);
    });
  }

  #ended(how: string, code: number | null, ranMs: number): void {
    const { service, say, random } = this.options;
    clearTimeout(this.#timer);
    this.#child = null;
    if (this.#state === 'stopping') return this.#enter('stopped');
    if (code === BAD_CONFIGURATION) {
      say(`${service} refuses its configuration; it is not started again${this.#lastLines()}`);
      return this.#enter('stopped');
    }
    this.#failures = restartsBefore(this.#failures, ranMs);
    const delayMs = restartDelayMs(this.#failures, random());
    this.#failures += 1;
    this.#restarts += 1;
    say(`${service} ${how}; starting it again in ${delayMs} ms`);
    this.#enter('waiting');
    this.#timer = setTimeout(() => this.#launch(), delayMs);
  }

  #copy(stream: NodeJS.ReadableStream | null): void {
    const lines = new LineSplitter();
    stream?.on('data', (part: Buffer) => {
      this.options.log.write(part);
      for (const line of lines.push(part)) this.#keep(line);
    });
    stream?.on('end', () => {
      for (const line of lines.end()) this.#keep(line);
    });
  }

  #keep(line: string): void {
    this.options.onLine?.(line);
    this.#tail = [...this.#tail, line].slice(-SHOWN_LINES);
  }

  #lastLines(): string {
    return this.#tail.length === 0 ? '' : `:\n${this.#tail.map((line) => `  ${line}`).join('\n')}`;
  }

  #enter(state: State): void {
    this.#state = state;
    for (const wake of this.#watchers) wake();
  }

  /** Until the state changes, or the limit has passed. */
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
