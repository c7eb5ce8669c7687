import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { CommandError, EXIT } from '../exit-codes.js';
import { ollamaUrl } from '../launch/default-servers.js';

export type DemoServer = {
  readonly url: string;
  readonly model: string;
  readonly kind: 'ollama' | 'simulator';
  readonly stop: () => Promise<void>;
};

/** An Ollama that is there answers within milliseconds. */
const ANSWER_LIMIT_MS = 3_000;
const START_LIMIT_MS = 30_000;

/** One of those that the simulator knows. */
const SIMULATED_MODEL = 'llama3.2:1b';

const SIMULATOR = fileURLToPath(new URL('../../../libs/testing/ollama-simulator/main.js', import.meta.url));

/** The Ollama of this machine with its smallest model, or the simulator where there is none; says which. */
export const demoServer = async (
  env: NodeJS.ProcessEnv,
  say: (line: string) => void,
): Promise<DemoServer> => {
  const url = ollamaUrl(env);
  const found = await installedModel(url);
  if (typeof found === 'object') {
    say(`Ollama ${found.version} answers at ${url}; using its model ${found.model}`);
    return { url, model: found.model, kind: 'ollama', stop: () => Promise.resolve() };
  }
  say(
    found === 'no-model'
      ? `Ollama answers at ${url} but has no model (ollama pull llama3.2:1b gets one).`
      : `No Ollama answers at ${url}.`,
  );
  say('Starting the simulator instead: it behaves like Ollama, but its answers are made-up words.');
  return await startSimulator();
};

const installedModel = async (
  url: string,
): Promise<{ readonly model: string; readonly version: string } | 'no-model' | 'no-server'> => {
  try {
    const signal = AbortSignal.timeout(ANSWER_LIMIT_MS);
    const tags = (await (await fetch(`${url}/api/tags`, { signal })).json()) as {
      models?: { name: string; size: number; details?: { family?: string } }[];
    };
    const { version } = (await (await fetch(`${url}/api/version`, { signal })).json()) as { version: string };
    const speaking = (tags.models ?? []).filter(({ details }) => !/bert|embed/i.test(details?.family ?? ''));
    const [smallest] = speaking.toSorted((a, b) => a.size - b.size);
    return smallest ? { model: smallest.name, version } : 'no-model';
  } catch {
    return 'no-server';
  }
};

const startSimulator = async (): Promise<DemoServer> => {
  // In a group of its own, so that Ctrl-C reaches the demo alone; where the demo ends at once, the simulator does too.
  const child = spawn(process.execPath, [SIMULATOR, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    detached: true,
  });
  const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = (): void => void child.kill('SIGKILL');
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await gone;
    process.off('exit', kill);
  };
  try {
    const signal = AbortSignal.timeout(START_LIMIT_MS);
    const ended = gone.then(() => {
      throw new Error('the simulator ended before it had started');
    });
    const [line] = (await Promise.race([
      once(createInterface({ input: child.stdout }), 'line', { signal }),
      ended,
    ])) as [string];
    const { url } = JSON.parse(line) as { readonly url: string };
    return { url, model: SIMULATED_MODEL, kind: 'simulator', stop };
  } catch (error) {
    kill();
    throw new CommandError(EXIT.notStarted, `The simulator did not start: ${(error as Error).message}`);
  }
};
