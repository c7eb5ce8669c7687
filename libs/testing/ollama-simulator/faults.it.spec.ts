import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ModelRunnerError } from '#libs/model-runner/model-runner-error.js';
import type { GenerateRequest } from '#libs/model-runner/model-runner.js';
import { OllamaModelRunner } from '#libs/model-runner/ollama/ollama.model-runner.js';
import { type OllamaSimulator, startOllamaSimulator } from './ollama-simulator.js';

const profile = { model: 'llama3.2:1b', options: { numCtx: 2048 } };
const ask = (maxTokens: number): GenerateRequest => ({
  kind: 'generate',
  profile,
  prompt: 'What goes wrong?',
  sampling: { num_predict: maxTokens },
});

describe('the Ollama adapter when things go wrong', () => {
  let simulator: OllamaSimulator;
  let runner: OllamaModelRunner;

  beforeEach(async () => {
    simulator = await startOllamaSimulator({ timeScale: 50 });
    runner = new OllamaModelRunner({
      baseUrl: simulator.url,
      firstTokenTimeoutMs: 400,
      watchdogNoProgressMs: 150,
      unloadTimeoutMs: 300,
      abortConfirmTimeoutMs: 200,
    });
    await runner.load(profile);
  });
  afterEach(async () => {
    await simulator.stop();
  });

  it.each([
    { fault: { kind: 'kill-stream', afterTokens: 3 }, code: 'MODEL_STREAM_BROKEN', tokens: 3 },
    { fault: { kind: 'kill-stream', afterTokens: 3, clean: true }, code: 'MODEL_STREAM_BROKEN', tokens: 3 },
    { fault: { kind: 'error-line', afterTokens: 2 }, code: 'MODEL_ERROR', tokens: 2 },
    { fault: { kind: 'error-line', afterTokens: 0 }, code: 'MODEL_ERROR', tokens: 0 },
    { fault: { kind: 'hang', afterTokens: 0 }, code: 'NO_PROGRESS', tokens: 0 },
    { fault: { kind: 'hang', afterTokens: 4 }, code: 'NO_PROGRESS', tokens: 4 },
    { fault: { kind: 'busy' }, code: 'SERVER_BUSY', tokens: 0 },
  ] as const)('$fault: $code', async ({ fault, code, tokens }) => {
    simulator.setFault(fault);
    let seen = 0;
    const run = runner.run(ask(8), { onToken: () => void (seen += 1) });
    await expect(run).rejects.toMatchObject({ name: 'ModelRunnerError', code });
    // A connection that breaks takes along what was not read yet.
    if (fault.kind === 'kill-stream') expect(seen).toBeLessThanOrEqual(tokens);
    else expect(seen).toBe(tokens);
    expect((await runner.run(ask(2), {})).usage.tokensOut).toBe(2);
    expect(simulator.state()).toMatchObject({ activeGenerations: 0, loads: 1 });
  });

  it('does not take a slow trickle for a stuck server', async () => {
    // 310 tokens/s at fifty times real time, slowed down to one token in about 65 ms.
    simulator.setFault({ kind: 'slow', factor: 1_000 });
    const answer = await runner.run(ask(6), {});
    expect(answer.usage.tokensOut).toBe(6);
    expect(answer.usage.generationMs).toBeGreaterThan(10_000);
  });

  it('says that a load failed, and loads at the next try', async () => {
    await runner.unload(profile.model);
    simulator.setFault({ kind: 'load-failure' });
    await expect(runner.load(profile)).rejects.toMatchObject({ code: 'MODEL_LOAD_FAILED' });
    expect((await runner.load(profile)).model).toBe(profile.model);
  });

  it('says that an unload is stuck, and sees it done when it is', async () => {
    simulator.setFault({ kind: 'stuck-unload' });
    await expect(runner.unload(profile.model)).rejects.toMatchObject({ code: 'UNLOAD_STUCK' });
    simulator.clearFaults();
    await runner.unload(profile.model);
    expect(await runner.listResident()).toEqual([]);
  });

  it('waits for a list of loaded models that lags', async () => {
    await runner.unload(profile.model);
    simulator.setFault({ kind: 'ps-lag', lagMs: 5_000 });
    expect((await runner.load(profile)).model).toBe(profile.model);
    await runner.unload(profile.model);
  });

  it('says so when an abort cannot be proven', async () => {
    const abort = new AbortController();
    const other = runner.run(ask(3_000), {});
    const run = runner.run(ask(3_000), { onStarted: () => setImmediate(() => abort.abort()) }, abort.signal);
    await expect(run).rejects.toMatchObject({ code: 'RUN_ABORTED', details: { confirmed: false } });
    await other;
  });

  it('does not take a closed connection for the proof that the server has stopped', async () => {
    simulator.setFault({ kind: 'deaf' });
    const abort = new AbortController();
    const run = runner.run(ask(10_000), { onToken: () => abort.abort() }, abort.signal);
    await expect(run).rejects.toMatchObject({
      code: 'RUN_ABORTED',
      details: { confirmed: false, confirmedBy: 'nothing' },
    });
    expect(simulator.state()).toMatchObject({ activeGenerations: 1 });
  });

  it('claims no proof for an abort while the prompt is evaluated, for the slot is still taken', async () => {
    const abort = new AbortController();
    // 7,500 tokens at 24,000/s, fifty times as fast: 6 ms, in which the connection closes.
    const long: GenerateRequest = {
      ...ask(1),
      profile: { ...profile, options: { numCtx: 8_192 } },
      prompt: 'long '.repeat(6_000),
    };
    await runner.load(long.profile);
    const run = runner.run(long, { onStarted: () => abort.abort() }, abort.signal);
    await expect(run).rejects.toMatchObject({
      code: 'RUN_ABORTED',
      details: { confirmed: false, confirmedBy: 'nothing' },
    });
    expect((await runner.run(ask(1), {})).usage.tokensOut).toBe(1);
  });

  it('says that a server that stops in mid-answer broke it, and then that it cannot be reached', async () => {
    let stopping: Promise<void> | undefined;
    const run = runner.run(ask(5_000), { onToken: () => void (stopping ??= simulator.stop()) });
    await expect(run).rejects.toMatchObject({ code: 'MODEL_STREAM_BROKEN' });
    await stopping;
    await expect(runner.run(ask(1), {})).rejects.toMatchObject({ code: 'SERVER_UNREACHABLE' });
    await expect(runner.probe()).rejects.toBeInstanceOf(ModelRunnerError);
  });

  it('takes faults over HTTP, and refuses one that it does not know', async () => {
    const arm = (fault: unknown) =>
      fetch(`${simulator.url}/_sim/faults`, { method: 'POST', body: JSON.stringify(fault) });
    expect((await arm({ kind: 'busy' })).status).toBe(200);
    await expect(runner.run(ask(1), {})).rejects.toMatchObject({ code: 'SERVER_BUSY' });
    const refused = await arm({ kind: 'earthquake' });
    expect(refused.status).toBe(400);
    expect(await refused.text()).toContain("kind 'earthquake' — expected");
  });

  it('downloads what the simulated registry has', async () => {
    await simulator.stop();
    simulator = await startOllamaSimulator({ timeScale: 5_000, models: [] });
    runner = new OllamaModelRunner({ baseUrl: simulator.url });
    const seen: string[] = [];
    await runner.pull('llama3.2:3b', ({ status }) => void seen.push(status));
    expect(seen.at(0)).toBe('pulling manifest');
    expect(seen.at(-1)).toBe('success');
    expect((await runner.listInstalled()).map(({ model }) => model)).toEqual(['llama3.2:3b']);
    await expect(runner.pull('nobody:1b', () => undefined)).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
    });
  });
});
