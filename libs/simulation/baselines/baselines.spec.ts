import { describe, expect, it } from '@jest/globals';
import { batchThroughput } from '#libs/simulation/batching.js';
import type { Hardware, SimModel } from '#libs/simulation/hardware.js';
import { makespanMs, waitMs } from '#libs/simulation/metrics.js';
import { MODELS } from '#libs/simulation/models.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import { between, pick, seededRandom } from '#libs/simulation/random.js';
import type { RunRecord, SimScheduler, TaskRun } from '#libs/simulation/run-record.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';
import { generateTokensPerS, promptTokensPerS } from '#libs/simulation/speeds.js';
import { llamaSwap } from './llama-swap.js';
import { ollamaFifo } from './ollama-fifo.js';
import { smartProxy } from './smart-proxy.js';
import { staticPriority } from './static-priority.js';

const GIB = 2 ** 30;
const ALL: readonly SimScheduler[] = [
  ollamaFifo(1),
  ollamaFifo(4),
  ollamaFifo(4, 'fixed'),
  llamaSwap,
  staticPriority,
  smartProxy,
];

const modelOf = (model: string, gib: number): SimModel => ({
  model,
  weightBytes: gib * GIB,
  kvBytesPerToken: 0,
  numCtx: 2_048,
});
/** Two of them do not fit into 24 GiB; a small one fits beside any of them, also by Ollama's 80 % rule. */
const A = modelOf('a', 14);
const B = modelOf('b', 14);
const C = modelOf('c', 14);
const SMALL = modelOf('small', 1);

const hardwareOf = (servers = 1, slots = 4): Hardware => ({
  name: 'test',
  host: { pageCacheBytes: 100 * GIB, diskBytesPerS: 3e9, warmBytesPerS: 9e9 },
  servers: Array.from({ length: servers }, (_, index) => ({
    serverId: `gpu${index + 1}`,
    gpu: { name: 'test', vramBytes: 24 * GIB, generateTokensPerS: 100, promptTokensPerS: 5_000 },
    slots,
  })),
});

const task = (id: string, model: SimModel, more: Partial<SimTask> = {}): SimTask => ({
  id,
  atMs: 0,
  workspace: 'w',
  priority: 5,
  model: model.model,
  promptTokens: 100,
  outputTokens: 50,
  outputTokensMax: 100,
  after: [],
  deadlineMs: null,
  ...more,
});

const traceOf = (tasks: readonly SimTask[], models: readonly SimModel[] = [A, B, C, SMALL]): Trace => ({
  name: 'hand-made',
  kind: 'batch',
  seed: 1,
  models,
  workspaces: [{ name: 'w', weight: 1 }],
  tasks,
});

const startOrder = ({ tasks }: RunRecord): readonly string[] =>
  tasks.toSorted((a, b) => a.startedAtMs - b.startedAtMs).map(({ id }) => id);

const find = ({ tasks }: RunRecord, id: string): TaskRun => {
  const found = tasks.find((run) => run.id === id);
  if (found === undefined) throw new Error(`no task '${id}' in the record`);
  return found;
};

const alternating = (count: number): Trace =>
  traceOf(Array.from({ length: count }, (_, index) => task(`t${index}`, index % 2 === 0 ? A : B)));

describe('two models in turn that do not fit together', () => {
  it.each([
    ['ollama-fifo-1', 12],
    ['ollama-fifo-4', 12],
    ['ollama-fifo-4-fixed', 12],
    ['llama-swap', 2],
  ])('%s makes %i loads for 12 requests', (name, loads) => {
    const scheduler = ALL.find((each) => each.name === name);
    expect(scheduler?.run(alternating(12), hardwareOf())).toMatchObject({ loads, overcommits: 0 });
  });
});

