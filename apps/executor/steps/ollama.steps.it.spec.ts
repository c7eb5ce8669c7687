import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NO_SECRETS } from '#libs/secrets/redactor.js';
import type { ModelRequest, RunHooks } from '#libs/model-runner/model-runner.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import {
  startOllamaSimulator,
  type OllamaSimulator,
} from '#libs/testing/ollama-simulator/ollama-simulator.js';
import type { StepContext, StepResult, StepRunner } from '../step-runner.js';
import { ollamaChatStep, ollamaGenerateStep } from './ollama.steps.js';

const MODEL = 'llama3.2:1b';
const profile = { model: MODEL, options: { numCtx: 4_096 } };

/** The real adapter, which also shows what it was asked. */
class ShowingRunner extends OllamaModelRunner {
  readonly asked: ModelRequest[] = [];

  override async run(request: ModelRequest, hooks: RunHooks, signal?: AbortSignal) {
    this.asked.push(request);
    return await super.run(request, hooks, signal);
  }
}

let simulator: OllamaSimulator;
let runner: ShowingRunner;
let told: unknown[][];

beforeEach(async () => {
  simulator = await startOllamaSimulator({ timeScale: 100 });
  runner = new ShowingRunner({ baseUrl: simulator.url });
  told = [];
  await runner.load(profile);
});
afterEach(async () => {
  await simulator.stop();
});

const run = async (
  step: StepRunner,
  input: Readonly<Record<string, unknown>>,
  signal = new AbortController().signal,
): Promise<StepResult> => {
  const context: StepContext = {
    taskId: 't1',
    stepId: 's1',
    input: { model: MODEL, ...input },
    requirement: { kind: 'model', profile },
    redactor: NO_SECRETS,
    attempt: 1,
    model: async () => runner,
    workspace: () => Promise.reject(new Error('this step has no files')),
    token: () => undefined,
    progress: (...all) => void told.push(all),
    signal,
  };
  return await step(context);
};

const SCHEMA = {
  type: 'object',
  properties: { colour: { enum: ['red', 'blue'] }, count: { type: 'integer', minimum: 1, maximum: 9 } },
  required: ['colour', 'count'],
};
const WRONG = '{"colour":"green","count":0}';
const FITS = { colour: expect.stringMatching(/^(red|blue)$/), count: expect.any(Number) };

