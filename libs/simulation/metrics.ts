import type { RunRecord, TaskRun } from './run-record.js';
import type { Trace } from './trace.js';

/** From the start of the trace to the end of the last task; 0 without tasks. */
export const makespanMs = ({ tasks }: RunRecord): number =>
  tasks.reduce((last, { endedAtMs }) => Math.max(last, endedAtMs), 0);

/** From when a task was ready to when a slot began to work for it. */
export const waitMs = ({ readyAtMs, startedAtMs }: TaskRun): number => startedAtMs - readyAtMs;

export type WaitsMs = {
  readonly tasks: number;
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
};

/** Waits of some tasks; zeros without any. */
export const waitsOf = (tasks: readonly TaskRun[]): WaitsMs => spreadOf(tasks.map(waitMs));

export const spreadOf = (waitsMs: readonly number[]): WaitsMs => {
  const sorted = waitsMs.toSorted((a, b) => a - b);
  return {
    tasks: sorted.length,
    p50: percentile(sorted, 50),
    p95: percentile(sorted, 95),
    p99: percentile(sorted, 99),
    max: percentile(sorted, 100),
  };
};

/** By priority, the highest first. */
export const waitsByPriority = (record: RunRecord, trace: Trace): ReadonlyMap<number, WaitsMs> => {
  const priorities = new Map(trace.tasks.map(({ id, priority }) => [id, priority]));
  const groups = Map.groupBy(record.tasks, ({ id }) => priorities.get(id) ?? 0);
  return new Map(
    [...groups].toSorted(([a], [b]) => b - a).map(([priority, tasks]) => [priority, waitsOf(tasks)]),
  );
};

/** Share of the makespan in which a GPU computed, mean over the servers; 0 without tasks. */
export const gpuBusyShare = (record: RunRecord): number => {
  const allMs = makespanMs(record) * record.busyMs.size;
  const busyMs = [...record.busyMs.values()].reduce((sum, ms) => sum + ms, 0);
  return allMs === 0 ? 0 : busyMs / allMs;
};

/** Nearest rank: the smallest value that is not below the given share of all. */
const percentile = (sorted: readonly number[], percent: number): number =>
  sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0;
