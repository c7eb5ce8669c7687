import type { Hardware, SimModel } from '../hardware.js';
import { MODELS } from '../models.js';
import { pick, seededRandom, seedOf, type Random } from '../random.js';
import type { SimTask, Trace } from '../trace.js';
import {
  chat,
  embedding,
  essay,
  HOME,
  inOrder,
  modelsFor,
  PLAIN_TASK,
  sizeOf,
  summary,
  workMsOf,
  type Shape,
} from './shapes.js';

/** Makes the same workload from the same seed, as long and as busy as the machine is large. */
export type TraceMaker = (hardware: Hardware, seed: number) => Trace;

type Draft = Omit<SimTask, 'id'>;

const many = (count: number, hardware: Hardware): number => Math.round(count * sizeOf(hardware));

const draft = (model: SimModel, shape: Shape, more: Partial<Draft> = {}): Draft => ({
  ...PLAIN_TASK,
  atMs: 0,
  model: model.model,
  ...shape,
  ...more,
});

const trace = (
  name: string,
  kind: Trace['kind'],
  seed: number,
  models: readonly SimModel[],
  drafts: readonly Draft[],
  workspaces = HOME,
): Trace => ({ name, kind, seed, models, workspaces, tasks: inOrder(drafts) });

const randomOf = (name: string, hardware: Hardware, seed: number): Random =>
  seededRandom(seedOf(name, hardware.name, seed));

/** Zipf with exponent 1: the first is wanted twice as often as the second. */
const zipf = (random: Random, models: readonly SimModel[]): SimModel => {
  const total = models.reduce((sum, _, place) => sum + 1 / (place + 1), 0);
  let left = random() * total;
  for (const [place, model] of models.entries()) {
    left -= 1 / (place + 1);
    if (left <= 0) return model;
  }
  return pick(random, models);
};

/** Spreads drafts over so long that the machine is busy for this share of it. */
const spread = (
  drafts: readonly Draft[],
  models: readonly SimModel[],
  hardware: Hardware,
  random: Random,
  load: number,
) => {
  const spanMs = workMsOf(drafts, models, hardware) / load;
  return { spanMs, drafts: drafts.map((one) => ({ ...one, atMs: Math.round(random() * spanMs) })) };
};

/** Two models that do not fit together, asked for in turn: how often are they swapped? */
export const alternating: TraceMaker = (hardware, seed) => {
  const random = randomOf('alternating', hardware, seed);
  const models = modelsFor(hardware, 2);
  const drafts = Array.from({ length: many(300, hardware) }, (_, n) =>
    draft(models[n % 2] ?? MODELS.llama8b, chat(random)),
  );
  return trace('alternating', 'batch', seed, models, drafts);
};

/** Eight models of different popularity, all there at once: how near is the machine to what it could do? */
export const zipfBatch: TraceMaker = (hardware, seed) => {
  const random = randomOf('zipf-batch', hardware, seed);
  const models = modelsFor(hardware, 8);
  const drafts = Array.from({ length: many(500, hardware) }, () => draft(zipf(random, models), chat(random)));
  return trace('zipf-batch', 'batch', seed, models, drafts);
};

/** The same models asked for over time, four fifths of what the machine can do. */
export const steady: TraceMaker = (hardware, seed) => {
  const random = randomOf('steady', hardware, seed);
  const models = modelsFor(hardware, 6);
  const drafts = Array.from({ length: many(400, hardware) }, () => draft(zipf(random, models), chat(random)));
  return trace('steady', 'open', seed, models, spread(drafts, models, hardware, random, 0.8).drafts);
};

/** People chat in bursts while a night's batch is worked off: how long do they wait, and what does the batch lose? */
export const chatAndBatch: TraceMaker = (hardware, seed) => {
  const random = randomOf('chat-and-batch', hardware, seed);
  const models = modelsFor(hardware, 4);
  const [first = MODELS.llama8b] = models.slice(-1);
  const batch = Array.from({ length: many(250, hardware) }, () =>
    draft(pick(random, models.slice(0, 3)), summary(random), { priority: 2 }),
  );
  const spanMs = workMsOf(batch, models, hardware);
  const chats: Draft[] = [];
  while (chats.length < many(120, hardware)) {
    const atMs = random() * spanMs;
    // Bursts of one to six messages some seconds apart.
    for (let n = Math.floor(random() * 6); n >= 0; n -= 1)
      chats.push(draft(first, chat(random), { priority: 9, atMs: Math.round(atMs + n * 4_000 * random()) }));
  }
  return trace('chat-and-batch', 'open', seed, models, [...batch, ...chats]);
};

/** Embed, answer, judge: three models in a row for each question. */
export const pipelines: TraceMaker = (hardware, seed) => {
  const random = randomOf('pipelines', hardware, seed);
  const [answers = MODELS.llama8b, judge = MODELS.mistral7b] = modelsFor(hardware, 2);
  const models = [MODELS.nomicEmbed, answers, judge];
  const count = many(110, hardware);
  const shapes = Array.from(
    { length: count },
    () => [embedding(random), chat(random), summary(random)] as const,
  );
  const all = shapes.flatMap((three) => three.map((shape, n) => draft(models[n] ?? answers, shape)));
  const spanMs = workMsOf(all, models, hardware) / 0.7;
  const starts = shapes.map(() => Math.round(random() * spanMs)).toSorted((a, b) => a - b);
  const tasks = shapes.flatMap((three, place) =>
    three.map((shape, n): SimTask => ({
      ...draft(models[n] ?? answers, shape, { atMs: starts[place] ?? 0 }),
      id: `p${place}-${n}`,
      after: n === 0 ? [] : [`p${place}-${n - 1}`],
    })),
  );
  return { name: 'pipelines', kind: 'open', seed, models, workspaces: HOME, tasks };
};

