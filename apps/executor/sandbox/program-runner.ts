import { randomUUID } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { StepError } from '../step-error.js';
import { fullError, usedBytes, type Workspace } from '../workspace/workspace.js';
import {
  ContainedProcess,
  GATE_FD,
  STATUS_FD,
  type Command,
  type ContainedEnd,
} from './contained-process.js';
import { PROGRAM_FOLDERS, type Sandbox } from './find-sandbox.js';
import { ProcessCap } from './process-cap.js';
import { heldBy } from './process-watch.js';
import type { ProgramSlots } from './program-slots.js';
import { limitArguments, sandboxArguments, type Mount } from './sandbox-arguments.js';

export type ProgramRunnerOptions = {
  readonly sandbox: Sandbox;
  /** Programs run without a sandbox where there is none. */
  readonly unsandboxed: boolean;
  readonly memoryMaxBytes: number;
  readonly processesMax: number;
  readonly timeoutMaxMs: number;
  readonly slots: ProgramSlots;
  /** Absolute; null where this machine lacks it. */
  readonly prlimit: string | null;
};

export type Program = {
  /** Absolute, as the program is seen: in a system folder, or a mount's. */
  readonly file: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly stdin?: string;
};

export type ProgramRequest = {
  readonly workspace: Workspace;
  /** Besides the workspace and a /tmp. */
  readonly mounts: readonly Mount[];
  /** Working folder; the workspace or one below it. */
  readonly folder: string;
  readonly network: boolean;
  readonly timeoutMs: number;
  readonly outputMaxBytes: number;
  readonly signal: AbortSignal;
  /** `seen` tells where the program finds a mount's source, or a file below it. */
  readonly program: (seen: (source: string) => string) => Program;
};

export type ProgramEnd = ContainedEnd & { readonly sandboxed: boolean };

/** Between two looks at the memory and the processes of a program. */
const WATCH_MS = 100;

/** Beyond the limit the watch ends the program and says why; the kernel refuses only what comes between two looks. */
const CAP_FACTOR = 2;

/** Between two looks at the disk; where that takes long, because there are many files, it is a tenth of the time at most. */
const DISK_WATCH_MS = 500;
const DISK_SHARE = 10;

const WORKSPACE_SEEN = '/workspace';

/** Runs programs of steps: in a sandbox, with limits, and with nothing left of them when `run` settles. */
export class ProgramRunner {
  constructor(private readonly options: ProgramRunnerOptions) {}

  /** Rejects with `StepError` where programs may not run, and for one that was ended: by its time, a limit, or the signal. */
  async run(request: ProgramRequest): Promise<ProgramEnd> {
    this.#refuse(request);
    const give = await this.options.slots.take(request.signal);
    try {
      const command = await this.#command(request);
      const end = await this.#watched(new ContainedProcess(command, request.outputMaxBytes), request);
      if ((await usedBytes(request.workspace)) > request.workspace.maxBytes)
        throw fullError(request.workspace.maxBytes);
      return { ...end, sandboxed: command.sandboxed };
    } finally {
      give();
    }
  }

