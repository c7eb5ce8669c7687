/**
 * What the orchestra adds to a model call: a 100-token answer of a warm model, asked for directly and through the API in
 * alternation. The overhead of a pair is the difference of the two wall times as the client sees them: from sending the request
 * to having the whole answer. Needs a real Ollama.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBenchPlatform } from './bench-platform.js';
import { percentile, report, round } from './bench-report.js';

const OLLAMA = process.env['OLLAMA_HOST'] ?? 'http://127.0.0.1:11434';
const MODEL = process.env['OLLAMA_TEST_MODEL'] ?? 'smollm2:135m';
const PAIRS = Number(process.env['BENCH_PAIRS'] ?? 30);
const TOKENS = 100;
const NUM_CTX = 2048;

/** `ignore_eos` is not in the API; a seed and a high limit on an open question give 100 tokens every time with this model. */
const options = { num_predict: TOKENS, seed: 7, temperature: 0 };
const PROMPT = 'Write a very long story about a lighthouse keeper, with many chapters.';

const baseUrl = OLLAMA.includes('://') ? OLLAMA : `http://${OLLAMA}`;

const version = await fetch(`${baseUrl}/api/version`).then(
  async (response) => ((await response.json()) as { version: string }).version,
  () => null,
);
if (version === null) {
  process.stdout.write(
    `No Ollama answers at ${baseUrl}: start one, or set OLLAMA_HOST. Nothing was measured.\n`,
  );
  process.exit(0);
}

type Timed = { readonly wallMs: number; readonly tokens: number; readonly serverMs: number };

const direct = async (): Promise<Timed> => {
  const began = performance.now();
  const response = await fetch(`${baseUrl}/api/generate`, {
    method: 'POST',
    body: JSON.stringify({ model: MODEL, prompt: PROMPT, options: { ...options, num_ctx: NUM_CTX } }),
  });
  const lines = (await response.text()).trim().split('\n');
  const wallMs = performance.now() - began;
  const last = JSON.parse(lines.at(-1) ?? '{}') as { eval_count?: number; total_duration?: number };
  return { wallMs, tokens: last.eval_count ?? 0, serverMs: (last.total_duration ?? 0) / 1e6 };
};

const through = async (apiUrl: string): Promise<Timed> => {
  const began = performance.now();
  const submitted = await fetch(`${apiUrl}/api/v1/tasks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      template: 'ollama-inference',
      parameters: { model: MODEL, prompt: PROMPT, options: { ...options, num_ctx: NUM_CTX } },
    }),
  });
  const { id } = (await submitted.json()) as { id: string };
  const stream = await fetch(`${apiUrl}/api/v1/tasks/${id}/stream`);
  const text = await stream.text();
  const wallMs = performance.now() - began;
  const data = /event: task\.completed\ndata: (.*)\n/.exec(text)?.[1];
  if (data === undefined) throw new Error(`task ${id} did not complete: ${text.slice(-500)}`);
  const { step } = (JSON.parse(data) as { data: { step: { usage: { tokensOut: number; totalMs: number } } } })
    .data;
  return { wallMs, tokens: step.usage.tokensOut, serverMs: step.usage.totalMs };
};

const dataDir = mkdtempSync(join(tmpdir(), 'bench-overhead-'));
const platform = await startBenchPlatform({
  dataDir,
  durability: 'power-safe',
  servers: `servers:\n  - { id: ollama-1, url: '${baseUrl}', vram: 8GiB, slots: 1, device: cpu }\n`,
});
try {
  await through(platform.apiUrl);
  const pairs: { ours: Timed; plain: Timed }[] = [];
  for (let n = 0; n < PAIRS; n += 1) {
    const first = n % 2 === 0;
    const a = first ? await direct() : await through(platform.apiUrl);
    const b = first ? await through(platform.apiUrl) : await direct();
    pairs.push({ plain: first ? a : b, ours: first ? b : a });
    process.stdout.write(
      `pair ${n + 1}: direct ${round(pairs[n]?.plain.wallMs ?? 0)} ms, through ${round(pairs[n]?.ours.wallMs ?? 0)} ms\n`,
    );
  }
  // The model's own time differs from run to run by more than what is measured; each side's is taken off its wall time.
  const overhead = pairs.map(
    ({ ours, plain }) => ours.wallMs - ours.serverMs - (plain.wallMs - plain.serverMs),
  );
  const walls = pairs.map(({ ours, plain }) => ours.wallMs - plain.wallMs);
  report(
    'overhead',
    {
      pairs: PAIRS,
      tokens: pairs[0]?.ours.tokens ?? 0,
      directMsP50: round(
        percentile(
          pairs.map(({ plain }) => plain.wallMs),
          0.5,
        ),
      ),
      throughMsP50: round(
        percentile(
          pairs.map(({ ours }) => ours.wallMs),
          0.5,
        ),
      ),
      overheadMsP50: round(percentile(overhead, 0.5), 2),
      overheadMsP90: round(percentile(overhead, 0.9), 2),
      wallDifferenceMsP50: round(percentile(walls, 0.5), 2),
    },
    { ollama: version, model: MODEL },
  );
} finally {
  await platform.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
process.exit(0);
