import { bestThroughput } from '../batching.js';
import { vramBytesOf, type Hardware, type SimModel } from '../hardware.js';
import { MODELS } from '../models.js';
import { logNormal, type Random } from '../random.js';
import { generateTokensPerS, promptTokensPerS } from '../speeds.js';
import type { SimTask, Trace } from '../trace.js';

/** What a request asks for. */
export type Shape = Pick<SimTask, 'promptTokens' | 'outputTokens' | 'outputTokensMax'>;

/** Limits that users set (`num_predict`): an answer is cut off at the one that was set. */
const LIMITS = [512, 1_024, 2_048] as const;

const shape = (promptTokens: number, outputTokens: number): Shape => {
  const limit = LIMITS.find((most) => outputTokens <= most) ?? LIMITS[2];
  return {
    promptTokens: Math.max(1, Math.round(promptTokens)),
    outputTokens: Math.max(1, Math.min(limit, Math.round(outputTokens))),
    outputTokensMax: limit,
  };
};

/** ShareGPT: 161 tokens in and 338 out on average; lognormal, the spread of which (σ 1) is the usual one of chats. */
export const chat = (random: Random): Shape => shape(logNormal(random, 98, 1), logNormal(random, 205, 1));

/** Summaries of documents, after the conversations of Azure's traces: about 1,020 in and 129 out at the median. */
export const summary = (random: Random): Shape =>
  shape(logNormal(random, 1_020, 0.5), logNormal(random, 129, 0.5));

/** Long answers that run into their limit. */
export const essay = (random: Random): Shape =>
  shape(logNormal(random, 300, 0.5), logNormal(random, 1_500, 0.4));

/** A text to be embedded: read, and one step. */
export const embedding = (random: Random): Shape => shape(logNormal(random, 400, 0.5), 1);

const CANDIDATES = [
  MODELS.llama70b,
  MODELS.qwen32b,
  MODELS.phi14b,
  MODELS.qwen14b,
  MODELS.gemma9b,
  MODELS.llama8b,
  MODELS.mistral7b,
  MODELS.qwen7b,
  MODELS.llama3b,
] as const;

/** The largest models that the machine can hold, largest first: so many of them never fit all at once. */
export const modelsFor = ({ servers }: Hardware, count: number): readonly SimModel[] =>
  CANDIDATES.filter((model) =>
    servers.some(({ gpu, slots }) => vramBytesOf(model, slots) <= gpu.vramBytes),
  ).slice(0, count);

/** Servers of a machine in units of its fastest: what a trace is made longer by, so that a larger machine is as busy. */
export const sizeOf = ({ servers }: Hardware): number => {
  const fastest = Math.max(...servers.map(({ gpu }) => gpu.generateTokensPerS));
  return servers.reduce((sum, { gpu }) => sum + gpu.generateTokensPerS / fastest, 0);
};

/** Milliseconds in which the whole machine does this work, with all slots used and nothing else to do. */
export const workMsOf = (
  tasks: readonly (Shape & { readonly model: string })[],
  models: readonly SimModel[],
  hardware: Hardware,
): number => {
  const known = new Map(models.map((model) => [model.model, model]));
  const fastest = hardware.servers.reduce((best, server) =>
    server.gpu.generateTokensPerS > best.gpu.generateTokensPerS ? server : best,
  );
  const { gpu, slots } = fastest;
  let ms = 0;
  for (const task of tasks) {
    const model = known.get(task.model);
    if (model === undefined) continue;
    ms += (task.promptTokens / promptTokensPerS(gpu, model)) * 1_000;
    ms += (task.outputTokens / (generateTokensPerS(gpu, model) * bestThroughput(slots))) * 1_000;
  }
  return ms / sizeOf(hardware);
};

/** What most tasks have in common. */
export const PLAIN_TASK = {
  workspace: 'home',
  priority: 5,
  after: [],
  deadlineMs: null,
} as const satisfies Partial<SimTask>;

export const HOME: Trace['workspaces'] = [{ name: 'home', weight: 1 }];

/** In order of arrival, named by their place. */
export const inOrder = (tasks: readonly Omit<SimTask, 'id'>[]): readonly SimTask[] =>
  tasks.toSorted((a, b) => a.atMs - b.atMs).map((task, place) => ({ ...task, id: `t${place}` }));
