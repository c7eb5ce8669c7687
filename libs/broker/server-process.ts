import { spawn, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { open, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';

/** Recovery of large streams comes before the port opens; a hundred million events took a few minutes in others' reports. */
const READY_LIMIT_MS = 300_000;
const POLL_MS = 20;
const GREETING_LIMIT_MS = 5_000;

/** A server that was asked to stop writes its indexes first; then it is ended anyway. */
const STOP_LIMIT_MS = 20_000;

export type ServerProcess = {
  readonly pid: number;
  /** Resolves when the process has ended, with a sentence that says how. */
  readonly ended: Promise<string>;
  /** SIGTERM, and SIGKILL when that is not heeded. */
  readonly stop: () => Promise<void>;
  readonly signal: (signal: NodeJS.Signals) => void;
};

export class NatsServerFailedError extends Error {
  override readonly name = 'NatsServerFailedError';
}

export type ServerProcessOptions = {
  readonly path: string;
  readonly args: readonly string[];
  readonly host: string;
  readonly port: number;
  /** Standard output and error are appended here. */
  readonly logFile: string;
  /** Where its configuration includes its name from. A server that was named by an argument refuses to read its configuration again. */
  readonly nameFile?: string;
};

/** What Go and the system look at; the rest is nothing to it, and may hold secrets. */
const brokerEnvironment = (env: NodeJS.ProcessEnv): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(env).filter(([name]) => /^(PATH|HOME|TMPDIR|TZ|GO[A-Z]*)$/.test(name)));

/** Starts a nats-server and resolves when it greets clients, which it does after JetStream has recovered its streams. */
export const startServerProcess = async (options: ServerProcessOptions): Promise<ServerProcess> => {
  const log = await open(options.logFile, 'a');
  const name = `orchestra-${randomUUID()}`;
  // In a group of its own: Ctrl-C in the terminal reaches the launcher alone, which stops the broker last.
  const { nameFile } = options;
  if (nameFile !== undefined) await writeFile(nameFile, `server_name: ${JSON.stringify(name)}\n`);
  const named = nameFile === undefined ? ['--name', name] : [];
  const child = spawn(options.path, [...options.args, ...named], {
    env: brokerEnvironment(process.env),
    stdio: ['ignore', log.fd, log.fd],
    detached: true,
  });
  const ended = endOf(child);
  await log.close();
  const end: { how: string | null } = { how: null };
  void ended.then((how) => (end.how = how));
  const { pid } = child;
  const limit = Date.now() + READY_LIMIT_MS;
  while (pid === undefined || !(await greets(options.host, options.port, name))) {
    if (end.how !== null)
      throw new NatsServerFailedError(`${options.path} ${end.how}; its log is ${options.logFile}`);
    if (Date.now() > limit) {
      child.kill('SIGKILL');
      throw new NatsServerFailedError(
        `${options.path} does not answer on ${options.host}:${options.port} after ${READY_LIMIT_MS} ms; ` +
          `its log is ${options.logFile}`,
      );
    }
    await wait(POLL_MS);
  }
  return {
    pid,
    ended,
    signal: (signal) => void child.kill(signal),
    stop: async () => {
      child.kill('SIGTERM');
      const hard = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
      await ended;
      clearTimeout(hard);
    },
  };
};

const endOf = async (child: ChildProcess): Promise<string> =>
  await new Promise((resolve) => {
    child.once('error', (error) => resolve(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`),
    );
  });

/** True when a client is greeted there by the server of this name; another server may have the port. */
const greets = async (host: string, port: number, name: string): Promise<boolean> =>
  await new Promise((resolve) => {
    const socket = connect({ host, port });
    const answer = (greeted: boolean): void => {
      socket.destroy();
      resolve(greeted);
    };
    socket.setTimeout(GREETING_LIMIT_MS, () => answer(false));
    socket.once('error', () => answer(false));
    socket.once('close', () => answer(false));
    socket.once('data', (data) => answer(data.toString('latin1').includes(name)));
  });
