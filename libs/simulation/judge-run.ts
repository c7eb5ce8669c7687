import { deadlineHitsBound } from './bounds/deadline-hits-bound.js';
import { fairnessBound } from './bounds/fairness-bound.js';
import { loadsBound } from './bounds/loads-bound.js';
import { makespanBound } from './bounds/makespan-bound.js';
import { fairnessGap } from './fairness-gap.js';
import type { Gpu, Hardware } from './hardware.js';
import { gpuBusyShare, makespanMs, waitsByPriority, waitsOf, type WaitsMs } from './metrics.js';
import type { RunRecord } from './run-record.js';
import type { Trace } from './trace.js';

/** What a run was worth, beside what no scheduler could have done better. */
export type Judgement = {
  readonly makespanS: number;
  readonly lowerBoundS: number;
  /** Lower bound of the makespan over what was reached, in percent. */
  readonly percentOfBound: number;
  readonly loads: number;
  readonly loadsBound: number;
  readonly waitSP50: number;
  readonly waitSP95: number;
  readonly waitSP99: number;
  readonly waitSMax: number;
  readonly waitsMsByPriority: Readonly<Record<string, WaitsMs>>;
  readonly gpuBusyShare: number;
  /** Service per weight, in GPU seconds times the share of the GPU's memory. */
  readonly fairnessGap: number;
  readonly fairnessBound: number;
  readonly deadlineHits: number;
  readonly deadlineHitsBound: number;
  readonly overcommits: number;
  /** Tasks that started after the moment that they were promised, although nothing happened that voids a promise. */
  readonly overBound: number;
  /** Tasks that started late after something had happened that does: a server was gone, an attempt or a load failed. */
  readonly lateExcused: number;
  /** The part of its promised wait that the task waited that used most of it; 0 where nothing is promised. */
  readonly boundUsed: number;
  /** GPU seconds that were spent once more because a server died. */
  readonly repeatedS: number;
  /** How often a server died or was restarted. */
  readonly deaths: number;
};

/** What of a trace on a machine is certain, whoever schedules it. */
export type Certain = {
  readonly makespanMs: number;
  readonly loads: number;
  readonly deadlineHits: number;
};

export const certainOf = (trace: Trace, hardware: Hardware): Certain => ({
  makespanMs: makespanBound(trace, hardware, ALL).boundMs,
  loads: loadsBound(trace, hardware, ALL, null),
  deadlineHits: trace.tasks.some(({ deadlineMs }) => deadlineMs !== null)
    ? deadlineHitsBound(trace, hardware, ALL)
    : 0,
});

/** A scheduler may fill a GPU to the last byte. */
const ALL = ({ vramBytes }: Gpu): number => vramBytes;

/**
 * `fairQuantumMs`: service that one workspace may be ahead of another before that one goes first. Each server may be in the middle of
 * it at once, so the bound of the gap counts it for each.
 */
export const judgeRun = (
  record: RunRecord,
  trace: Trace,
  hardware: Hardware,
  certain: Certain,
  fairQuantumMs: number,
): Judgement => {
  const endMs = makespanMs(record);
  const tasks = new Map(trace.tasks.map((task) => [task.id, task]));
  const waits = waitsOf(record.tasks);
  const quantum = fairQuantumMs * hardware.servers.length;
  return {
    makespanS: endMs / 1_000,
    lowerBoundS: certain.makespanMs / 1_000,
    percentOfBound: (100 * certain.makespanMs) / endMs,
    loads: record.loads,
    loadsBound: certain.loads,
    waitSP50: waits.p50 / 1_000,
    waitSP95: waits.p95 / 1_000,
    waitSP99: waits.p99 / 1_000,
    waitSMax: waits.max / 1_000,
    waitsMsByPriority: Object.fromEntries(waitsByPriority(record, trace)),
    gpuBusyShare: gpuBusyShare(record),
    fairnessGap: fairnessGap(record, trace, hardware) / 1_000,
    fairnessBound: fairnessBound(record, trace, hardware, quantum) / 1_000,
    deadlineHits: record.tasks.filter(({ id, endedAtMs }) => endedAtMs <= (tasks.get(id)?.deadlineMs ?? -1))
      .length,
    deadlineHitsBound: certain.deadlineHits,
    overcommits: record.overcommits,
    repeatedS: (record.repeatedMs ?? 0) / 1_000,
    deaths: record.deaths ?? 0,
    ...promisesIn(record),
  };
};

/**
 * As the audit judges them: by the first start, and void where something disturbed the time for which a promise was made. What
 * comes after a start cannot excuse it.
 */
const promisesIn = ({
  tasks,
  disturbances = [],
}: RunRecord): Pick<Judgement, 'overBound' | 'lateExcused' | 'boundUsed'> => {
  let [overBound, lateExcused, boundUsed] = [0, 0, 0];
  for (const { startedAtMs, firstStartedAtMs = startedAtMs, readyAtMs, startBoundMs } of tasks) {
    if (startBoundMs === null) continue;
    const isLate = firstStartedAtMs > startBoundMs;
    const untilMs = Math.min(firstStartedAtMs, startBoundMs);
    if (disturbances.some(({ fromMs, toMs }) => fromMs <= untilMs && toMs >= readyAtMs)) {
      if (isLate) lateExcused += 1;
      continue;
    }
    if (isLate) overBound += 1;
    boundUsed = Math.max(boundUsed, (firstStartedAtMs - readyAtMs) / Math.max(1, startBoundMs - readyAtMs));
  }
  return { overBound, lateExcused, boundUsed };
};

/** What cannot be: a run in which something of this is found was not simulated rightly, or the bound is none. */
export const impossibilities = (judged: Judgement, record: RunRecord, trace: Trace): readonly string[] => {
  const runs = new Map(record.tasks.map((run) => [run.id, run]));
  const early = trace.tasks.filter(({ id, atMs, after }) => {
    const startedAtMs = runs.get(id)?.startedAtMs ?? -1;
    // Ends and starts of one moment may differ in the last digit.
    return (
      startedAtMs + 1e-6 < Math.max(atMs, ...after.map((other) => runs.get(other)?.endedAtMs ?? Infinity))
    );
  });
  return [
    ...(judged.percentOfBound > 100.000_1
      ? [`ends after ${judged.makespanS} s, sooner than the lower bound of ${judged.lowerBoundS} s`]
      : []),
    ...(judged.loads < judged.loadsBound ? [`${judged.loads} loads, fewer than ${judged.loadsBound}`] : []),
    ...(judged.deadlineHits > judged.deadlineHitsBound
      ? [`${judged.deadlineHits} deadlines kept, more than ${judged.deadlineHitsBound}`]
      : []),
    ...(runs.size === trace.tasks.length && record.tasks.length === runs.size
      ? []
      : [`${record.tasks.length} runs of ${trace.tasks.length} tasks`]),
    ...(early.length > 0 ? [`${early[0]?.id} starts before what it needs is done`] : []),
  ];
};
