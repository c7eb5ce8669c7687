import fc from 'fast-check';
import type { Hardware, SimModel } from '#libs/simulation/hardware.js';
import { REFERENCE_BYTES } from '#libs/simulation/hardware.js';
import type { RunRecord, TaskRun } from '#libs/simulation/run-record.js';
import type { SimTask, Trace } from '#libs/simulation/trace.js';
import { gib } from './builders.js';

/** A model that takes these bytes with any number of slots; the reference size has the speeds of the GPU. */
export const simModel = (model: string, weightBytes = REFERENCE_BYTES): SimModel => ({
  model,
  weightBytes,
  kvBytesPerToken: 0,
  numCtx: 4096,
});

/** Reads 1,000 and writes 100 tokens per second at speed 1, so that times are round. */
export const simServer = (
  serverId: string,
  more: {
    readonly vramBytes?: number;
    readonly slots?: number;
    readonly speed?: number;
    readonly promptSpeed?: number;
  } = {},
): Hardware['servers'][number] => ({
  serverId,
  slots: more.slots ?? 1,
  gpu: {
    name: 'test',
    vramBytes: more.vramBytes ?? gib(24),
    generateTokensPerS: 100 * (more.speed ?? 1),
    promptTokensPerS: 1000 * (more.promptSpeed ?? more.speed ?? 1),
  },
});

/**
 * A disk that reads the reference model in 1.5 s, so that its first load takes 2 s at the least; a load from memory
 * takes 0.6 s.
 */
export const simHardware = (...servers: Hardware['servers'][number][]): Hardware => ({
  name: 'test',
  host: {
    pageCacheBytes: gib(1000),
    diskBytesPerS: REFERENCE_BYTES / 1.5,
    warmBytesPerS: REFERENCE_BYTES / 0.1,
  },
  servers,
});

/** 1 s alone on a GPU of speed 1, half of it for the prompt. */
export const simTask = (id: string, more: Partial<SimTask> = {}): SimTask => ({
  id,
  atMs: 0,
  workspace: 'home',
  priority: 5,
  model: 'a',
  promptTokens: 500,
  outputTokens: 50,
  outputTokensMax: 512,
  after: [],
  deadlineMs: null,
  ...more,
});

export const simTrace = (tasks: readonly SimTask[], more: Partial<Trace> = {}): Trace => ({
  name: 'test',
  kind: 'batch',
  seed: 1,
  models: [simModel('a'), simModel('b'), simModel('c')],
  workspaces: [{ name: 'home', weight: 1 }],
  tasks,
  ...more,
});

export const taskRun = (id: string, more: Partial<TaskRun> = {}): TaskRun => ({
  id,
  serverId: 'gpu1',
  readyAtMs: 0,
  startedAtMs: 0,
  endedAtMs: 1000,
  startBoundMs: null,
  predictedMs: null,
  ...more,
});

export const runRecord = (tasks: readonly TaskRun[], more: Partial<RunRecord> = {}): RunRecord => ({
  scheduler: 'test',
  tasks,
  loads: 1,
  overcommits: 0,
  busyMs: new Map(),
  ...more,
});

export type SimCase = { readonly trace: Trace; readonly hardware: Hardware; readonly seed: number };

/** Tasks of three models on unlike servers, the first of which can hold each of them. */
export const simCases = (limits: {
  readonly tasksMin?: number;
  readonly tasksMax: number;
  readonly serversMax: number;
  /** `one`: a GPU holds one model at a time and serves one request. `shared`: several models, up to 4 requests. */
  readonly memory: 'one' | 'shared';
}): fc.Arbitrary<SimCase> => {
  const isOne = limits.memory === 'one';
  const server = fc.record({
    vramGiB: isOne ? fc.constantFrom(7, 8, 9) : fc.constantFrom(2, 5, 7, 10, 24),
    slots: isOne ? fc.constant(1) : fc.integer({ min: 1, max: 4 }),
    speed: fc.constantFrom(1, 1, 0.5, 0.7),
    promptSpeed: fc.constantFrom(1, 1, 0.5, 2),
  });
  const sizes = isOne ? fc.constantFrom(5, 6, 7) : fc.constantFrom(1, 3, 4.58, 6);
  const task = fc.record({
    model: fc.constantFrom('a', 'b', 'c'),
    atMs: fc.constantFrom(0, 0, 0, 0, 0, 0, 500, 3000, limits.memory === 'one' ? 6000 : 30_000),
    promptTokens: fc.integer({ min: 1, max: 2000 }),
    outputTokens: fc.integer({ min: 1, max: 400 }),
    before: fc.oneof({ weight: 5, arbitrary: fc.constant(null) }, { weight: 1, arbitrary: fc.nat(100) }),
    dueMs: fc.option(fc.integer({ min: 500, max: 20_000 })),
  });
  return fc
    .record({
      servers: fc.array(server, { minLength: 1, maxLength: limits.serversMax }),
      models: fc.tuple(sizes, sizes, sizes),
      tasks: fc.array(task, { minLength: limits.tasksMin ?? 1, maxLength: limits.tasksMax, size: 'max' }),
      seed: fc.nat(),
    })
    .map(({ servers, models, tasks, seed }) => {
      const inOrder = tasks.toSorted((a, b) => a.atMs - b.atMs);
      return {
        seed,
        // The first server can hold every model.
        hardware: simHardware(
          ...servers.map(({ vramGiB, ...rest }, n) =>
            simServer(`gpu${n + 1}`, {
              ...rest,
              vramBytes: Math.ceil(gib(n > 0 ? vramGiB : Math.max(vramGiB, ...models))),
            }),
          ),
        ),
        trace: simTrace(
          inOrder.map(({ before, dueMs, ...rest }, n) =>
            simTask(`t${n}`, {
              ...rest,
              after: before !== null && n > 0 ? [`t${before % n}`] : [],
              deadlineMs: dueMs === null ? null : rest.atMs + dueMs,
            }),
          ),
          { models: models.map((size, n) => simModel(['a', 'b', 'c'][n] ?? 'a', gib(size))) },
        ),
      };
    });
};