describe('Ollama', () => {
  it('holds up what would fit behind what does not, and lets pass what is loaded', () => {
    const trace = traceOf([
      task('long', A, { outputTokens: 5_000 }),
      task('other', B, { atMs: 20_000 }),
      task('small', SMALL, { atMs: 21_000 }),
      task('same', A, { atMs: 22_000 }),
    ]);
    const record = ollamaFifo(4).run(trace, hardwareOf());
    expect(startOrder(record)).toEqual(['long', 'same', 'other', 'small']);
    // The small one would fit beside the long one, and waits for its end and two loads all the same.
    expect(find(record, 'small').startedAtMs).toBeGreaterThan(find(record, 'long').endedAtMs);
    expect(waitMs(find(record, 'same'))).toBe(0);
  });

  it('loads a small model beside a large one when it comes first', () => {
    const trace = traceOf([task('long', A, { outputTokens: 5_000 }), task('small', SMALL, { atMs: 20_000 })]);
    const record = ollamaFifo(4).run(trace, hardwareOf());
    expect(find(record, 'small').endedAtMs).toBeLessThan(find(record, 'long').endedAtMs);
  });

  // 10 GiB are free beside the first; 8 of them may be used, and 768 MiB go to a larger batch where the model needs at most 7.5.
  it.each([
    [7, 'beside it'],
    [7.4, 'after it'],
    [7.8, 'beside it'],
    [8.1, 'after it'],
  ])('loads %d GiB beside 14 of 24 by its own prediction: %s', (gib, expected) => {
    const second = modelOf('second', gib);
    const trace = traceOf(
      [task('first', A, { outputTokens: 5_000 }), task('second', second, { atMs: 20_000 })],
      [A, second],
    );
    const record = ollamaFifo(4).run(trace, hardwareOf());
    const after = find(record, 'second').startedAtMs > find(record, 'first').endedAtMs;
    expect(after ? 'after it' : 'beside it').toBe(expected);
  });

  it('does not see the end of a keep-alive time while it unloads another model', () => {
    const other = modelOf('other small', 1);
    const tasks = [
      task('a', SMALL),
      task('b', other),
      task('a last', SMALL, { atMs: 20_000 }),
      task('b last', other, { atMs: 20_000, outputTokens: 60 }),
    ];
    const models = [SMALL, other];
    const quiet = ollamaFifo(4).run(traceOf(tasks, models), hardwareOf());
    const [aEndedAtMs, bEndedAtMs] = [find(quiet, 'a last').endedAtMs, find(quiet, 'b last').endedAtMs];
    // An unload takes 700 ms at least: the time of b ends within that of a, and a request for b comes a little later.
    expect(bEndedAtMs).toBeGreaterThan(aEndedAtMs);
    expect(bEndedAtMs + 50).toBeLessThan(aEndedAtMs + 700);
    const again = task('b again', other, { atMs: bEndedAtMs + 300_050 });
    const record = ollamaFifo(4).run(traceOf([...tasks, again], models), hardwareOf());
    expect([waitMs(find(record, 'b again')), record.loads]).toEqual([0, 2]);
  });

  it('loads no fourth model, however small', () => {
    const small = ['s1', 's2', 's3', 's4'].map((name) => modelOf(name, 1));
    const tasks = small.map((model, index) => task(model.model, model, { atMs: index * 10_000 }));
    const again = small.map((model, index) =>
      task(`${model.model} again`, model, { atMs: 50_000 + index * 10_000 }),
    );
    // s4 evicts s1, s1 evicts s2, and s2 evicts s1, by name: least recently used first would have been 8 loads.
    expect(ollamaFifo(4).run(traceOf([...tasks, ...again], small), hardwareOf()).loads).toBe(6);
  });

  it('evicts what is idle before what is busy, even where that makes no room', () => {
    const trace = traceOf([
      task('small', SMALL),
      task('long', A, { atMs: 10_000, outputTokens: 1_500 }),
      task('other', B, { atMs: 25_000 }),
      task('small again', SMALL, { atMs: 120_000 }),
    ]);
    const record = ollamaFifo(4).run(trace, hardwareOf());
    expect(find(record, 'other').startedAtMs).toBeGreaterThan(find(record, 'long').endedAtMs);
    expect(waitMs(find(record, 'small again'))).toBeGreaterThan(0);
    expect(record.loads).toBe(4);
  });

  it('unloads after five idle minutes', () => {
    const loadsWithPauseOf = (pauseMs: number): number =>
      ollamaFifo(1).run(traceOf([task('first', A), task('second', A, { atMs: pauseMs })]), hardwareOf())
        .loads;
    expect([loadsWithPauseOf(295_000), loadsWithPauseOf(330_000)]).toEqual([1, 2]);
  });

  it('as shipped lets requests for its victim starve the line, fixed does not', () => {
    // A request for the victim every second, each longer than that.
    const stream = Array.from({ length: 60 }, (_, index) =>
      task(`stream${index}`, A, { atMs: 20_000 + index * 1_000, outputTokens: 100 }),
    );
    const trace = traceOf(
      [task('first', A), ...stream, task('victim', B, { atMs: 20_500 })].toSorted((a, b) => a.atMs - b.atMs),
    );
    const waitS = (scheduler: SimScheduler): number =>
      waitMs(find(scheduler.run(trace, hardwareOf()), 'victim')) / 1_000;
    expect(waitS(ollamaFifo(4))).toBeGreaterThan(59);
    expect(waitS(ollamaFifo(4, 'fixed'))).toBeLessThan(30);
  });

  it('serves as many requests of a model at once as it is told', () => {
    const trace = traceOf(Array.from({ length: 4 }, (_, index) => task(`t${index}`, A, { promptTokens: 0 })));
    const waiting = (parallel: number): number =>
      new Set(
        ollamaFifo(parallel)
          .run(trace, hardwareOf(1, 2))
          .tasks.map((run) => run.startedAtMs),
      ).size;
    expect([waiting(1), waiting(4)]).toEqual([4, 1]);
  });
});

