import type { Hardware } from '#libs/simulation/hardware.js';
import { MODELS } from '#libs/simulation/models.js';
import { between, pick, seededRandom } from '#libs/simulation/random.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';

const GIB = 2 ** 30;
/** RTX 3090 with an 8B model (XiongjieDai's benchmark), twice, and half of it. */
const FAST = { name: 'RTX 3090', vramBytes: 24 * GIB, generateTokensPerS: 111.7, promptTokensPerS: 3_865 };
const SLOW = {
  ...FAST,
  name: 'half of it',
  vramBytes: 12 * GIB,
  generateTokensPerS: 56,
  promptTokensPerS: 1_900,
};

/** Bytes per second of every load, from a disk and again: the simulated servers have no page cache. */
const READ_BYTES_PER_S = 3.2e9;

/** Three servers, two alike and a smaller one. */
export const LIVE_HARDWARE: Hardware = {
  name: '24+24+12',
  host: { pageCacheBytes: 0, diskBytesPerS: READ_BYTES_PER_S * 3, warmBytesPerS: READ_BYTES_PER_S },
  servers: [FAST, FAST, SLOW].map((gpu, place) => ({ serverId: `sim-${place + 1}`, gpu, slots: 4 })),
};

/** How long the simulated server takes for a load: the median start of a runner, and the bytes. */
export const liveLoadMs = (weightBytes: number): number => 800 + (weightBytes / READ_BYTES_PER_S) * 1_000;

/** Two that fit everywhere, one that fits beside nothing, two that fit only a large server. */
const LIVE_MODELS = [
  MODELS.llama3b,
  MODELS.qwen7b,
  MODELS.mistral7b,
  MODELS.llama8b,
  MODELS.qwen14b,
] as const;
const WORKSPACES = [
  { name: 'alpha', weight: 1 },
  { name: 'beta', weight: 1 },
  { name: 'gamma', weight: 2 },
];
/** Tokens of the prompt that `promptOf` makes: four letters each, and the template of the simulated server. */
export const PROMPT_TOKENS = 60;
const ARRIVAL_MS = 110_000;

/** 500 tasks in less than two minutes: bursts of one model, priorities, a fifth that need an earlier one, a tenth with a deadline. */
export const liveTrace = (count: number, seed = 11): Trace => {
  const random = seededRandom(seed);
  const times = Array.from({ length: count }, () => Math.floor(random() * ARRIVAL_MS)).toSorted(
    (a, b) => a - b,
  );
  let model = pick(random, LIVE_MODELS);
  const tasks: SimTask[] = [];
  for (const [place, atMs] of times.entries()) {
    if (random() < 0.3) model = pick(random, LIVE_MODELS);
    const outputTokens = Math.round(between(random, 40, 260));
    const earlier = tasks[Math.max(0, place - 1 - Math.floor(random() * 20))];
    tasks.push({
      id: `t${place}`,
      atMs,
      workspace: pick(random, WORKSPACES).name,
      priority: pick(random, [2, 5, 5, 5, 9]),
      model: model.model,
      promptTokens: PROMPT_TOKENS,
      outputTokens,
      outputTokensMax: outputTokens,
      after: random() < 0.2 && earlier ? [earlier.id] : [],
      deadlineMs: random() < 0.1 ? atMs + Math.round(between(random, 20_000, 60_000)) : null,
    });
  }
  return { name: 'live', kind: 'open', seed, models: LIVE_MODELS, workspaces: WORKSPACES, tasks };
};
