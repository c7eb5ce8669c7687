import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { rfc3339Of } from '#libs/domain/time.js';
import type { Submission } from '../conductor/control-plane.js';
import { SUBMITS } from '../conductor/child-tasks.js';
import { EPOCH_MS } from '../conductor/epoch.js';
import { profileOf, type Asked } from '../conductor/site.js';
import { vramBytesOf, type Hardware, type SimModel } from '../hardware.js';
import { MODELS } from '../models.js';
import { hardwarePresets } from '../presets.js';
import { pick, type Random } from '../random.js';

const SMALL = [MODELS.llama1b, MODELS.llama3b, MODELS.qwen7b, MODELS.llama8b, MODELS.nomicEmbed];
const LARGE = [MODELS.gemma9b, MODELS.qwen14b, MODELS.phi14b, MODELS.qwen32b];

const upTo = (random: Random, most: number): number => Math.floor(random() * (most + 1));

/** One to four servers with one to four slots. */
export const randomHardware = (random: Random): Hardware =>
  pick(random, hardwarePresets(1 + upTo(random, 3)));

/** Two to five models that fit somewhere, most often not all at once. */
export const randomModels = (random: Random, { servers }: Hardware): readonly SimModel[] => {
  const fits = (model: SimModel): boolean =>
    servers.some(({ gpu, slots }) => vramBytesOf(model, slots) <= gpu.vramBytes);
  const models = new Set([pick(random, SMALL)]);
  for (let n = upTo(random, 3); n >= 0; n -= 1) models.add(pick(random, [...SMALL, ...LARGE]));
  return [...models].filter(fits);
};

/** The default, or one that is odd enough to be wrong with. */
export const randomPolicy = (random: Random): PolicySettings => ({
  ...DEFAULT_POLICY,
  ...(random() < 0.5 ? {} : { agingMs: pick(random, [0, 1_000, 600_000]) }),
  ...(random() < 0.5
    ? { swapAfterLoads: 0 }
    : { swapLeadMs: pick(random, [0, 5_000, 600_000]), swapAfterLoads: 50 }),
  ...(random() < 0.5 ? {} : { swapShareMax: pick(random, [0.05, 0.9]) }),
  ...(random() < 0.5 ? {} : { overtakenMaxMs: pick(random, [1_000, 10_000]) }),
  ...(random() < 0.5 ? {} : { fairQuantumMs: pick(random, [1_000, 10_000]) }),
  weights: { lab: pick(random, [0.5, 1, 3]) },
});

const SHAPES: readonly (readonly (readonly string[])[])[] = [
  [[]],
  [[]],
  [[], ['a']],
  [[], [], ['a', 'b']],
  [[], ['a'], ['a'], ['b', 'c']],
];
const STEP_IDS = ['a', 'b', 'c', 'd'];
const END_IDS = ['y', 'z'];

export type RandomTask = {
  readonly atMs: number;
  readonly submission: Omit<Submission, 'submittedAt'>;
  readonly asked: Asked;
};

/** Tasks over two minutes: steps side by side and in a row, some left out, abandoned, run for each of a list or at the end, tasks that need tasks, priorities, workspaces, deadlines. */
export const randomTasks = (
  random: Random,
  models: readonly SimModel[],
  endLimitsMs: readonly number[],
): readonly RandomTask[] => {
  const count = 1 + upTo(random, 24);
  const times = Array.from({ length: count }, () => (random() < 0.4 ? 0 : upTo(random, 120_000))).toSorted(
    (a, b) => a - b,
  );
  return times.map((atMs, place) => {
    const task = randomTask(random, models, atMs, place);
    const { submission } = task;
    const steps = [...submission.steps, ...endOf(random, models, pick(random, endLimitsMs))];
    return { ...task, submission: { ...submission, steps } };
  });
};

const randomTask = (random: Random, models: readonly SimModel[], atMs: number, place: number): RandomTask => {
  const waitMs = upTo(random, 30_000);
  return {
    atMs,
    asked: { promptTokens: 20 + upTo(random, 2_000), outputTokens: 1 + upTo(random, 400) },
    submission: {
      taskId: `t${place}`,
      workspace: pick(random, ['home', 'lab']),
      parameters: {
        skip: [...STEP_IDS, ...END_IDS].filter(() => random() < 0.5),
        items: upTo(random, 5),
        wait: waitMs,
      },
      priority: 1 + upTo(random, 9),
      dependsOn: dependenciesOf(random, place),
      labels: {},
      steps: stepsOf(random, models, waitMs),
      ...(random() < 0.8 ? {} : { deadlineAt: rfc3339Of(EPOCH_MS + atMs + upTo(random, 90_000)) }),
    },
  };
};

const dependenciesOf = (random: Random, place: number): readonly string[] => {
  const named = new Set<string>();
  for (let n = place === 0 || random() < 0.6 ? 0 : 2; n > 0; n -= 1) named.add(`t${upTo(random, place - 1)}`);
  return [...named];
};

/** A wait of an odd number of milliseconds is a question that nobody answers. */
const stepsOf = (random: Random, models: readonly SimModel[], waitMs: number): readonly StepSpec[] =>
  pick(random, SHAPES).map((needs, place) => ({
    ...stepOf(random, models, STEP_IDS[place] ?? 'a'),
    needs,
    ...kindOf(random, waitMs),
  }));

/** Some tasks have steps at their end, of which some have too little time. */
const endOf = (random: Random, models: readonly SimModel[], limitMs: number): readonly StepSpec[] => {
  const ids = random() < 0.7 ? [] : END_IDS.slice(0, 1 + upTo(random, 1));
  return ids.map((id, place) => ({
    ...stepOf(random, models, id),
    needs: ids.slice(0, place),
    ...(random() < 0.85 ? {} : { forEach: { concurrency: 1 + upTo(random, 3) } }),
    atEnd: { limitMs },
  }));
};

const stepOf = (random: Random, models: readonly SimModel[], id: string): Omit<StepSpec, 'needs'> => ({
  id,
  stepType: 'ollama_generate',
  requirement: { kind: 'model', profile: profileOf(pick(random, models)) },
  retry: { attemptsMax: 1 + upTo(random, 2), backoffMs: 500 },
  ...(random() < 0.8 ? {} : { conditional: true }),
  ...(random() < 0.8 ? {} : { onFailure: 'continue' }),
});

/** Most run once; some run for each of a list, some wait, and some are tasks. */
const kindOf = (random: Random, waitMs: number): Pick<StepSpec, 'forEach' | 'waits' | 'child'> => {
  const times = random();
  const forEach = times < 0.15 ? { forEach: { concurrency: 1 + upTo(random, 3) } } : {};
  if (times > 0.03 && times < 0.15) return forEach;
  const kind = random();
  if (times < 0.03 || kind < 0.06) return { ...forEach, ...SUBMITS };
  return kind < 0.95 ? {} : { waits: waitMs % 2 === 1 ? 'approval' : 'delay' };
};
