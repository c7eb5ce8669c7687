/**
 * Model loads of a real Ollama that may hold one model at a time, counted from its own log: requests of three profiles (the same
 * model with three context sizes, each of which is a load of its own) in alternation, sent straight to it, all at once, in the order
 * of arrival; then the same as tasks through the platform. Needs the program `ollama` with the model in its store.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from '#libs/testing/nats-server.js';
import { startBenchPlatform } from './bench-platform.js';
import { report, round } from './bench-report.js';

const PROGRAM = process.env['OLLAMA_PROGRAM'] ?? 'ollama';
const MODEL = process.env['OLLAMA_TEST_MODEL'] ?? 'smollm2:135m';
const CONTEXTS = [512, 1_024, 2_048];
/** Ten of each profile. */
const REQUESTS = 30;
const TOKENS = 16;
const optionsOf = (n: number) => ({
  num_predict: TOKENS,
  num_ctx: CONTEXTS[n % CONTEXTS.length],
  seed: 7,
  temperature: 0,
});
const PROMPT = 'Write a very long story about a lighthouse keeper.';

/** What the server says once for each model that it has loaded. */
const LOADED = 'msg="loading model"';

type Server = {
  readonly url: string;
  readonly version: string;
  readonly loads: () => number;
  readonly stop: () => Promise<void>;
};

const startOllama = async (): Promise<Server | null> => {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(PROGRAM, ['serve'], {
    env: {
      ...process.env,
      OLLAMA_HOST: `127.0.0.1:${port}`,
      OLLAMA_MAX_LOADED_MODELS: '1',
      OLLAMA_NUM_PARALLEL: '1',
      OLLAMA_NO_CLOUD: '1',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const ended = once(child, 'exit');
  const failed = await Promise.race([
    once(child, 'spawn').then(() => false),
    once(child, 'error').then(() => true),
  ]);
  if (failed) return null;
  let loads = 0;
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (line.includes(LOADED)) loads += 1;
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await ended;
  };
  for (;;) {
    const version = await fetch(`${url}/api/version`).then(
      async (response) => ((await response.json()) as { version: string }).version,
      () => null,
    );
    if (version !== null) return { url, version, loads: () => loads, stop };
    if (child.exitCode !== null) return null;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
};

type Measured = { readonly loads: number; readonly seconds: number };

const measured = async (server: Server, run: () => Promise<void>): Promise<Measured> => {
  const [before, sinceMs] = [server.loads(), performance.now()];
  await run();
  return { loads: server.loads() - before, seconds: (performance.now() - sinceMs) / 1_000 };
};

const straight = async (url: string, n: number): Promise<void> => {
  const body = JSON.stringify({ model: MODEL, prompt: PROMPT, stream: false, options: optionsOf(n) });
  const response = await fetch(`${url}/api/generate`, { method: 'POST', body });
  const text = await response.text();
  if (!response.ok) throw new Error(`Ollama answered with ${response.status}: ${text}`);
};

const submitted = async (apiUrl: string, n: number): Promise<string> => {
  const response = await fetch(`${apiUrl}/api/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      template: 'ollama-inference',
      parameters: { model: MODEL, prompt: PROMPT, options: optionsOf(n) },
    }),
  });
  const { id } = (await response.json()) as { id: string };
  return id;
};

const completed = async (apiUrl: string, id: string): Promise<void> => {
  const text = await (await fetch(`${apiUrl}/api/v1/tasks/${id}/stream`)).text();
  if (!text.includes('event: task.completed'))
    throw new Error(`task ${id} did not complete: ${text.slice(-500)}`);
};

const server = await startOllama();
if (server === null) {
  process.stdout.write(
    `'${PROGRAM}' cannot be started: set OLLAMA_PROGRAM (test/ollama/README.md). Nothing was measured.\n`,
  );
  process.exit(0);
}
const dataDir = mkdtempSync(join(tmpdir(), 'bench-model-loads-'));
const numbers = Array.from({ length: REQUESTS }, (_, n) => n);
try {
  await straight(server.url, 0);
  process.stdout.write(
    `${REQUESTS} requests of ${CONTEXTS.length} profiles straight to Ollama ${server.version}\n`,
  );
  const plain = await measured(server, async () => {
    await Promise.all(numbers.map((n) => straight(server.url, n)));
  });
  process.stdout.write('the same through the platform\n');
  const servers = `servers:\n  - { id: ollama-1, url: '${server.url}', vram: 8GiB, slots: 1, device: cpu }\n`;
  const platform = await startBenchPlatform({ dataDir, durability: 'power-safe', servers });
  const ours = await measured(server, async () => {
    const ids = await Promise.all(numbers.map((n) => submitted(platform.apiUrl, n)));
    await Promise.all(ids.map((id) => completed(platform.apiUrl, id)));
  });
  await platform.stop();
  report(
    'model-loads',
    {
      requests: REQUESTS,
      profiles: CONTEXTS.length,
      loadsInArrivalOrder: plain.loads,
      loadsThroughPlatform: ours.loads,
      timesFewer: round(plain.loads / ours.loads),
      secondsInArrivalOrder: round(plain.seconds),
      secondsThroughPlatform: round(ours.seconds),
    },
    { ollama: server.version, model: MODEL },
  );
} finally {
  await server.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(0);
