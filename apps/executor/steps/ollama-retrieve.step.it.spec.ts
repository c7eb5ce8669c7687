import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import type { ModelRequest, RunHooks } from '#libs/model-runner/model-runner.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import { cosine } from '../model/cosine.js';
import type { StepContext } from '../step-runner.js';
import { ollamaRetrieveStep } from './ollama-retrieve.step.js';

const MODEL = 'nomic-embed-text:latest';
const profile = { model: MODEL, options: { numCtx: 2_048 } };

/** The real adapter, which also shows what it was asked. */
class ShowingRunner extends OllamaModelRunner {
  readonly asked: (readonly string[])[] = [];

  override async run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal) {
    if (request.kind === 'embed') this.asked.push(request.input);
    return await super.run(request, hooks, signal);
  }
}

type Output = {
  readonly passages: readonly {
    readonly number: number;
    readonly name: string;
    readonly part: number;
    readonly of: number;
    readonly text: string;
    readonly score: number;
  }[];
  readonly looked_at: number;
};

let simulator: OllamaSimulator;
let runner: ShowingRunner;
let told: unknown[][];

beforeEach(async () => {
  simulator = await startOllamaSimulator({ timeScale: 1_000 });
  runner = new ShowingRunner({ baseUrl: simulator.url });
  told = [];
  await runner.load(profile);
});
afterEach(async () => {
  await simulator.stop();
});

const retrieve = async (input: Readonly<Record<string, unknown>>): Promise<Output> => {
  const context: StepContext = {
    taskId: 't1',
    stepId: 's1',
    input: { model: MODEL, ...input },
    requirement: { kind: 'model', profile },
    attempt: 1,
    model: async () => runner,
    token: () => undefined,
    progress: (...all) => void told.push(all),
    redactor: NO_SECRETS,
    workspace: () => Promise.reject(new Error('this step has no files')),
    signal: new AbortController().signal,
  };
  const { output, usage } = await ollamaRetrieveStep(context);
  expect(usage?.tokensIn).toBeGreaterThan(0);
  return output as Output;
};

const SPEECHES = [
  { name: 'sea', text: 'Salt water and waves, ships and harbours.' },
  { path: 'notes/hill.md', text: 'Goats graze on the green hill.', bytes: 30 },
  'Bread is baked in an oven before dawn.',
  { name: 'empty', text: ' \n' },
];

describe('ollama_retrieve', () => {
  it('gives the passages nearest to the question first, with their names, and leaves out what is empty', async () => {
    const { passages, looked_at: lookedAt } = await retrieve({
      query: 'where do goats graze',
      items: SPEECHES,
      top: 2,
    });
    expect(lookedAt).toBe(3);
    expect(passages).toHaveLength(2);
    expect(passages[0]).toMatchObject({ number: 1, name: 'notes/hill.md', part: 1, of: 1 });
    expect(passages[0]?.text).toBe('Goats graze on the green hill.');
    expect(passages[0]?.score).toBeGreaterThan(passages[1]?.score ?? 1);
  });

  it('cuts long texts into passages, in batches, and finds the one line that is meant', async () => {
    const text = Array.from({ length: 900 }, (_, n) =>
      n === 700 ? 'The treasure lies under the old oak.\n' : `Nothing of interest happens on day ${n}.\n`,
    ).join('');
    const { passages, looked_at: lookedAt } = await retrieve({
      query: 'treasure under the old oak',
      items: [{ name: 'diary', text }],
      chunk_tokens: 64,
      top: 1,
    });
    expect(passages[0]?.text).toContain('The treasure lies under the old oak.');
    expect(passages[0]?.of).toBe(lookedAt);
    expect(runner.asked.slice(1).flat()).toHaveLength(lookedAt);
    expect(Math.max(...runner.asked.map(({ length }) => length))).toBe(64);
    expect(told.at(-1)?.slice(1)).toEqual([64 * (told.length - 1), lookedAt]);
  });

  it('puts in front of question and passages what the model wants there, and leaves out what is too far', async () => {
    const { passages } = await retrieve({
      query: 'goats',
      items: SPEECHES,
      query_prefix: 'search_query: ',
      text_prefix: 'search_document: ',
      min_score: 0.999,
    });
    expect(runner.asked[0]).toEqual(['search_query: goats']);
    expect(runner.asked[1]?.[0]).toBe('search_document: Salt water and waves, ships and harbours.');
    expect(passages).toEqual([]);
  });

  it.each([
    [{ items: [' ', { text: '' }] }, 'items: all of them are empty'],
    [{ items: ['x'], chunk_tokens: 1_025 }, 'chunk_tokens: 1025 is not accepted; expected 32 to 1024'],
    [{ items: ['word '.repeat(80_000)], chunk_tokens: 32, overlap_tokens: 0 }, 'accepted: up to 5000'],
  ])('refuses %#', async (input, message) => {
    await expect(retrieve({ query: 'x', ...input })).rejects.toThrow(message);
    expect(runner.asked).toEqual([]);
  });
});

describe('the cosine', () => {
  it.each([
    [[1, 0], [2, 0], 1],
    [[1, 0], [0, 3], 0],
    [[1, 1], [-2, -2], -1],
    [[0, 0], [1, 1], 0],
  ])('of %j and %j is %d', (a, b, wanted) => {
    expect(cosine(a, b)).toBeCloseTo(wanted, 12);
  });
});
