import { afterEach, describe, expect, it } from '@jest/globals';
import type { ModelProfile } from '#libs/domain/gpu/profile.js';
import type { GenerateRequest } from '#libs/model-runner/model-runner.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import {
  type OllamaSimulator,
  type OllamaSimulatorOptions,
  startOllamaSimulator,
} from './ollama-simulator.js';
import type { SimState } from './sim.js';

const GIB = 1024 ** 3;
const profileOf = (model: string, numCtx = 2048): ModelProfile => ({ model, options: { numCtx } });
const ask = (model: string, maxTokens: number, numCtx?: number): GenerateRequest => ({
  kind: 'generate',
  profile: profileOf(model, numCtx),
  prompt: `Ask ${model} for ${maxTokens}.`,
  sampling: { num_predict: maxTokens },
});

describe('the simulated server schedules as Ollama does', () => {
  let simulator: OllamaSimulator;
  let runner: OllamaModelRunner;
  const start = async (options: OllamaSimulatorOptions): Promise<void> => {
    simulator = await startOllamaSimulator({ timeScale: 50, ...options });
    runner = new OllamaModelRunner({ baseUrl: simulator.url });
  };
  /** The state changes by what others do; looking again costs nothing. */
  const until = async (condition: (state: SimState) => boolean): Promise<void> => {
    while (!condition(simulator.state())) await new Promise((resolve) => setImmediate(resolve));
  };
  const loaded = (): string[] => simulator.state().loaded.map(({ model }) => model);

  afterEach(async () => {
    await simulator.stop();
  });

  it('gives as many requests a slot as there are, and the rest wait their turn', async () => {
    await start({ parallel: 2 });
    await runner.load(profileOf('qwen2.5:7b'));
    const ended: number[] = [];
    const runs = [0, 1, 2, 3].map((i) =>
      runner.run(ask('qwen2.5:7b', 60), {}).then((answer) => {
        ended.push(i);
        return answer;
      }),
    );
    await until(({ loaded: [first] }) => first?.slots.busy === 2 && first.slots.waiting === 2);
    await Promise.all(runs);
    expect(new Set(ended.slice(0, 2))).toEqual(new Set([0, 1]));
    expect(simulator.state()).toMatchObject({ activeGenerationsMax: 2, activeGenerations: 0, loads: 1 });
  });

  it('reloads for other runner options and not for the same', async () => {
    await start({});
    await runner.run(ask('llama3.2:1b', 1, 2048), {});
    await runner.run(ask('llama3.2:1b', 1, 2048), {});
    expect(simulator.state().loads).toBe(1);
    await runner.run(ask('llama3.2:1b', 1, 4096), {});
    expect(simulator.state()).toMatchObject({ loads: 2, loaded: [{ options: { num_ctx: 4096 } }] });
  });

  it('evicts the model with the shortest stay, not the one that was used longest ago', async () => {
    await start({ vramBytes: 9 * GIB });
    await runner.load(profileOf('llama3.2:3b'));
    await runner.run(ask('llama3.2:1b', 1), {});
    await runner.run(ask('llama3.1:8b', 1), {});
    expect(loaded()).toEqual(['llama3.2:3b', 'llama3.1:8b']);
  });

  it('never uses more memory than there is, and spills what does not fit alone', async () => {
    await start({ vramBytes: 4 * GIB });
    await runner.run(ask('llama3.2:1b', 1), {});
    const spilled = await runner.load(profileOf('llama3.1:8b'));
    expect(spilled.vramBytes).toBeLessThan(spilled.sizeBytes);
    expect(loaded()).toEqual(['llama3.1:8b']);
    expect(simulator.state().vramUsedMaxBytes).toBeLessThanOrEqual(4 * GIB);
  });

  it('swaps at every request when two models that do not fit together take turns', async () => {
    await start({ vramBytes: 6 * GIB, timeScale: 200 });
    for (const model of ['qwen2.5:7b', 'llama3.1:8b', 'qwen2.5:7b', 'llama3.1:8b']) {
      await runner.run(ask(model, 1), {});
    }
    expect(simulator.state().loads).toBe(4);
  });

  it('holds up the line behind a load, and turns away who comes when it is full', async () => {
    await start({ queueMax: 1, timeScale: 5 });
    const first = runner.run(ask('llama3.1:8b', 1), {});
    await until(({ loading }) => loading === 'llama3.1:8b');
    const second = runner.run(ask('llama3.2:1b', 1), {});
    await until(({ queued }) => queued === 1);
    await expect(runner.run(ask('llama3.2:3b', 1), {})).rejects.toMatchObject({
      code: 'SERVER_BUSY',
      message: expect.stringContaining(
        'server busy, please try again.  maximum pending requests exceeded',
      ) as unknown,
    });
    await Promise.all([first, second]);
  });

  /** Ollama's issue 17408, seen on v0.24.0 as well: the victim of an eviction is brought back by who still uses it. */
  it('hangs when its victim is brought back to stay, until somebody orders the unload', async () => {
    await start({});
    await runner.load(profileOf('llama3.2:1b', 2048));
    const long = runner.run(ask('llama3.2:1b', 400, 2048), {});
    await until(({ activeGenerations }) => activeGenerations === 1);
    let answered = false;
    const waiting = runner.run(ask('llama3.2:1b', 1, 1024), {}).then(() => (answered = true));
    await until(({ evicting }) => evicting === 'llama3.2:1b');
    const past = {
      model: 'llama3.2:1b',
      prompt: 'Hi',
      keep_alive: '10m',
      options: { num_ctx: 2048, num_predict: 1 },
    };
    await (
      await fetch(`${simulator.url}/api/generate`, { method: 'POST', body: JSON.stringify(past) })
    ).text();
    await long;
    await until(({ loaded: [first] }) => first?.requests === 0);
    expect(simulator.state()).toMatchObject({ loading: null, evicting: 'llama3.2:1b', loads: 1 });
    expect(answered).toBe(false);
    await fetch(`${simulator.url}/api/generate`, {
      method: 'POST',
      body: JSON.stringify({ model: 'llama3.2:1b', keep_alive: 0 }),
    });
    await waiting;
    expect(simulator.state().loaded).toMatchObject([{ options: { num_ctx: 1024 } }]);
  });

  it('keeps to an eviction where that defect is fixed', async () => {
    await start({ evictions: 'fixed' });
    await runner.load(profileOf('llama3.2:1b'));
    const long = runner.run(ask('llama3.2:1b', 3_000), {});
    await until(({ activeGenerations }) => activeGenerations === 1);
    const waiting = runner.run(ask('llama3.2:1b', 1, 1024), {});
    await until(({ evicting }) => evicting === 'llama3.2:1b');
    const past = { model: 'llama3.2:1b', keep_alive: -1, options: { num_ctx: 2048 } };
    await (
      await fetch(`${simulator.url}/api/generate`, { method: 'POST', body: JSON.stringify(past) })
    ).text();
    await Promise.all([long, waiting]);
    expect(simulator.state().loaded).toMatchObject([{ options: { num_ctx: 1024 } }]);
  });

  it('gives up a load when the one who asked for it goes away', async () => {
    await start({ timeScale: 1 });
    const abort = new AbortController();
    const load = runner.load(profileOf('llama3.1:8b'), abort.signal);
    load.catch(() => undefined);
    await until(({ loading }) => loading === 'llama3.1:8b');
    abort.abort();
    await expect(load).rejects.toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: true } });
    await until(({ loading, vramUsedBytes }) => loading === null && vramUsedBytes === 0);
    expect(simulator.state()).toMatchObject({ loads: 0, abandoned: 1 });
  });

  it('ends a stay when its time is over', async () => {
    await start({ timeScale: 100 });
    const body = {
      model: 'llama3.2:1b',
      prompt: 'Hi',
      keep_alive: '2s',
      stream: false,
      options: { num_predict: 1 },
    };
    const answer = await fetch(`${simulator.url}/api/generate`, {
      method: 'POST',
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(200);
    expect(loaded()).toEqual(['llama3.2:1b']);
    await until(({ loaded: models }) => models.length === 0);
  });

  it('frees the slot of a client that goes away in mid-answer', async () => {
    await start({});
    await runner.load(profileOf('qwen2.5:7b'));
    const abort = new AbortController();
    const run = runner.run(ask('qwen2.5:7b', 100_000), { onToken: () => abort.abort() }, abort.signal);
    await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED', details: { confirmedBy: 'idle' } });
    expect(simulator.state()).toMatchObject({ activeGenerations: 0, abandoned: 1 });
  });

  it('says the same for the same seed, and something else for another', async () => {
    await start({});
    const seeded = (seed: number): GenerateRequest => ({
      ...ask('llama3.2:1b', 12),
      sampling: { num_predict: 12, seed },
    });
    const [a, b, c] = [
      await runner.run(seeded(1), {}),
      await runner.run(seeded(1), {}),
      await runner.run(seeded(2), {}),
    ];
    expect(b.text).toBe(a.text);
    expect(c.text).not.toBe(a.text);
  });

  it('thinks before it speaks where the model can, and calls the tool that is named', async () => {
    await start({});
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, required: ['city'] };
    const tool = { type: 'function', function: { name: 'weather', description: 'The weather', parameters } };
    const messages = [{ role: 'user', content: 'Use weather for Bern.' }] as const;
    const chat = { kind: 'chat', profile: profileOf('qwen3:4b'), messages } as const;
    expect((await runner.run(chat, {})).thinking).toBeTruthy();
    const called = await runner.run({ ...chat, tools: [tool], think: false }, {});
    expect(called.thinking).toBeUndefined();
    const args: unknown = expect.objectContaining({ city: expect.any(String) as unknown });
    expect(called.toolCalls).toMatchObject([{ function: { name: 'weather', arguments: args } }]);
  });
});