describe('llama-swap', () => {
  it('drains A B C A B C as A A B B C C', () => {
    const tasks = [A, B, C, A, B, C].map((model, index) => task(`${model.model}${index}`, model));
    const record = llamaSwap.run(traceOf(tasks), hardwareOf());
    expect(record.loads).toBe(3);
    expect(startOrder(record)).toEqual(['a0', 'a3', 'b1', 'b4', 'c2', 'c5']);
  });

  it('serves a ready model at once, and loads beside it what fits', () => {
    const trace = traceOf([
      task('long', A, { outputTokens: 5_000 }),
      task('blocked', B, { atMs: 20_000 }),
      task('small', SMALL, { atMs: 21_000 }),
      task('same', A, { atMs: 22_000 }),
    ]);
    const record = llamaSwap.run(trace, hardwareOf());
    expect(waitMs(find(record, 'same'))).toBe(0);
    expect(find(record, 'small').endedAtMs).toBeLessThan(find(record, 'long').endedAtMs);
    expect(find(record, 'blocked').startedAtMs).toBeGreaterThan(find(record, 'long').endedAtMs);
    expect(record.overcommits).toBe(0);
  });

  it('evicts the set that is the cheapest to load again', () => {
    const [ten, four, six] = [modelOf('ten', 10), modelOf('four', 4), modelOf('six', 6)];
    const seven = modelOf('seven', 7);
    const trace = traceOf(
      [
        task('ten', ten),
        task('four', four, { atMs: 20_000 }),
        task('six', six, { atMs: 40_000 }),
        // 20 of 24 GiB are taken; 3 are missing: the 4 go.
        task('seven', seven, { atMs: 60_000 }),
        task('ten again', ten, { atMs: 80_000 }),
        task('six again', six, { atMs: 80_000 }),
      ],
      [ten, four, six, seven],
    );
    const record = llamaSwap.run(trace, hardwareOf());
    expect(record.loads).toBe(4);
    expect(waitMs(find(record, 'ten again')) + waitMs(find(record, 'six again'))).toBe(0);
  });

  it('sends a request to the server that has its model', () => {
    const tasks = Array.from({ length: 20 }, (_, index) =>
      task(`t${index}`, index % 2 ? A : SMALL, { atMs: index * 5_000 }),
    );
    const record = llamaSwap.run(traceOf(tasks), hardwareOf(4));
    expect(record.loads).toBe(2);
  });
});

