import type { WorkspaceId } from '#libs/domain/ids.js';
import { spreadOf, type WaitsMs } from '../metrics.js';
import type { AttemptHistory, SiteHistory, StepHistory, TaskHistory } from './site-history.js';

/** What became of the tasks of a window: those open at its start and those submitted in it. Times in milliseconds. */
export type Measures = {
  readonly tasks: {
    readonly all: number;
    readonly completed: number;
    readonly failed: number;
    readonly cancelled: number;
    /** Not over when the history ends. */
    readonly open: number;
  };
  /** From the first task to the last end; to the end of the history where tasks are open then. Loads and work are those of this time. */
  readonly makespanMs: number;
  /**
   * Of steps: from when nothing but a slot was missing to the first attempt. One that did not start has waited until its task ended, or the
   * history; `tasks` counts steps.
   */
  readonly waitsMs: WaitsMs;
  readonly waitsMsByPriority: Readonly<Record<string, WaitsMs>>;
  readonly stepsNotStarted: number;
  /** Models that were loaded, each after the first one on a full server a swap; without those that failed. */
  readonly loads: number;
  /** Share of the makespan in which a server with models worked, mean over the servers while they were there. */
  readonly busyShare: number;
  /** Of tasks that nobody cancelled. `pending`: neither over nor late yet. */
  readonly deadlines: { readonly kept: number; readonly missed: number; readonly pending: number };
  readonly workspaces: Readonly<Record<WorkspaceId, WorkspaceMeasures>>;
};

export type WorkspaceMeasures = {
  /** Time of a server times the share of its memory that the slot had. */
  readonly serviceMs: number;
  readonly serviceShare: number;
  readonly waitsMs: WaitsMs;
};

type Span = { readonly fromMs: number; readonly toMs: number };

/** The window, and the end of the history: what comes later has not happened. */
export type Measured = Span & { readonly untilMs: number };

export const measure = (history: SiteHistory, { fromMs, toMs, untilMs }: Measured): Measures => {
  const tasks = [...history.tasks.values()].filter(
    ({ submittedMs, ended }) => submittedMs < toMs && (ended === null || ended.atMs >= fromMs),
  );
  const ends = tasks.flatMap(({ ended }) => (ended && ended.atMs < untilMs ? [ended] : []));
  const open = tasks.length - ends.length;
  const firstMs = tasks.reduce((first, { submittedMs }) => Math.min(first, submittedMs), Infinity);
  const beginMs = Math.max(fromMs, Math.min(firstMs, untilMs));
  const endMs = open > 0 ? untilMs : ends.reduce((last, { atMs }) => Math.max(last, atMs), beginMs);
  const work = { fromMs: beginMs, toMs: endMs };
  const waits = tasks.flatMap((task) => waitsOf(task, untilMs));
  const byPriority = Map.groupBy(waits, ({ task }) => task.priority);
  const count = (status: string): number => ends.filter((ended) => ended.status === status).length;
  const ids = new Set(tasks.map(({ taskId }) => taskId));
  return {
    tasks: {
      all: tasks.length,
      completed: count('completed'),
      failed: count('failed'),
      cancelled: count('cancelled'),
      open,
    },
    makespanMs: endMs - beginMs,
    waitsMs: spreadOf(waits.map(({ ms }) => ms)),
    waitsMsByPriority: Object.fromEntries(
      [...byPriority]
        .toSorted(([a], [b]) => b - a)
        .map(([priority, of]) => [String(priority), spreadOf(of.map(({ ms }) => ms))]),
    ),
    stepsNotStarted: waits.filter(({ isStarted }) => !isStarted).length,
    loads: history.loads.filter(
      ({ startMs, ended }) => startMs >= fromMs && startMs <= endMs && (ended?.failure ?? null) === null,
    ).length,
    busyShare: busyShareOf(history, work),
    deadlines: deadlinesOf(tasks, untilMs),
    workspaces: workspacesOf(
      history.attempts.filter(({ taskId }) => ids.has(taskId)),
      waits,
      work,
    ),
  };
};

