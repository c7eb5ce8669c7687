import { vramBytesOf, type Hardware, type SimServer } from './hardware.js';
import { modelSpeeds } from './speeds.js';
import type { SimTask, Trace } from './trace.js';

/** Limits above which the search would take too long. */
const TASKS_MAX = 8;
const SERVERS_MAX = 2;
const MODELS_MAX = 3;

export type FixedSetup = { readonly spawnMs: number; readonly unloadMs: number };

/**
 * Exact least makespan of a tiny trace, by trying every assignment of tasks to servers and every order on them.
 *
 * The model: servers have one slot and no two models of the trace fit on one GPU together, so a GPU runs one task at
 * a time, for prompt / prompt speed + output / generation speed. To change the model costs `unloadMs` unless the GPU
 * is empty, and `spawnMs` + bytes / disk speed; nothing stays in main memory. It knows everything in advance and may
 * load before a task is ready. Once the order on each server is given, starting everything as early as possible is
 * best, so only such schedules are tried. Each is built in the order of its starts, and of partial ones that are
 * alike in all that matters for the rest one goes on.
 *
 * @throws RangeError for a trace or hardware outside this model or its limits, and for a task that fits no server.
 */
export const leastMakespanMs = (trace: Trace, hardware: Hardware, setup: FixedSetup): number => {
  refuseOthers(trace, hardware);
  const costs = costsOf(trace, hardware, setup);
  const seen = new Set<string>();
  let leastMs = Infinity;
  const search = (state: State): void => {
    const endMs = Math.max(0, ...state.endsMs.values());
    if (endMs >= leastMs || fewestMs(state, trace, costs) >= leastMs) return;
    if (state.endsMs.size === trace.tasks.length) {
      leastMs = endMs;
      return;
    }
    const key = keyOf(state, trace);
    if (seen.has(key)) return;
    seen.add(key);
    // Early ends first: a good schedule soon found ends many others early.
    const nexts = successors(state, trace, hardware, costs, setup);
    for (const next of nexts.toSorted((a, b) => a.lastEndMs - b.lastEndMs)) search(next);
  };
  search({
    startMs: 0,
    lastEndMs: 0,
    endsMs: new Map(),
    gpus: hardware.servers.map(() => ({ freeAtMs: 0, model: null })),
  });
  return leastMs;
};

type GpuState = { readonly freeAtMs: number; readonly model: string | null };

type State = {
  /** When the latest task so far started. */
  readonly startMs: number;
  /** When that task ends. */
  readonly lastEndMs: number;
  readonly endsMs: ReadonlyMap<string, number>;
  /** In the order of the servers. */
  readonly gpus: readonly GpuState[];
};

type Costs = {
  readonly loadMs: ReadonlyMap<string, number>;
  /** By task and server; absent where the model does not fit. */
  readonly runMs: ReadonlyMap<string, ReadonlyMap<string, number>>;
};

const costsOf = ({ models, tasks }: Trace, { servers, host }: Hardware, { spawnMs }: FixedSetup): Costs => {
  const byName = new Map(models.map((model) => [model.model, model]));
  const runMs = new Map<string, Map<string, number>>();
  for (const { id, model: name, promptTokens, outputTokens } of tasks) {
    const onServers = new Map<string, number>();
    runMs.set(id, onServers);
    for (const server of servers) {
      const model = byName.get(name);
      if (model === undefined || vramBytesOf(model, server.slots) > server.gpu.vramBytes) continue;
      const { generateTokensPerS, promptTokensPerS } = modelSpeeds(server.gpu, model);
      const runS = promptTokens / promptTokensPerS + outputTokens / generateTokensPerS;
      onServers.set(server.serverId, runS * 1000);
    }
    if (onServers.size === 0) throw new RangeError(`task ${id}: model ${name} fits no server`);
  }
  const loadMs = models.map(
    ({ model, weightBytes }) => [model, spawnMs + (weightBytes / host.diskBytesPerS) * 1000] as const,
  );
  return { loadMs: new Map(loadMs), runMs };
};

/**
 * The GPUs go on from where they are, and the tasks that are left take at least this, shared out evenly and without
 * loads.
 */
const fewestMs = ({ endsMs, gpus }: State, { tasks }: Trace, { runMs }: Costs): number => {
  let sumMs = 0;
  for (const { freeAtMs } of gpus) sumMs += freeAtMs;
  for (const { id } of tasks) if (!endsMs.has(id)) sumMs += Math.min(...(runMs.get(id)?.values() ?? []));
  return sumMs / gpus.length;
};

/** Every task that can be the next to start, on every server. */
const successors = (
  state: State,
  { tasks }: Trace,
  { servers }: Hardware,
  costs: Costs,
  setup: FixedSetup,
): readonly State[] =>
  tasks
    .filter(({ id, after }) => !state.endsMs.has(id) && after.every((before) => state.endsMs.has(before)))
    .flatMap((task) =>
      servers.flatMap((server, n) => {
        const next = appended(state, task, server, n, costs, setup);
        return next !== null && next.startMs >= state.startMs ? [next] : [];
      }),
    );

const appended = (
  state: State,
  { id, atMs, after, model }: SimTask,
  { serverId }: SimServer,
  n: number,
  { loadMs, runMs }: Costs,
  { unloadMs }: FixedSetup,
): State | null => {
  const gpu = state.gpus[n];
  const takesMs = runMs.get(id)?.get(serverId);
  if (gpu === undefined || takesMs === undefined) return null;
  const changeMs =
    gpu.model === model ? 0 : (gpu.model === null ? 0 : unloadMs) + (loadMs.get(model) ?? Infinity);
  const startMs = Math.max(
    gpu.freeAtMs + changeMs,
    atMs,
    ...after.map((before) => state.endsMs.get(before) ?? Infinity),
  );
  const endMs = startMs + takesMs;
  return {
    startMs,
    lastEndMs: endMs,
    endsMs: new Map(state.endsMs).set(id, endMs),
    gpus: state.gpus.with(n, { freeAtMs: endMs, model }),
  };
};

/** Equal for states from which the rest goes on in the same way and ends at the same time. */
const keyOf = ({ startMs, endsMs, gpus }: State, { tasks }: Trace): string => {
  const parts: (string | number | null)[] = [startMs];
  for (const { id } of tasks) {
    const isNeeded = tasks.some((later) => !endsMs.has(later.id) && later.after.includes(id));
    parts.push(isNeeded ? (endsMs.get(id) ?? null) : Number(endsMs.has(id)));
  }
  for (const { freeAtMs, model } of gpus) parts.push(freeAtMs, model);
  return parts.join(' ');
};

const refuseOthers = ({ tasks, models }: Trace, { servers }: Hardware): void => {
  if (tasks.length > TASKS_MAX || servers.length > SERVERS_MAX || models.length > MODELS_MAX)
    throw new RangeError(
      `${tasks.length} tasks, ${servers.length} servers, ${models.length} models: up to ${TASKS_MAX}, ${SERVERS_MAX} and ${MODELS_MAX} are accepted`,
    );
  for (const { serverId, slots, gpu } of servers) {
    if (slots !== 1) throw new RangeError(`server ${serverId} has ${slots} slots: 1 is accepted`);
    const sizes = models
      .map((model) => vramBytesOf(model, slots))
      .filter((bytes) => bytes <= gpu.vramBytes)
      .toSorted((a, b) => a - b);
    const [least = 0, next = Infinity] = sizes;
    if (least + next <= gpu.vramBytes)
      throw new RangeError(`server ${serverId} holds two models at once: one at a time is accepted`);
  }
};
