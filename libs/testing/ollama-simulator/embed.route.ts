import { promptMs } from './completion.js';
import { embeddingOf, normalised } from './embedding.js';
import type { Exchange } from './exchange.js';
import { nanoseconds } from './go-time.js';
import { HttpFailure, orFail } from './http-failure.js';
import { parseKeepAlive } from './keep-alive.js';
import { parseOptions } from './runner-options.js';
import { queueFull, type Grant } from './scheduler.js';
import { notFoundPullFirst, type Sim } from './sim.js';
import { promptTokens } from './sim-text.js';

/** POST /api/embed: one vector per text; without a text the model is only loaded. */
export const embed = async (sim: Sim, exchange: Exchange): Promise<void> => {
  const startedMs = sim.clock.nowMs();
  const body = await exchange.body();
  const keepAliveMs = orFail(parseKeepAlive(body['keep_alive']), 400);
  const texts = inputOf(body['input']);
  await withRunner(sim, exchange, body, keepAliveMs, async (grant) => {
    const loadMs = sim.clock.nowMs() - startedMs;
    if (texts.length === 0) return exchange.json(200, { model: body['model'], embeddings: [] });
    const tokens = await evaluate(sim, grant, texts, exchange.signal);
    const dimensions = typeof body['dimensions'] === 'number' ? body['dimensions'] : 0;
    const full = grant.runner.model.embeddingLength;
    const embeddings = texts.map((text) => {
      const vector = embeddingOf(text, full);
      return dimensions > 0 && dimensions < full ? normalised(vector.slice(0, dimensions)) : vector;
    });
    exchange.json(200, {
      model: body['model'],
      embeddings,
      total_duration: nanoseconds(sim.clock.nowMs() - startedMs),
      ...(loadMs > 0 ? { load_duration: nanoseconds(loadMs) } : {}),
      prompt_eval_count: tokens,
    });
  });
};

/** POST /api/embeddings: the older form, for one text. */
export const embeddings = async (sim: Sim, exchange: Exchange): Promise<void> => {
  const body = await exchange.body();
  const keepAliveMs = orFail(parseKeepAlive(body['keep_alive']), 400);
  if ((body['model'] ?? '') === '') throw new HttpFailure(400, 'model is required');
  const prompt = body['prompt'];
  await withRunner(sim, exchange, body, keepAliveMs, async (grant) => {
    if (typeof prompt !== 'string' || prompt === '') return exchange.json(200, { embedding: [] });
    await evaluate(sim, grant, [prompt], exchange.signal);
    exchange.json(200, { embedding: embeddingOf(prompt, grant.runner.model.embeddingLength) });
  });
};

const inputOf = (input: unknown): string[] => {
  if (input === undefined || input === null || input === '') return [];
  const texts: unknown[] = Array.isArray(input) ? input : [input];
  return texts.map((text) => {
    if (typeof text !== 'string') throw new HttpFailure(400, 'invalid input type');
    return text;
  });
};

const withRunner = async (
  sim: Sim,
  exchange: Exchange,
  body: Readonly<Record<string, unknown>>,
  keepAliveMs: number | undefined,
  work: (grant: Grant) => Promise<void> | void,
): Promise<void> => {
  const model = sim.model(body['model'], notFoundPullFirst);
  const options = orFail(parseOptions(body['options']), 500);
  if (sim.faults.strike('busy', model.name)) throw queueFull();
  const grant = await sim.scheduler.acquire({
    model,
    options: options.runner,
    keepAliveMs,
    signal: exchange.signal,
  });
  try {
    await work(grant);
  } finally {
    grant.release();
  }
};

/** Takes one slot for all texts, as long as their evaluation takes, and counts their tokens. */
const evaluate = async (
  sim: Sim,
  { runner }: Grant,
  texts: readonly string[],
  signal: AbortSignal,
): Promise<number> => {
  const tokens = promptTokens(texts);
  const freeSlot = await runner.slots.take(signal);
  const leave = sim.compute.enter(runner.model.name);
  try {
    // Goes on when the client goes away, as every evaluation of a prompt does.
    await sim.clock.sleep(promptMs(runner, tokens));
    signal.throwIfAborted();
    return tokens;
  } finally {
    leave();
    freeSlot();
  }
};
