import { spawn, type ChildProcess } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';
import { StepError } from '../step-error.js';
import { endMarked, isGone, signalGroup } from './end-processes.js';
import { OutputCapture } from './output-capture.js';
import type { ProcessCap } from './process-cap.js';

export type Command = {
  readonly file: string;
  readonly args: readonly string[];
  /** Of the first process; what the program gets stands in `args`. */
  readonly env: Readonly<Record<string, string>>;
  readonly folder: string;
  readonly stdin: string;
  readonly sandboxed: boolean;
  /** Stands in the environment of a program without a sandbox, by which what it left behind is found. */
  readonly mark: string;
  /** Null where none can be had. */
  readonly cap: ProcessCap | null;
};

export type ContainedEnd = {
  /** As a shell says it: 128 and more for a signal. */
  readonly exitCode: number;
  readonly stdout: OutputCapture;
  readonly stderr: OutputCapture;
  readonly durationMs: number;
};

/** File descriptor on which bubblewrap says which process is the first of the sandbox. */
export const STATUS_FD = 3;
/** File descriptor that bubblewrap reads from before it starts the program. */
export const GATE_FD = 4;

/** What a program may write in all; beyond that nobody reads it any more. */
const WRITTEN_MAX_BYTES = 256 * 1024 * 1024;

/** The pipes of a program that was ended close with it; only without a sandbox something may hold on to them. */
const CLOSE_MARGIN_MS = 2_000;

/** Between two looks at whether what was killed is gone. */
const LOOK_MS = 5;

/** What is killed is gone in milliseconds, unless it waits for a disk, or is one of thousands on a machine with much else to do. */
const GONE_MAX_MS = 60_000;

/** The system takes these first when memory runs out, and gives them the processor last. */
const OOM_SCORE_MAX = '1000';
const NICENESS = 5;

/** One program with everything that it starts. When `ended` settles, nothing of it runs any more. */
export class ContainedProcess {
  readonly stdout: OutputCapture;
  readonly stderr: OutputCapture;
  readonly ended: Promise<ContainedEnd>;
  readonly #child: ChildProcess;
  readonly #startedMs = performance.now();
  #init: number | null = null;
  #why: StepError | null = null;
  #exited = false;

  constructor(
    private readonly command: Command,
    outputMaxBytes: number,
  ) {
    this.stdout = new OutputCapture(outputMaxBytes);
    this.stderr = new OutputCapture(outputMaxBytes);
    this.#child = spawned(command);
    this.ended = this.#end();
    this.#listen();
    this.#yieldToOthers();
  }

  /** First process of the sandbox; null without one, and until it is known. */
  get init(): number | null {
    return this.#exited ? null : this.#init;
  }

  /** Ends everything; `ended` rejects with the first reason. */
  stop(why: StepError): void {
    this.#why ??= why;
    this.#kill();
  }

  #listen(): void {
    const { stdin, stdout, stderr, stdio } = this.#child;
    // A program need not read what it is given.
    stdin?.on('error', () => undefined);
    stdin?.end(this.command.stdin);
    stdout?.on('data', (part: Buffer) => this.#written(this.stdout, part));
    stderr?.on('data', (part: Buffer) => this.#written(this.stderr, part));
    let status = '';
    const statusPipe = stdio[STATUS_FD];
    if (statusPipe && 'setEncoding' in statusPipe) {
      statusPipe.on('data', (part: Buffer) => {
        status += part.toString();
        if (this.#init === null) this.#begin(Number(/"child-pid":\s*(\d+)/.exec(status)?.[1] ?? 0) || null);
        if (this.#why !== null) this.#kill();
      });
    }
  }

  /** The first process of the sandbox is known and waits: what it starts is counted from the first on. */
  #begin(init: number | null): void {
    if (init === null) return;
    this.#init = init;
    this.command.cap?.takeIn(init);
    const gate = this.#child.stdio[GATE_FD];
    if (!gate || !('end' in gate)) return;
    gate.on('error', () => undefined);
    gate.end('\n');
  }

  #written(capture: OutputCapture, part: Buffer): void {
    capture.push(part);
    if (this.stdout.bytes + this.stderr.bytes <= WRITTEN_MAX_BYTES) return;
    this.stop(
      new StepError(
        'PROGRAM_OVER_LIMIT',
        `The program wrote more than ${WRITTEN_MAX_BYTES} bytes, which are accepted.`,
      ),
    );
  }

  #yieldToOthers(): void {
    const { pid } = this.#child;
    if (pid === undefined) return;
    try {
      setPriority(pid, NICENESS);
      writeFileSync(`/proc/${pid}/oom_score_adj`, OOM_SCORE_MAX);
    } catch {
      // It has ended already, or this system has no such thing.
    }
  }

  #kill(): void {
    const { pid } = this.#child;
    if (pid === undefined || this.#exited) return;
    // The first process of a sandbox takes all others with it; until it is known it stands in the group of its parent.
    if (this.#init !== null) signalOne(this.#init);
    signalGroup(pid);
  }

  async #end(): Promise<ContainedEnd> {
    const closed = new Promise<void>((resolve) => this.#child.once('close', () => resolve()));
    try {
      const exitCode = await exitOf(this.#child);
      const durationMs = performance.now() - this.#startedMs;
      this.#exited = true;
      await this.#endRest();
      await closedSoon(this.#child, closed);
      if (this.#why !== null) throw this.#why;
      return { exitCode, stdout: this.stdout, stderr: this.stderr, durationMs: Math.round(durationMs) };
    } finally {
      this.command.cap?.remove();
    }
  }

  /** The program has ended; what it left running is ended too. */
  async #endRest(): Promise<void> {
    const { sandboxed, mark } = this.command;
    if (this.#child.pid !== undefined) signalGroup(this.#child.pid);
    if (!sandboxed) await endMarked(mark);
    const init = this.#init;
    if (init === null) return;
    const limitMs = performance.now() + GONE_MAX_MS;
    while (!(await isGone(init)) && performance.now() < limitMs)
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** Throws what the system says at once; the rest comes as an event. */
const spawned = ({ file, args, env, folder, sandboxed, cap }: Command): ChildProcess => {
  try {
    return spawn(file, [...args], {
      env,
      cwd: folder,
      detached: true,
      stdio: ['pipe', 'pipe', 'pipe', ...(sandboxed ? (['pipe', 'pipe'] as const) : [])],
    });
  } catch (error) {
    cap?.remove();
    throw notStarted(error as NodeJS.ErrnoException);
  }
};

const notStarted = ({ code, message }: NodeJS.ErrnoException): StepError =>
  code === 'E2BIG'
    ? new StepError(
        'STEP_INPUT_INVALID',
        'args and env are too large for this system; accepted: less than its limit, often 128 KiB for one and 2 MiB for all.',
      )
    : new StepError('INTERNAL', `The program could not be started: ${message}`);

const signalOne = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It is gone.
  }
};

const exitOf = async (child: ChildProcess): Promise<number> =>
  await new Promise((resolve, reject) => {
    child.once('error', (error: NodeJS.ErrnoException) => reject(notStarted(error)));
    child.once('exit', (code, signal) =>
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal])),
    );
  });

const closedSoon = async (child: ChildProcess, closed: Promise<void>): Promise<void> => {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, CLOSE_MARGIN_MS)));
  await Promise.race([closed, late]);
  clearTimeout(timer);
  for (const stream of child.stdio) stream?.destroy();
};
