import { batchThroughput } from '../batching.js';
import type { AttemptHistory } from './site-history.js';

/**
 * What each attempt would have taken with its server to itself, in milliseconds: the time that it took, each moment of it counted as the
 * share that it had of the server then. It is `GpuCompute` read backwards, with all of an attempt taken as generation: n attempts of one
 * model are batched, and S models share the server equally. So an attempt that runs beside the same others again takes
 * exactly as long again, whatever the true law of batching is; the table counts for the difference alone.
 * Of attempts that began before `fromMs` it is what was left then; of those under way at `untilMs`, what was done by then.
 */
export const workAlone = (
  attempts: readonly AttemptHistory[],
  fromMs: number,
  untilMs: number,
): ReadonlyMap<AttemptHistory, number> => {
  const work = new Map<AttemptHistory, number>();
  const byServer = Map.groupBy(attempts, ({ serverId }) => serverId);
  for (const group of byServer.values()) {
    // CPU slots share nothing that is counted here.
    for (const attempt of group)
      work.set(
        attempt,
        attempt.isCpu ? Math.max(0, endOf(attempt, untilMs) - Math.max(attempt.startMs, fromMs)) : 0,
      );
    sweep(
      group.filter(({ isCpu }) => !isCpu),
      { fromMs, untilMs },
      work,
    );
  }
  return work;
};

const endOf = ({ ended }: AttemptHistory, untilMs: number): number => ended?.atMs ?? untilMs;

type Span = { readonly fromMs: number; readonly untilMs: number };
type Edge = { readonly atMs: number; readonly begins: boolean; readonly attempt: AttemptHistory };

const sweep = (
  attempts: readonly AttemptHistory[],
  { fromMs, untilMs }: Span,
  work: Map<AttemptHistory, number>,
): void => {
  const edges: Edge[] = [];
  for (const attempt of attempts) {
    const endMs = endOf(attempt, untilMs);
    if (endMs <= fromMs) continue;
    edges.push({ atMs: Math.max(attempt.startMs, fromMs), begins: true, attempt });
    edges.push({ atMs: endMs, begins: false, attempt });
  }
  // What begins and ends at one moment begins first, so that its end finds it.
  edges.sort((a, b) => a.atMs - b.atMs || Number(b.begins) - Number(a.begins));
  const running = new Set<AttemptHistory>();
  let lastMs = 0;
  for (const { atMs, begins, attempt } of edges) {
    if (running.size > 0) advance(running, atMs - lastMs, work);
    lastMs = atMs;
    if (begins) running.add(attempt);
    else running.delete(attempt);
  }
};

const advance = (
  running: ReadonlySet<AttemptHistory>,
  elapsedMs: number,
  work: Map<AttemptHistory, number>,
): void => {
  const counts = new Map<string, number>();
  for (const { key } of running) counts.set(key, (counts.get(key) ?? 0) + 1);
  for (const attempt of running) {
    const n = counts.get(attempt.key) ?? 1;
    const share = batchThroughput(n) / n / counts.size;
    work.set(attempt, (work.get(attempt) ?? 0) + elapsedMs * share);
  }
};
