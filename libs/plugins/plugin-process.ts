import { fork, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { PLUGIN_LIMITS } from '#libs/contracts/plugin-wire.js';

/** What a process says of itself; `crashed`: it threw where nobody caught it. */
type Said =
  | { readonly kind: 'described' | 'completed'; readonly text: string }
  | { readonly kind: 'log'; readonly message: string }
  | {
      readonly kind: 'progress';
      readonly message: string;
      readonly completed?: number;
      readonly total?: number;
    }
  | { readonly kind: 'unserialisable' | 'crashed'; readonly message: string }
  | { readonly kind: 'too-large'; readonly bytes: number }
  | { readonly kind: 'failed'; readonly message: string; readonly retry: boolean };

/** How a process ended; `crashed` also means that it ended before it had a result. */
export type ProcessEnd =
  | { readonly kind: 'described' | 'completed'; readonly value: unknown }
  | Extract<Said, { readonly kind: 'unserialisable' | 'crashed' | 'too-large' | 'failed' }>
  | { readonly kind: 'out-of-memory' }
  | { readonly kind: 'timed-out' }
  | { readonly kind: 'aborted' };

export type ProcessLimits = { readonly memoryMaxBytes: number; readonly timeoutMs: number };

export type ProcessOptions = ProcessLimits & {
  readonly data: Readonly<Record<string, unknown>>;
  readonly signal: AbortSignal;
  readonly log: (line: string) => void;
  readonly progress: (message: string, completed?: number, total?: number) => void;
};

/** Time for a plugin that is asked to stop; then its process is ended. */
const ABORT_GRACE_MS = 2_000;
const MIB = 1024 * 1024;
/** What V8 says on its way out. */
const OUT_OF_MEMORY = 'heap out of memory';

const MAIN = fileURLToPath(
  new URL(`./process-main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url),
);

/** Runs one task of a plugin in a process of its own, without the environment of this one. Never rejects. */
export const runProcess = async (options: ProcessOptions): Promise<ProcessEnd> => {
  const { data, signal, memoryMaxBytes, timeoutMs } = options;
  if (signal.aborted) return { kind: 'aborted' };
  const child = fork(MAIN, [], {
    env: {},
    execArgv: [`--max-old-space-size=${Math.max(16, Math.round(memoryMaxBytes / MIB))}`],
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  const { promise, resolve } = Promise.withResolvers<ProcessEnd>();
  const timers = [setTimeout(() => resolve({ kind: 'timed-out' }), timeoutMs)];
  const aborted = (): void => {
    tell(child, { kind: 'abort' });
    timers.push(setTimeout(() => resolve({ kind: 'aborted' }), ABORT_GRACE_MS));
  };
  signal.addEventListener('abort', aborted, { once: true });
  listen(child, options, resolve);
  tell(child, data);
  const end = await promise;
  for (const timer of timers) clearTimeout(timer);
  signal.removeEventListener('abort', aborted);
  await ended(child);
  return signal.aborted ? { kind: 'aborted' } : end;
};

/** One that is ending does not listen any more; its end is heard all the same. */
const tell = (child: ChildProcess, message: object): void => void child.send(message, () => undefined);

const ended = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  const gone = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await gone;
};

const listen = (child: ChildProcess, options: ProcessOptions, resolve: (end: ProcessEnd) => void): void => {
  let passedOn = 0;
  let isOutOfMemory = false;
  const bounded = (pass: () => void): void => {
    passedOn += 1;
    if (passedOn <= PLUGIN_LIMITS.messagesPerRun) pass();
  };
  const line = (text: string): void => bounded(() => options.log(text.slice(0, PLUGIN_LIMITS.messageChars)));
  child.on('message', (said: Said) => {
    switch (said.kind) {
      case 'log':
        return line(said.message);
      case 'progress':
        return bounded(() => options.progress(said.message, said.completed, said.total));
      case 'described':
      case 'completed':
        return resolve({ kind: said.kind, value: JSON.parse(said.text) });
      default:
        return resolve(said);
    }
  });
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      const text = chunk.toString('utf8');
      isOutOfMemory ||= stream === child.stderr && text.includes(OUT_OF_MEMORY);
      for (const part of text.split('\n')) if (part !== '') line(part);
    });
  child.on('error', (error) => resolve({ kind: 'crashed', message: error.message }));
  // Its streams are read to their end then, and what it said before is here.
  child.on('close', (code, signal) =>
    resolve(
      isOutOfMemory && signal !== null
        ? { kind: 'out-of-memory' }
        : {
            kind: 'crashed',
            message: `it ended (${signal ?? `exit code ${code}`}) before it had a result`,
          },
    ),
  );
};
