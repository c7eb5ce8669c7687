import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import type { GenerateRequest, ModelRequest, RunHooks } from '#libs/model-runner/model-runner.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import type { StepContext, StepResult } from '../step-runner.js';
import { ollamaAnalyzeStep } from './ollama-analyze.step.js';

const MODEL = 'llama3.2:1b';
const profile = { model: MODEL, options: { numCtx: 2_048 } };

/** The real adapter, which also shows what it was asked and what came back. */
class ShowingRunner extends OllamaModelRunner {
  readonly asked: GenerateRequest[] = [];
  readonly answers: string[] = [];
  tokensIn = 0;

  override async run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal) {
    if (request.kind === 'generate') this.asked.push(request);
    const answer = await super.run(request, hooks, signal);
    this.answers.push(answer.text);
    this.tokensIn += answer.usage.tokensIn;
    return answer;
  }
}

type Output = {
  readonly text: string;
  readonly parts: readonly {
    readonly name: string;
    readonly part: number;
    readonly of: number;
    readonly text: string;
  }[];
  readonly chunks: number;
  readonly calls: number;
  readonly shortened: number;
};

let simulator: OllamaSimulator;
let runner: ShowingRunner;
let told: unknown[][];
let spoken: string;

beforeEach(async () => {
  simulator = await startOllamaSimulator({ timeScale: 1_000 });
  runner = new ShowingRunner({ baseUrl: simulator.url });
  told = [];
  spoken = '';
  await runner.load(profile);
});
afterEach(async () => {
  await simulator.stop();
});

const analyze = async (
  input: Readonly<Record<string, unknown>>,
  more: Partial<StepContext> = {},
): Promise<StepResult & { readonly output: Output }> => {
  const context: StepContext = {
    taskId: 't1',
    stepId: 's1',
    input: { model: MODEL, prompt: 'What is said of the sea?', ...input },
    requirement: { kind: 'model', profile },
    redactor: NO_SECRETS,
    attempt: 1,
    model: async () => runner,
    token: (text) => void (spoken += text),
    progress: (...all) => void told.push(all),
    workspace: () => Promise.reject(new Error('this step has no files')),
    signal: new AbortController().signal,
    ...more,
  };
  return (await ollamaAnalyzeStep(context)) as StepResult & { readonly output: Output };
};

const lines = (count: number): string =>
  Array.from({ length: count }, (_, n) => `Line ${n} speaks of the sea.\n`).join('');

