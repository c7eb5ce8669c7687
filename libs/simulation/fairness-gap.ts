import type { Hardware } from './hardware.js';
import type { RunRecord } from './run-record.js';
import { serviceRates, type Service } from './service.js';
import type { Trace } from './trace.js';

/**
 * The largest drift apart of two workspaces that both always had something waiting: max |s_p/w_p − s_q/w_q|.
 *
 * - A workspace is backlogged while a task of it is ready and not started: from `readyAtMs` until before `startedAtMs`.
 * - s_p of an interval is the service that its running tasks received within: for each the part of its GPU's VRAM that its slot takes, times
 *   the milliseconds that it ran in the interval (`serviceRates`). w_p is its weight.
 * - The maximum is over all pairs and all intervals in which both are backlogged without a break. Within the longest such intervals
 *   service per weight p − q is a line with bends where a task starts or ends, so its largest less its smallest value there is the maximum over all intervals inside.
 *
 * In service per weight; 0 where no two workspaces are ever backlogged together. Tasks that the trace does not name are left out.
 */
export const fairnessGap = (record: RunRecord, trace: Trace, hardware: Hardware): Service => {
  const workspaces = workspacesOf(record, trace, hardware);
  let gap = 0;
  workspaces.forEach((one, n) => {
    for (const other of workspaces.slice(n + 1))
      for (const span of overlaps(one.backlogged, other.backlogged))
        gap = Math.max(gap, driftIn(span, one, other));
  });
  return gap;
};

type Span = { readonly fromMs: number; readonly untilMs: number };

type Workspace = {
  /** In order, apart from each other. */
  readonly backlogged: readonly Span[];
  /** Service per weight since the start of the trace, at moments in order; straight lines between. */
  readonly service: readonly Point[];
};
type Point = { readonly atMs: number; readonly value: number };

const workspacesOf = (record: RunRecord, trace: Trace, hardware: Hardware): readonly Workspace[] => {
  const tasks = new Map(trace.tasks.map((task) => [task.id, task]));
  const rateOf = serviceRates(trace, hardware);
  return trace.workspaces.map(({ name, weight }) => {
    const waits: Span[] = [];
    const changes: { readonly atMs: number; readonly rate: number }[] = [];
    for (const run of record.tasks) {
      const task = tasks.get(run.id);
      if (task?.workspace !== name) continue;
      const rate = rateOf(run, task) / weight;
      waits.push({ fromMs: run.readyAtMs, untilMs: run.startedAtMs });
      changes.push({ atMs: run.startedAtMs, rate }, { atMs: run.endedAtMs, rate: -rate });
    }
    return { backlogged: merged(waits), service: summed(changes) };
  });
};

/** Spans that overlap or touch become one; empty ones go. */
const merged = (spans: readonly Span[]): readonly Span[] => {
  const result: Span[] = [];
  const inOrder = spans
    .filter(({ fromMs, untilMs }) => fromMs < untilMs)
    .toSorted((a, b) => a.fromMs - b.fromMs);
  for (const span of inOrder) {
    const last = result.at(-1);
    if (last === undefined || span.fromMs > last.untilMs) result.push(span);
    else if (span.untilMs > last.untilMs)
      result[result.length - 1] = { fromMs: last.fromMs, untilMs: span.untilMs };
  }
  return result;
};

const summed = (changes: readonly { readonly atMs: number; readonly rate: number }[]): readonly Point[] => {
  const points: Point[] = [{ atMs: 0, value: 0 }];
  let [atMs, value, rate] = [0, 0, 0];
  for (const change of changes.toSorted((a, b) => a.atMs - b.atMs)) {
    value += rate * (change.atMs - atMs);
    atMs = change.atMs;
    rate += change.rate;
    points.push({ atMs, value });
  }
  return points;
};

const overlaps = (a: readonly Span[], b: readonly Span[]): readonly Span[] => {
  const result: Span[] = [];
  for (let [i, j] = [0, 0]; i < a.length && j < b.length;) {
    const [one, other] = [a[i], b[j]];
    if (one === undefined || other === undefined) break;
    const fromMs = Math.max(one.fromMs, other.fromMs);
    const untilMs = Math.min(one.untilMs, other.untilMs);
    if (fromMs < untilMs) result.push({ fromMs, untilMs });
    if (one.untilMs < other.untilMs) i += 1;
    else j += 1;
  }
  return result;
};

const driftIn = ({ fromMs, untilMs }: Span, one: Workspace, other: Workspace): number => {
  const bends = [...one.service, ...other.service]
    .map(({ atMs }) => atMs)
    .filter((atMs) => atMs > fromMs && atMs < untilMs);
  let [least, most] = [Infinity, -Infinity];
  for (const atMs of [fromMs, ...bends, untilMs]) {
    const apart = serviceAt(one.service, atMs) - serviceAt(other.service, atMs);
    least = Math.min(least, apart);
    most = Math.max(most, apart);
  }
  return most - least;
};

const serviceAt = (points: readonly Point[], atMs: number): number => {
  let [low, high] = [0, points.length - 1];
  while (low < high) {
    const middle = (low + high + 1) >>> 1;
    if ((points[middle]?.atMs ?? Infinity) <= atMs) low = middle;
    else high = middle - 1;
  }
  const [before, after] = [points[low], points[low + 1]];
  if (before === undefined) return 0;
  if (after === undefined || after.atMs === before.atMs) return before.value;
  const share = (atMs - before.atMs) / (after.atMs - before.atMs);
  return before.value + share * (after.value - before.value);
};