describe('a queue with static priorities', () => {
  it('takes the highest priority first, then the oldest, whatever is loaded', () => {
    const tasks = [
      task('first', A, { priority: 1, outputTokens: 1_000 }),
      task('low', A, { priority: 1, atMs: 10 }),
      task('high', B, { priority: 10, atMs: 20 }),
      task('middle 1', A, { priority: 5, atMs: 30 }),
      task('middle 2', B, { priority: 5, atMs: 40 }),
      task('high 2', B, { priority: 10, atMs: 50 }),
    ];
    const record = staticPriority.run(traceOf(tasks), hardwareOf(1, 1));
    expect(startOrder(record)).toEqual(['first', 'high', 'high 2', 'middle 1', 'middle 2', 'low']);
  });

  it('uses the workers of all servers', () => {
    const tasks = Array.from({ length: 4 }, (_, index) => task(`t${index}`, A));
    expect(
      new Set(staticPriority.run(traceOf(tasks), hardwareOf(2)).tasks.map(({ serverId }) => serverId)).size,
    ).toBe(2);
  });
});

describe('the score of the smart proxy', () => {
  it('prefers what is loaded, then what fits, then what was asked for first', () => {
    const tasks = [
      // So that their sizes are known.
      task('warm small', SMALL),
      task('warm a', A, { atMs: 20_000, outputTokens: 1_000 }),
      task('other', B, { atMs: 20_010 }),
      task('small', SMALL, { atMs: 20_020 }),
      task('another', C, { atMs: 20_030 }),
      task('same', A, { atMs: 20_040 }),
    ];
    expect(startOrder(smartProxy.run(traceOf(tasks), hardwareOf(1, 1)))).toEqual([
      'warm small',
      'warm a',
      'small',
      'same',
      'other',
      'another',
    ]);
  });

  it('takes a model that it has never seen for one that does not fit', () => {
    const tasks = [
      task('warm a', A, { outputTokens: 1_000 }),
      task('other', B, { atMs: 10 }),
      task('small', SMALL, { atMs: 20 }),
    ];
    expect(startOrder(smartProxy.run(traceOf(tasks), hardwareOf(1, 1)))).toEqual([
      'warm a',
      'other',
      'small',
    ]);
  });

  it('makes two loads of two models in turn with one slot, and more with four, which it fills with both', () => {
    expect(smartProxy.run(alternating(12), hardwareOf(1, 1)).loads).toBe(2);
    expect(smartProxy.run(alternating(12), hardwareOf(1, 4)).loads).toBeGreaterThan(2);
  });

  it('lets a swap go when it has waited as many seconds as its score has points', () => {
    // Each request takes about 9 s.
    const stream = Array.from({ length: 100 }, (_, index) => task(`s${index}`, A, { outputTokens: 300 }));
    const [first, ...others] = stream;
    const trace = traceOf([...(first ? [first] : []), task('other', B, { workspace: 'v' }), ...others]);
    const waitS = waitMs(find(smartProxy.run(trace, hardwareOf(1, 1)), 'other')) / 1_000;
    // 400 for the swap, 10 for its client's one request, which is queued and recent; then one request and two loads.
    expect(waitS).toBeGreaterThan(410);
    expect(waitS).toBeLessThan(435);
  });

  it('takes off up to 100 for a client that asks much', () => {
    const tasks = [
      task('first', A, { outputTokens: 1_000 }),
      ...Array.from({ length: 10 }, (_, index) =>
        task(`greedy${index}`, A, { atMs: 10, workspace: 'greedy' }),
      ),
      task('modest', A, { atMs: 20, workspace: 'modest' }),
    ];
    expect(startOrder(smartProxy.run(traceOf(tasks), hardwareOf(1, 1)))[1]).toBe('modest');
  });
});