  #refuse({ timeoutMs }: ProgramRequest): void {
    const { sandbox, unsandboxed, timeoutMaxMs } = this.options;
    if (sandbox.kind === 'none' && !unsandboxed)
      throw new StepError(
        'SANDBOX_UNAVAILABLE',
        `This executor has no sandbox: ${sandbox.why}. Install bubblewrap, or set ORCHESTRA_UNSANDBOXED=allow where every template is trusted.`,
      );
    if (timeoutMs > timeoutMaxMs)
      throw new StepError(
        'STEP_NOT_ALLOWED',
        `timeout_ms ${timeoutMs} is more than ${timeoutMaxMs}, which are allowed (ORCHESTRA_PROGRAM_TIMEOUT_MAX_MS).`,
      );
  }

  async #command(request: ProgramRequest): Promise<Command> {
    const { sandbox, prlimit } = this.options;
    const { workspace, timeoutMs } = request;
    const tmp = join(workspace.scratch, 'tmp');
    await mkdir(tmp, { recursive: true });
    const mounts: readonly Mount[] = [
      { source: workspace.files, target: WORKSPACE_SEEN, writable: true },
      { source: tmp, target: '/tmp', writable: true },
      ...request.mounts,
    ];
    const sandboxed = sandbox.kind === 'bwrap';
    const seen = (source: string): string => (sandboxed ? targetOf(source, mounts) : source);
    const program = request.program(seen);
    const mark = `ORCHESTRA_PROGRAM=${randomUUID()}`;
    const env = {
      PATH: PROGRAM_FOLDERS.join(':'),
      HOME: seen(workspace.files),
      TMPDIR: seen(tmp),
      LANG: 'C.UTF-8',
      ...program.env,
    };
    const limits = limitArguments({
      memoryBytes: this.options.memoryMaxBytes,
      cpuSeconds: Math.ceil(timeoutMs / 1000),
      fileBytes: workspace.maxBytes,
      processes: sandboxed ? this.options.processesMax : null,
    });
    const inner = [
      ...(prlimit === null ? [] : [prlimit, ...limits]),
      '/usr/bin/env',
      '-i',
      ...Object.entries(env).map(([name, value]) => `${name}=${value}`),
      ...(sandboxed ? [] : [mark]),
      program.file,
      ...program.args,
    ];
    const given = { stdin: program.stdin ?? '', sandboxed, mark, env: { PATH: env.PATH } };
    if (sandbox.kind === 'none') {
      const [file = '', ...args] = inner;
      return { ...given, file, args, folder: request.folder, cap: null };
    }
    const { features, system } = sandbox;
    const outer = sandboxArguments({
      features,
      system,
      mounts,
      folder: seen(request.folder),
      network: request.network,
    });
    return {
      ...given,
      file: sandbox.path,
      args: [...outer, '--json-status-fd', String(STATUS_FD), '--block-fd', String(GATE_FD), '--', ...inner],
      folder: '/',
      cap: ProcessCap.make(this.options.processesMax * CAP_FACTOR),
    };
  }

  async #watched(running: ContainedProcess, request: ProgramRequest): Promise<ContainedEnd> {
    const { timeoutMs, signal } = request;
    const timer = setTimeout(
      () =>
        running.stop(
          new StepError('STEP_TIMED_OUT', `The program ran longer than ${timeoutMs} ms (timeout_ms).`),
        ),
      timeoutMs,
    );
    const aborted = (): void => running.stop(new StepError('RUN_ABORTED', 'aborted while the program ran'));
    if (signal.aborted) aborted();
    signal.addEventListener('abort', aborted, { once: true });
    let over = false;
    const watching = this.#watch(running, request.workspace, () => over);
    try {
      return await running.ended;
    } finally {
      over = true;
      clearTimeout(timer);
      signal.removeEventListener('abort', aborted);
      await watching;
    }
  }

  async #watch(running: ContainedProcess, workspace: Workspace, over: () => boolean): Promise<void> {
    const { memoryMaxBytes, processesMax } = this.options;
    let diskLookMs = performance.now() + DISK_WATCH_MS;
    while (!over()) {
      await Promise.race([pause(WATCH_MS), running.ended.catch(() => undefined)]);
      if (over()) return;
      const held = running.init === null ? null : await heldBy(running.init, processesMax);
      if (held !== null && held.tasks > processesMax)
        running.stop(overLimit(`had more than ${processesMax} processes`, 'ORCHESTRA_PROGRAM_PROCESSES_MAX'));
      if (held !== null && held.memoryBytes > memoryMaxBytes)
        running.stop(
          overLimit(`held more than ${memoryMaxBytes} bytes of memory`, 'ORCHESTRA_PROGRAM_MEMORY_MAX_BYTES'),
        );
      const beganMs = performance.now();
      if (beganMs < diskLookMs) continue;
      if ((await usedBytes(workspace)) > workspace.maxBytes) running.stop(fullError(workspace.maxBytes));
      const tookMs = performance.now() - beganMs;
      diskLookMs = performance.now() + Math.max(DISK_WATCH_MS, tookMs * DISK_SHARE);
    }
  }
}

const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

const overLimit = (what: string, setting: string): StepError =>
  new StepError('PROGRAM_OVER_LIMIT', `The program ${what}, which are allowed (${setting}).`);

const targetOf = (source: string, mounts: readonly Mount[]): string => {
  const mount = mounts.find(
    (candidate) => source === candidate.source || source.startsWith(`${candidate.source}/`),
  );
  return mount === undefined ? source : mount.target + source.slice(mount.source.length);
};