/** One workspace brings all of its work at once, nine others bring little over time: who waits? */
export const greedy: TraceMaker = (hardware, seed) => {
  const random = randomOf('greedy', hardware, seed);
  const models = modelsFor(hardware, 3);
  const modest = Array.from({ length: 9 }, (_, n) => `modest-${n + 1}`);
  const flood = Array.from({ length: many(250, hardware) }, () =>
    draft(pick(random, models), chat(random), { workspace: 'greedy' }),
  );
  const little = modest.flatMap((workspace) =>
    Array.from({ length: many(20, hardware) }, () =>
      draft(pick(random, models), chat(random), { workspace }),
    ),
  );
  const spanMs = workMsOf([...flood, ...little], models, hardware);
  const later = little.map((one) => ({ ...one, atMs: Math.round(random() * spanMs * 0.5) }));
  const workspaces = ['greedy', ...modest].map((name) => ({ name, weight: 1 }));
  return trace('greedy', 'open', seed, models, [...flood, ...later], workspaces);
};

/** Long answers of one model stand before short ones of another: does the convoy hold up everybody? */
export const convoy: TraceMaker = (hardware, seed) => {
  const random = randomOf('convoy', hardware, seed);
  const models = modelsFor(hardware, 3);
  const [long = MODELS.llama8b, ...short] = models;
  const lorries = Array.from({ length: many(60, hardware) }, () => draft(long, essay(random)));
  const cars = Array.from({ length: many(240, hardware) }, () => draft(pick(random, short), chat(random)));
  const { drafts, spanMs } = spread(cars, models, hardware, random, 0.5);
  return trace('convoy', 'open', seed, models, [
    ...lorries.map((one) => ({ ...one, atMs: Math.round(random() * spanMs * 0.1) })),
    ...drafts,
  ]);
};

/** Two popular models and one that is asked for once in a while: does it get its turn? */
export const rare: TraceMaker = (hardware, seed) => {
  const random = randomOf('rare', hardware, seed);
  const models = modelsFor(hardware, 3);
  const [seldom = MODELS.llama8b, ...often] = models;
  const drafts = Array.from({ length: many(400, hardware) }, () =>
    draft(random() < 0.04 ? seldom : pick(random, often), chat(random)),
  );
  return trace('rare', 'open', seed, models, spread(drafts, models, hardware, random, 0.9).drafts);
};

/** Two fifths have a deadline, some of them tight: how many are kept? */
export const deadlines: TraceMaker = (hardware, seed) => {
  const random = randomOf('deadlines', hardware, seed);
  const models = modelsFor(hardware, 4);
  const drafts = Array.from({ length: many(350, hardware) }, () => draft(zipf(random, models), chat(random)));
  const spreadOut = spread(drafts, models, hardware, random, 0.9).drafts;
  const due = spreadOut.map((one) => ({
    ...one,
    deadlineMs: random() < 0.4 ? one.atMs + Math.round(15_000 + random() * 105_000) : null,
  }));
  return trace('deadlines', 'open', seed, models, due);
};

/** How long a dead server is away: about what a reboot, or a watchdog and a new start, takes (estimate). */
const DOWN_MS = 180_000;
/**
 * After that an operator restarts a server on which an unload sticks. Who reported ollama#14364 waited for more than ten minutes;
 * in ollama#17408 it took five and a half hours until it was seen, because the health check stayed green.
 */
const RESTART_AFTER_MS = 600_000;
/** A restart that also resets the GPU (estimate). */
const RESTART_MS = 60_000;

/**
 * Six models over time, three quarters of what the machine can do; the first server dies in the middle of a load, the last one
 * while it answers, and then an unload of the first one sticks: what is lost, and for how long?
 */
export const outage: TraceMaker = (hardware, seed) => {
  const random = randomOf('outage', hardware, seed);
  const models = modelsFor(hardware, 6);
  const all = Array.from({ length: many(900, hardware) }, () => draft(zipf(random, models), chat(random)));
  const { drafts, spanMs } = spread(all, models, hardware, random, 0.75);
  const last = hardware.servers.length - 1;
  const death = { kind: 'death', downMs: DOWN_MS } as const;
  return {
    ...trace('outage', 'open', seed, models, drafts),
    outages: [
      { ...death, server: 0, during: 'load', fromMs: 0.15 * spanMs, byMs: 0.25 * spanMs },
      { ...death, server: last, during: 'request', fromMs: 0.4 * spanMs, byMs: 0.45 * spanMs },
      {
        kind: 'slow-unload',
        server: 0,
        fromMs: 0.6 * spanMs,
        lastsMs: null,
        restartAfterMs: RESTART_AFTER_MS,
        restartMs: RESTART_MS,
      },
    ],
  };
};

/** All of them, by name. */
export const TRACES: Readonly<Record<string, TraceMaker>> = {
  alternating,
  'zipf-batch': zipfBatch,
  steady,
  'chat-and-batch': chatAndBatch,
  pipelines,
  greedy,
  convoy,
  rare,
  deadlines,
  outage,
};
