import { answerFor, checkFormat, thoughtFor, toolCallFor } from './answer.js';
import { can, type SimModel } from './catalogue.js';
import { complete, type CompletionFigures } from './completion.js';
import type { Exchange } from './exchange.js';
import { goType } from './exchange.js';
import { nanoseconds } from './go-time.js';
import { HttpFailure, orFail } from './http-failure.js';
import { parseKeepAlive } from './keep-alive.js';
import { parseOptions, type RunOptions } from './runner-options.js';
import { queueFull, type Grant } from './scheduler.js';
import { notFound, type Sim } from './sim.js';
import { promptTokens, tokensOf } from './sim-text.js';
import { Voice, type Kind } from './voice.js';

/** POST /api/generate and POST /api/chat: a request without words loads or unloads, one with words is answered. */
export const infer = async (sim: Sim, kind: Kind, exchange: Exchange): Promise<void> => {
  const startedMs = sim.clock.nowMs();
  const request = readRequest(sim, kind, await exchange.body());
  const voice = new Voice(kind, request.given);
  if (request.words.length === 0 && request.keepAliveMs === 0) {
    sim.scheduler.expire(request.model.name);
    return exchange.json(200, voice.empty('unload'));
  }
  checkCapabilities(kind, request);
  const options = orFail(parseOptions(request.body['options']), 500);
  if (sim.faults.strike('busy', request.model.name)) throw queueFull();
  const { model, keepAliveMs } = request;
  const grant = await sim.scheduler.acquire({
    model,
    options: options.runner,
    keepAliveMs,
    signal: exchange.signal,
  });
  try {
    const loadMs = sim.clock.nowMs() - startedMs;
    if (request.words.length === 0) return exchange.json(200, voice.empty('load'));
    await answer(sim, exchange, request, { voice, grant, options, startedMs, loadMs });
  } finally {
    grant.release();
  }
};

type InferenceRequest = {
  readonly body: Readonly<Record<string, unknown>>;
  /** The name as the client wrote it; answers repeat it. */
  readonly given: string;
  readonly model: SimModel;
  readonly keepAliveMs: number | undefined;
  readonly words: readonly string[];
};

const readRequest = (sim: Sim, kind: Kind, body: Readonly<Record<string, unknown>>): InferenceRequest => {
  const type = kind === 'generate' ? 'GenerateRequest' : 'ChatRequest';
  const name = body['model'] ?? '';
  if (typeof name !== 'string') {
    throw new HttpFailure(
      400,
      `json: cannot unmarshal ${goType(name)} into Go struct field ${type}.model of type string`,
    );
  }
  const keepAliveMs = orFail(parseKeepAlive(body['keep_alive']), 400);
  const { think } = body;
  if (think !== undefined && think !== null && typeof think !== 'boolean' && !THINK_LEVELS.includes(think)) {
    const levels = '(must be "high", "medium", "low", "max", true, or false)';
    throw new HttpFailure(400, `invalid think value: ${JSON.stringify(think)} ${levels}`);
  }
  if (kind === 'chat' && name === '') throw new HttpFailure(400, 'model is required');
  return { body, given: name, model: sim.model(name, notFound), keepAliveMs, words: wordsOf(kind, body) };
};

const THINK_LEVELS: readonly unknown[] = ['high', 'medium', 'low', 'max'];

const wordsOf = (kind: Kind, body: Readonly<Record<string, unknown>>): string[] => {
  if (kind === 'generate') {
    const prompt = body['prompt'];
    const system = body['system'];
    if (typeof prompt !== 'string' || prompt === '') return [];
    return typeof system === 'string' && system !== '' ? [system, prompt] : [prompt];
  }
  const messages: unknown = body['messages'];
  if (!Array.isArray(messages)) return [];
  return messages.map((message: { readonly content?: unknown } | null) =>
    typeof message?.content === 'string' ? message.content : '',
  );
};

const checkCapabilities = (kind: Kind, { model, given, body }: InferenceRequest): void => {
  const lacks = (what: string): HttpFailure => new HttpFailure(400, `${what}`);
  const full = `registry.ollama.ai/library/${model.name}`;
  if (body['think'] && !can(model, 'thinking'))
    throw lacks(`${JSON.stringify(given)} does not support thinking`);
  if (!can(model, 'completion')) throw lacks(`${JSON.stringify(given)} does not support ${kind}`);
  const tools: unknown = body['tools'];
  if (Array.isArray(tools) && tools.length > 0 && !can(model, 'tools'))
    throw lacks(`${full} does not support tools`);
  if (body['suffix'] && !can(model, 'insert')) throw lacks(`${full} does not support insert`);
};

type Setting = {
  readonly voice: Voice;
  readonly grant: Grant;
  readonly options: RunOptions;
  readonly startedMs: number;
  readonly loadMs: number;
};

const answer = async (
  sim: Sim,
  exchange: Exchange,
  request: InferenceRequest,
  setting: Setting,
): Promise<void> => {
  const { voice, grant, options } = setting;
  const { body, model, words } = request;
  orFail(checkFormat(body['format']), 500);
  const streamed = body['stream'] !== false;
  const prompt = words.join('\n');
  const call = toolCallFor(body['tools'], words.at(-1) ?? '');
  const thought = can(model, 'thinking') && body['think'] !== false ? thoughtFor(model, prompt) : [];
  const wrong = body['format'] === undefined ? undefined : sim.faults.strike('wrong-answer', model.name);
  const right = call ? { tokens: [], doneReason: 'stop' } : answerFor(model, prompt, options, body['format']);
  const said = wrong ? { tokens: tokensOf(wrong.text), doneReason: 'stop' } : right;
  const asked = Math.min(promptTokens(words), options.runner.num_ctx);
  const signal = sim.faults.strike('deaf', model.name) ? NEVER : exchange.signal;
  const tokens = complete(sim, grant.runner, asked, [...thought, ...said.tokens], signal);
  let next = await tokens.next();
  for (let i = 0; !next.done; i += 1, next = await tokens.next()) {
    const part = i < thought.length ? voice.think(next.value) : voice.say(next.value);
    if (streamed) exchange.line(part);
  }
  if (call) {
    const part = voice.call(call);
    if (streamed) exchange.line(part);
  }
  const figures = figuresOf(sim, setting, asked, next.value);
  const context = body['raw'] === true ? undefined : asked + next.value.evalCount;
  const last = voice.last(streamed, said.doneReason, figures, context);
  if (!streamed) return exchange.json(200, last);
  exchange.line(last);
  exchange.end();
};

const NEVER = new AbortController().signal;

/** Figures that are 0 are left out, as Go leaves them out. */
const figuresOf = (sim: Sim, setting: Setting, asked: number, figures: CompletionFigures) =>
  Object.fromEntries(
    Object.entries({
      total_duration: nanoseconds(sim.clock.nowMs() - setting.startedMs),
      load_duration: nanoseconds(setting.loadMs),
      prompt_eval_count: asked,
      prompt_eval_duration: nanoseconds(figures.promptMs),
      eval_count: figures.evalCount,
      eval_duration: nanoseconds(figures.evalMs),
    }).filter(([, value]) => value !== 0),
  );