describe('an analysis', () => {
  it('of one short text is one call, told as it comes', async () => {
    const { output, usage } = await analyze({ items: ['The sea is blue.'], system: 'Be brief.' });
    expect(runner.asked).toHaveLength(1);
    expect(runner.asked[0]).toMatchObject({
      prompt: 'What is said of the sea?\n\n1:\n\nThe sea is blue.',
      system: 'Be brief.',
      sampling: { num_predict: 256 },
    });
    expect(output).toEqual({
      text: runner.answers[0],
      parts: [{ name: '1', part: 1, of: 1, text: runner.answers[0] }],
      chunks: 1,
      calls: 1,
      shortened: 0,
    });
    expect(spoken).toBe(output.text);
    expect(usage?.tokensIn).toBe(runner.tokensIn);
  });

  it('of long texts asks about every line of them, and makes one answer of the answers', async () => {
    const items = [{ name: 'log.txt', text: lines(150) }, 'Another text.'];
    const { output, usage } = await analyze({
      items,
      overlap_tokens: 0,
      combine_prompt: 'Make one of these.',
      options: { num_predict: 40 },
    });
    const chunks = runner.asked.slice(0, -1);
    const bodies = chunks.map(({ prompt }) => prompt.split(':\n\n')[1] ?? '');
    expect(bodies.slice(0, -1).join('')).toBe(lines(150));
    expect(bodies.at(-1)).toBe('Another text.');
    expect(output).toMatchObject({
      chunks: chunks.length,
      calls: chunks.length + 1,
      shortened: 0,
      text: runner.answers.at(-1),
    });
    expect(chunks.length).toBeGreaterThan(2);
    const last = runner.asked.at(-1)?.prompt ?? '';
    expect(
      last.startsWith(
        `Make one of these.\n\nlog.txt, part 1 of ${chunks.length - 1}:\n${runner.answers[0]?.trim()}\n\n`,
      ),
    ).toBe(true);
    expect(last.endsWith(`2:\n${runner.answers.at(-2)?.trim()}`)).toBe(true);
    // Nothing came near the limit of the context.
    for (const { prompt } of runner.asked) expect(Buffer.byteLength(prompt) / 2).toBeLessThan(2_048 - 40);
    expect(told.slice(0, 2)).toEqual([
      [`log.txt, part 1 of ${chunks.length - 1}`, 0, chunks.length],
      [`log.txt, part 2 of ${chunks.length - 1}`, 1, chunks.length],
    ]);
    expect(told.at(-1)).toEqual(['combining the answers', 0, 1]);
    expect(spoken).toBe(output.text);
    expect(usage?.tokensIn).toBe(runner.tokensIn);
  });

  it('combines in rounds where the answers do not fit together, and says which lost their end', async () => {
    const { output } = await analyze({ items: Array.from({ length: 20 }, (_, n) => `Text ${n}.`) });
    const combining = runner.asked.slice(20);
    expect(combining.length).toBeGreaterThan(2);
    expect(output).toMatchObject({ chunks: 20, calls: 20 + combining.length, shortened: 0 });
    // Each answer of a round stands in exactly one call of the next.
    const rounds = combining.map(({ prompt }) => prompt).join('\n');
    for (const answer of runner.answers.slice(0, -1)) expect(rounds.split(answer.trim())).toHaveLength(2);
    const long = await analyze({ items: ['One.', 'Two.', 'Three.'], options: { num_predict: 700 } });
    expect(long.output.shortened).toBeGreaterThan(0);
  });

  it('repeats the end of a chunk, as told, in chunks of the size that was asked for', async () => {
    await analyze({ items: [lines(20)], chunk_tokens: 100, overlap_tokens: 20 });
    const bodies = runner.asked
      .filter(({ prompt }) => prompt.startsWith('What is said of the sea?'))
      .map(({ prompt }) => prompt.split(':\n\n')[1] ?? '');
    expect(bodies.length).toBeGreaterThan(2);
    for (const [n, body] of bodies.entries()) {
      expect(Buffer.byteLength(body)).toBeLessThanOrEqual(200);
      if (n > 0) expect(bodies[n - 1]?.endsWith(body.slice(0, 40))).toBe(true);
    }
  });

  it.each([
    [
      { items: ['a'], prompt: 'long '.repeat(800) },
      /^prompt: the context of 2048 tokens .* has no room .* at least 128 left/,
    ],
    [{ items: ['a'], options: { num_predict: 2_000 } }, /no room for text beside .* and 2000 of the answer/],
    [{ items: ['a', 'b'], combine_prompt: 'long '.repeat(800) }, /^combine_prompt: /],
    [
      { items: ['a'], chunk_tokens: 4_000 },
      /^chunk_tokens: 4000 is not accepted; expected 32 to 16\d\d tokens here/,
    ],
    [
      { items: ['a'], chunk_tokens: 100, overlap_tokens: 51 },
      /^overlap_tokens: 51 is not accepted; expected 0 to 50/,
    ],
    [
      { items: [lines(2_000)], chunk_tokens: 32 },
      /^items: make \d+ chunks of 32 tokens at most; accepted: up to 500/,
    ],
  ])('is refused before the first call for %.60j', async (input, says) => {
    await expect(analyze(input)).rejects.toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(says),
    });
    expect(runner.asked).toEqual([]);
  });

  it('ends with the attempt', async () => {
    const abort = new AbortController();
    const progress = (_: string, done = 0): void => (done === 2 ? abort.abort() : undefined);
    const sent = analyze({ items: ['One.', 'Two.', 'Three.', 'Four.'] }, { signal: abort.signal, progress });
    await expect(sent).rejects.toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: true } });
    expect(simulator.state().requests['POST /api/generate']).toBeLessThanOrEqual(4);
  });

  it('cuts a chunk again of which the server counts more tokens than were estimated', async () => {
    // A server whose tokens are single bytes, as those of some models are for digits.
    const server = createServer((request, response) => {
      const parts: Buffer[] = [];
      request.on('data', (part: Buffer) => parts.push(part));
      request.on('end', () => {
        const { prompt } = JSON.parse(Buffer.concat(parts).toString()) as { prompt: string };
        const counted = Math.min(Buffer.byteLength(prompt), 2_048);
        response.end(
          `${JSON.stringify({ response: `${prompt.length}`, done: true, done_reason: 'stop', prompt_eval_count: counted, eval_count: 1 })}\n`,
        );
      });
    });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    runner = new ShowingRunner({ baseUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}` });
    try {
      const { output } = await analyze({ items: ['0123456789'.repeat(300)] });
      const fitting = runner.asked.slice(0, -1).filter(({ prompt }) => prompt.length + 256 <= 2_048);
      expect(fitting.map(({ prompt }) => prompt.split(':\n\n')[1]).join('')).toBe('0123456789'.repeat(300));
      expect(output).toMatchObject({ chunks: fitting.length, calls: runner.asked.length });
      expect(output.chunks).toBeLessThan(output.calls - 1);
    } finally {
      server.close();
    }
  });
});
