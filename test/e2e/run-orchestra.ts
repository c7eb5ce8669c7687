import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';

/** The built program, as `npm run build` leaves it. */
const PROGRAM = 'dist/apps/orchestra/main.js';

export type Ended = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type Orchestra = {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  readonly ended: Promise<Ended>;
};

/** A variable of the machine's own would change what is tested. */
const CLEARED = /^(ORCHESTRA_(?!NATS_SERVER$)|NATS_URL$|OLLAMA_|NODE_OPTIONS$|NO_COLOR$)/;

/** No Ollama answers on port 1, whatever the machine has. */
export const NO_OLLAMA = { OLLAMA_HOST: '127.0.0.1:1' };

/** `orchestra <args>` as a process of its own, in a process group of its own as in a terminal. */
export const orchestra = (args: readonly string[], env: NodeJS.ProcessEnv = {}): Orchestra => {
  const inherited = Object.entries(process.env).filter(([name]) => !CLEARED.test(name));
  const child = spawn(process.execPath, [PROGRAM, ...args], {
    env: { ...Object.fromEntries(inherited), ...NO_OLLAMA, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  const [stdout, stderr]: [string[], string[]] = [[], []];
  child.stdout.on('data', (part: Buffer) => stdout.push(part.toString()));
  child.stderr.on('data', (part: Buffer) => stderr.push(part.toString()));
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout: stdout.join(''),
    stderr: stderr.join(''),
  }));
  return { child, stdout: () => stdout.join(''), stderr: () => stderr.join(''), ended };
};