describe('an answer that is to fit a schema', () => {
  it('is asked for once when it fits', async () => {
    const { output } = await run(ollamaGenerateStep, { prompt: 'Pick.', format: SCHEMA });
    expect(output).toMatchObject({ json: FITS, repairs: 0, done_reason: 'stop' });
    expect(runner.asked).toHaveLength(1);
    expect(told).toEqual([]);
  });

  it('is asked for again with what is wrong with it, and all calls are counted', async () => {
    simulator.setFault({ kind: 'wrong-answer', text: WRONG });
    const { output, usage } = await run(ollamaGenerateStep, {
      prompt: 'Pick.',
      system: 'Brief.',
      format: SCHEMA,
    });
    expect(output).toMatchObject({ json: FITS, repairs: 1 });
    expect(runner.asked).toHaveLength(2);
    const [first, second] = runner.asked;
    expect(second).toMatchObject({ kind: 'generate', system: 'Brief.', format: SCHEMA, profile });
    const prompt = second?.kind === 'generate' ? second.prompt : '';
    expect(prompt.startsWith('Pick.\n\nYour answer was:\n{"colour":"green","count":0}\n\n')).toBe(true);
    expect(prompt).toContain(`- json.colour: 'green' is not accepted; expected one of "red", "blue"\n`);
    expect(prompt).toContain('- json.count: 0 is not accepted; expected a whole number from 1 to 9\n');
    expect(told).toEqual([['the answer does not fit its schema; asking again', 1, 1]]);
    const alone = async (request: ModelRequest | undefined) =>
      request && (await new OllamaModelRunner({ baseUrl: simulator.url }).run(request, {})).usage;
    simulator.setFault({ kind: 'wrong-answer', text: WRONG });
    const [one, two] = [await alone(first), await alone(second)];
    expect(usage?.tokensIn).toBe((one?.tokensIn ?? 0) + (two?.tokensIn ?? 0));
    expect(usage?.tokensOut).toBe((one?.tokensOut ?? 0) + (two?.tokensOut ?? 0));
  });

  it('is asked for again in the conversation of a chat', async () => {
    simulator.setFault({ kind: 'wrong-answer', text: 'Sure! {"colour": "red"}', times: 2 });
    const messages = [{ role: 'user', content: 'Pick.' }];
    const { output } = await run(ollamaChatStep, { messages, format: SCHEMA, repairs: 2 });
    expect(output).toMatchObject({ json: FITS, repairs: 2 });
    // A repair knows the question and the last answer, however many there were.
    for (const request of runner.asked.slice(1)) {
      expect(request).toMatchObject({
        messages: [
          ...messages,
          { role: 'assistant', content: 'Sure! {"colour": "red"}' },
          {
            role: 'user',
            content: expect.stringMatching(
              /- json: is not JSON after 23 characters\nGive the whole answer again/,
            ),
          },
        ],
      });
    }
  });

  it.each([
    [{ repairs: 0 }, 1],
    [{}, 2],
    [{ repairs: 3 }, 4],
  ])('fails with %j after %d calls, and says where it is wrong', async (input, calls) => {
    simulator.setFault({ kind: 'wrong-answer', text: WRONG, times: 9 });
    await expect(
      run(ollamaGenerateStep, { prompt: 'Pick.', format: SCHEMA, ...input }),
    ).rejects.toMatchObject({
      code: 'MODEL_ANSWER_INVALID',
      message: expect.stringMatching(/json\.colour: 'green' is not accepted/),
      details: { problems: [{ path: 'json.colour' }, { path: 'json.count' }], repairs: calls - 1 },
    });
    expect(runner.asked).toHaveLength(calls);
  });

  it('says that it was cut off', async () => {
    const input = { prompt: 'Pick.', format: SCHEMA, repairs: 0, options: { num_predict: 2 } };
    await expect(run(ollamaGenerateStep, input)).rejects.toMatchObject({
      code: 'MODEL_ANSWER_INVALID',
      message: expect.stringMatching(/json: is cut off \(options\.num_predict\)/),
    });
  });

  it('is not asked for by a schema that is none', async () => {
    const sent = run(ollamaGenerateStep, { prompt: 'Pick.', format: { type: 'strnig' } });
    await expect(sent).rejects.toMatchObject({
      code: 'STEP_INPUT_INVALID',
      message: expect.stringMatching(/^format: this is not a JSON Schema/),
    });
    expect(runner.asked).toEqual([]);
  });

  it('is not asked for again when the attempt was aborted', async () => {
    simulator.setFault({ kind: 'wrong-answer', text: WRONG, times: 9 });
    const abort = new AbortController();
    const sent = run(
      async (context) => await ollamaGenerateStep({ ...context, progress: () => abort.abort() }),
      { prompt: 'Pick.', format: SCHEMA, repairs: 3 },
      abort.signal,
    );
    await expect(sent).rejects.toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: true } });
    expect(simulator.state().requests['POST /api/generate']).toBe(2);
  });

  it('is not wanted from a model that calls a tool first', async () => {
    const model = 'llama3.1:8b';
    const tools = [{ type: 'function', function: { name: 'look_up', parameters: { type: 'object' } } }];
    const messages = [{ role: 'user', content: 'please look_up it' }];
    const { output } = await run(
      async (context) => {
        const requirement = { kind: 'model', profile: { ...profile, model } } as const;
        return await ollamaChatStep({ ...context, requirement });
      },
      { model, messages, tools, format: SCHEMA },
    );
    expect(output).toMatchObject({ tool_calls: [{ function: { name: 'look_up' } }], repairs: 0 });
    expect(output).not.toHaveProperty('json');
  });

  it('is any JSON when that is the format', async () => {
    const { output } = await run(ollamaGenerateStep, { prompt: 'Pick.', format: 'json' });
    expect(output).toMatchObject({ json: { answer: expect.any(String) } });
    expect(output).not.toHaveProperty('repairs');
    simulator.setFault({ kind: 'wrong-answer', text: 'no' });
    await expect(run(ollamaGenerateStep, { prompt: 'Pick.', format: 'json' })).rejects.toMatchObject({
      code: 'MODEL_ERROR',
    });
  });
});