/** Random tasks with dependencies on every preset. */
const randomTrace = (seed: number): Trace => {
  const random = seededRandom(seed);
  const models = [MODELS.llama1b, MODELS.llama8b, MODELS.qwen7b, MODELS.gemma9b, MODELS.nomicEmbed];
  const tasks = Array.from({ length: 80 }, (_, index): SimTask =>
    task(`t${index}`, pick(random, models), {
      atMs: index * 100,
      workspace: pick(random, ['x', 'y', 'z']),
      priority: 1 + Math.floor(random() * 10),
      promptTokens: Math.floor(between(random, 0, 2_000)),
      outputTokens: Math.floor(between(random, 0, 300)),
      after: index > 4 && random() < 0.3 ? [`t${index - 1 - Math.floor(random() * 4)}`] : [],
    }),
  );
  return { ...traceOf(tasks, models), seed };
};

describe.each(ALL)('$name', (scheduler) => {
  it('completes every task once, in an order that dependencies allow, without overcommit', () => {
    for (const hardware of hardwarePresets()) {
      for (let seed = 0; seed < 5; seed += 1) {
        const trace = randomTrace(seed);
        const record = scheduler.run(trace, hardware);
        const byId = new Map(record.tasks.map((run) => [run.id, run]));
        expect(byId.size).toBe(trace.tasks.length);
        expect(record.tasks.length).toBe(trace.tasks.length);
        expect(record.overcommits).toBe(0);
        for (const { id, atMs, after } of trace.tasks) {
          const run = find(record, id);
          const neededAtMs = Math.max(atMs, ...after.map((need) => byId.get(need)?.endedAtMs ?? Infinity));
          expect(run.readyAtMs).toBe(neededAtMs);
          expect(run.startedAtMs).toBeGreaterThanOrEqual(run.readyAtMs);
          expect(run.endedAtMs).toBeGreaterThanOrEqual(run.startedAtMs);
        }
      }
    }
  });

  it('does no more work than its GPUs can', () => {
    for (const hardware of hardwarePresets()) {
      const trace = randomTrace(4);
      const record = scheduler.run(trace, hardware);
      const servers = new Map(hardware.servers.map((server) => [server.serverId, server]));
      const leastMs = new Map<string, number>();
      for (const { id, model: name, promptTokens, outputTokens } of trace.tasks) {
        const { serverId } = find(record, id);
        const gpu = servers.get(serverId)?.gpu;
        const model = trace.models.find((each) => each.model === name);
        if (gpu === undefined || model === undefined) throw new Error(`'${id}' ran on '${serverId}'`);
        const readS = promptTokens / promptTokensPerS(gpu, model);
        const generatedS = outputTokens / (generateTokensPerS(gpu, model) * batchThroughput(4));
        leastMs.set(serverId, (leastMs.get(serverId) ?? 0) + (readS + generatedS) * 1_000);
      }
      for (const [serverId, ms] of leastMs) {
        expect(ms).toBeLessThanOrEqual((record.busyMs.get(serverId) ?? 0) * (1 + 1e-9));
        expect(record.busyMs.get(serverId)).toBeLessThanOrEqual(makespanMs(record));
      }
    }
  });

  it('does the same again with the same seed', () => {
    for (const hardware of hardwarePresets()) {
      expect(scheduler.run(randomTrace(3), hardware)).toEqual(scheduler.run(randomTrace(3), hardware));
    }
  });
});
