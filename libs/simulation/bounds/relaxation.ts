import { vramBytesOf, type Gpu, type Hardware, type SimModel, type SimServer } from '../hardware.js';
import { bestThroughput } from '../batching.js';
import { modelSpeeds } from '../speeds.js';
import type { SimTask, Trace } from '../trace.js';

/**
 * Bytes of a GPU that models may take: its VRAM, less what a scheduler leaves free. The bounds hold for every
 * scheduler that takes no more.
 */
export type UsableVram = (gpu: Gpu) => number;

/** The shortest start of a model's process and the shortest unload of any server; each is up to 1 s longer. */
export const SPAWN_MIN_MS = 500;
export const UNLOAD_MIN_MS = 700;

/**
 * What of a trace is certain whatever the scheduler does: the least that each task costs and the earliest that it
 * can be. All bounds are computed from this and nothing else.
 *
 * A GPU divides its time among its streams, so what it works off in a second, counted in time that a task needs
 * alone, is one second; in a model's stream of generating requests it is `bestThroughput` at the most. Times are
 * milliseconds.
 */
export type Relaxation = {
  readonly servers: readonly SimServer[];
  readonly usableOn: ReadonlyMap<string, number>;
  /** Models that tasks use, in the order of the trace's models. */
  readonly models: readonly RelaxedModel[];
  /** In the order of the trace. */
  readonly tasks: readonly RelaxedTask[];
};

export type RelaxedModel = {
  readonly model: SimModel;
  /** VRAM that it takes on each server that can hold it. */
  readonly bytesOn: ReadonlyMap<string, number>;
  /**
   * Shortest first load. Memory is cold, and a file counts as read when a load of it has ended, so this one comes
   * from the disk.
   */
  readonly loadMs: number;
};

export type RelaxedTask = {
  readonly task: SimTask;
  readonly model: RelaxedModel;
  /** GPU time that it takes at least on each server that can run it, when all slots generate. */
  readonly workMsOn: ReadonlyMap<string, number>;
  /** From start to end on the best GPU, alone. */
  readonly soloMs: number;
  /** Before this it cannot start: submitted, predecessors done, model loaded, each as early as can be. */
  readonly earliestStartMs: number;
  readonly earliestEndMs: number;
};

/** @throws RangeError for a task whose model is unknown or fits no server, or whose predecessor stands later. */
export const relax = (trace: Trace, hardware: Hardware, usableVramBytes: UsableVram): Relaxation => {
  const byName = new Map(
    trace.models.map((model) => [model.model, relaxModel(model, hardware, usableVramBytes)]),
  );
  const used = new Set(trace.tasks.map(({ model }) => model));
  const done = new Map<string, RelaxedTask>();
  for (const task of trace.tasks) {
    const model = byName.get(task.model);
    if (model === undefined || model.bytesOn.size === 0)
      throw new RangeError(
        `task ${task.id}: model ${task.model} ${model ? `fits no server of ${hardware.name}` : `is none of trace ${trace.name}`}`,
      );
    done.set(task.id, relaxTask(task, model, hardware, done));
  }
  return {
    servers: hardware.servers,
    usableOn: new Map(hardware.servers.map(({ serverId, gpu }) => [serverId, usableVramBytes(gpu)])),
    models: [...byName.values()].filter(({ model }) => used.has(model.model)),
    tasks: [...done.values()],
  };
};

const relaxModel = (model: SimModel, { servers, host }: Hardware, usable: UsableVram): RelaxedModel => ({
  model,
  bytesOn: new Map(
    servers
      .map((server) => ({ server, bytes: vramBytesOf(model, server.slots) }))
      .filter(({ server, bytes }) => bytes <= usable(server.gpu))
      .map(({ server, bytes }) => [server.serverId, bytes]),
  ),
  loadMs: SPAWN_MIN_MS + (model.weightBytes / host.diskBytesPerS) * 1000,
});

const relaxTask = (
  task: SimTask,
  model: RelaxedModel,
  { servers }: Hardware,
  done: ReadonlyMap<string, RelaxedTask>,
): RelaxedTask => {
  const workMsOn = new Map<string, number>();
  let soloMs = Infinity;
  for (const { serverId, gpu, slots } of servers) {
    if (!model.bytesOn.has(serverId)) continue;
    const { generateTokensPerS, promptTokensPerS } = modelSpeeds(gpu, model.model);
    const promptMs = (task.promptTokens / promptTokensPerS) * 1000;
    const generateMs = (task.outputTokens / generateTokensPerS) * 1000;
    workMsOn.set(serverId, promptMs + generateMs / bestThroughput(slots));
    soloMs = Math.min(soloMs, promptMs + generateMs);
  }
  let earliestStartMs = Math.max(task.atMs, model.loadMs);
  for (const id of task.after) {
    const before = done.get(id);
    if (before === undefined)
      throw new RangeError(`task ${task.id}: its predecessor ${id} does not stand earlier in the trace`);
    earliestStartMs = Math.max(earliestStartMs, before.earliestEndMs);
  }
  return { task, model, workMsOn, soloMs, earliestStartMs, earliestEndMs: earliestStartMs + soloMs };
};