type Wait = { readonly task: TaskHistory; readonly ms: number; readonly isStarted: boolean };

const waitsOf = (task: TaskHistory, endMs: number): readonly Wait[] =>
  [...task.steps.values()].flatMap((step) => waitOf(task, step, endMs) ?? []);

const waitOf = (task: TaskHistory, { readyMs, startMs }: StepHistory, endMs: number): Wait | null => {
  if (readyMs === null || readyMs >= endMs) return null;
  const isStarted = startMs !== null && startMs < endMs;
  const untilMs = isStarted ? startMs : Math.min(task.ended?.atMs ?? endMs, endMs);
  return { task, ms: Math.max(0, untilMs - readyMs), isStarted };
};

const busyShareOf = ({ attempts, servers }: SiteHistory, window: Span): number => {
  const spans = Map.groupBy(attempts, ({ serverId }) => serverId);
  let [busyMs, thereMs] = [0, 0];
  for (const { serverId, span } of servers) {
    if (span.isCpu) continue;
    const there = clipped(span.fromMs, span.untilMs, window);
    thereMs += there.toMs - there.fromMs;
    busyMs += unionMs(spans.get(serverId) ?? [], there);
  }
  return thereMs === 0 ? 0 : busyMs / thereMs;
};

/** Time in which at least one of them ran. */
const unionMs = (attempts: readonly AttemptHistory[], window: Span): number => {
  let [sum, untilMs] = [0, window.fromMs];
  for (const { startMs, ended } of attempts.toSorted((a, b) => a.startMs - b.startMs)) {
    const { fromMs, toMs } = clipped(Math.max(startMs, untilMs), ended?.atMs ?? null, window);
    sum += toMs - fromMs;
    untilMs = Math.max(untilMs, toMs);
  }
  return sum;
};

const clipped = (startMs: number, endMs: number | null, { fromMs, toMs }: Span): Span => {
  const begin = Math.min(toMs, Math.max(fromMs, startMs));
  return { fromMs: begin, toMs: Math.max(begin, Math.min(toMs, endMs ?? toMs)) };
};

const deadlinesOf = (tasks: readonly TaskHistory[], toMs: number): Measures['deadlines'] => {
  const found = { kept: 0, missed: 0, pending: 0 };
  for (const { deadlineMs, ended } of tasks) {
    const over = ended && ended.atMs < toMs ? ended : null;
    if (deadlineMs === null || over?.status === 'cancelled') continue;
    if (over === null) found[deadlineMs >= toMs ? 'pending' : 'missed'] += 1;
    else found[over.status === 'completed' && over.atMs <= deadlineMs ? 'kept' : 'missed'] += 1;
  }
  return found;
};

const workspacesOf = (
  attempts: readonly AttemptHistory[],
  waits: readonly Wait[],
  window: Span,
): Measures['workspaces'] => {
  const service = new Map<WorkspaceId, number>();
  for (const { workspace, startMs, ended, vramShare } of attempts) {
    const { fromMs, toMs } = clipped(startMs, ended?.atMs ?? null, window);
    if (toMs > fromMs) service.set(workspace, (service.get(workspace) ?? 0) + (toMs - fromMs) * vramShare);
  }
  const allMs = [...service.values()].reduce((sum, ms) => sum + ms, 0);
  const byWorkspace = Map.groupBy(waits, ({ task }) => task.workspace);
  const names = [...new Set([...service.keys(), ...byWorkspace.keys()])].toSorted();
  return Object.fromEntries(
    names.map((workspace): [WorkspaceId, WorkspaceMeasures] => {
      const serviceMs = service.get(workspace) ?? 0;
      return [
        workspace,
        {
          serviceMs,
          serviceShare: allMs === 0 ? 0 : serviceMs / allMs,
          waitsMs: spreadOf((byWorkspace.get(workspace) ?? []).map(({ ms }) => ms)),
        },
      ];
    }),
  );
};
