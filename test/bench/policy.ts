/**
 * The policy against what people use today: ten workloads, one of them with servers that die, on five machines, twenty seeds each, under a virtual clock. One record per trace,
 * machine and scheduler with the mean over the seeds and its 95 % confidence interval; `policy.svg` shows the heart of it.
 */
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { confidence95 } from '#libs/simulation/statistics.js';
import { policyChart } from '../simulation/policy-chart.js';
import { cellsOf, type Cell, type Run } from '../simulation/policy-cells.js';
import { circumstances, round } from './bench-report.js';

const SEEDS = Number(process.env['BENCH_SEEDS'] ?? 20);
const FIGURES = [
  'makespanS',
  'lowerBoundS',
  'percentOfBound',
  'loads',
  'loadsBound',
  'waitSP50',
  'waitSP95',
  'waitSP99',
  'waitSMax',
  'gpuBusyShare',
  'fairnessGap',
  'fairnessBound',
  'deadlineHits',
  'deadlineHitsBound',
  'boundUsed',
  'repeatedS',
  'deaths',
  'lateExcused',
] as const;

export type PolicyRecord = Readonly<Record<(typeof FIGURES)[number], number>> & {
  readonly trace: string;
  readonly hardware: string;
  readonly baseline: string;
  readonly seeds: number;
  /** Half of the 95 % confidence intervals of the means. */
  readonly plusMinus: Readonly<Record<'percentOfBound' | 'loads' | 'waitSP99', number>>;
  /** Of all seeds. */
  readonly overcommits: number;
  readonly overBound: number;
  readonly waitsMsByPriority: Readonly<
    Record<string, { readonly p50: number; readonly p95: number; readonly p99: number; readonly max: number }>
  >;
};

/** All cores; each worker gets the next cell when it has done one. */
const runAll = async (cells: readonly Cell[]): Promise<readonly Run[]> => {
  const runs: Run[] = [];
  const left = [...cells];
  const one = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = new Worker(new URL('../simulation/cell-worker.js', import.meta.url));
      const next = (): void => {
        const cell = left.shift();
        if (cell) worker.postMessage(cell);
        else void worker.terminate().then(() => resolve());
      };
      worker.on('message', (made: readonly Run[]) => {
        runs.push(...made);
        if (left.length % 45 === 0)
          process.stderr.write(`${cells.length - left.length} of ${cells.length} cells\n`);
        next();
      });
      worker.on('error', reject);
      next();
    });
  await Promise.all(Array.from({ length: availableParallelism() }, one));
  return runs;
};

const recordOf = (runs: readonly Run[]): PolicyRecord => {
  const [first] = runs;
  if (first === undefined) throw new Error('a record of no runs');
  const meanOf = (name: (typeof FIGURES)[number]): number =>
    round(runs.reduce((sum, run) => sum + run[name], 0) / runs.length, 3);
  const plusMinusOf = (name: 'percentOfBound' | 'loads' | 'waitSP99'): number => {
    const { mean, high } = confidence95(runs.map((run) => run[name]));
    return runs.length > 1 ? round(high - mean, 3) : 0;
  };
  return {
    trace: first.trace,
    hardware: first.hardware,
    baseline: first.scheduler,
    seeds: runs.length,
    ...(Object.fromEntries(FIGURES.map((name) => [name, meanOf(name)])) as Record<
      (typeof FIGURES)[number],
      number
    >),
    plusMinus: {
      percentOfBound: plusMinusOf('percentOfBound'),
      loads: plusMinusOf('loads'),
      waitSP99: plusMinusOf('waitSP99'),
    },
    overcommits: runs.reduce((sum, run) => sum + run.overcommits, 0),
    overBound: runs.reduce((sum, run) => sum + run.overBound, 0),
    waitsMsByPriority: waitsOf(runs),
  };
};

const waitsOf = (runs: readonly Run[]): PolicyRecord['waitsMsByPriority'] => {
  const priorities = new Set(runs.flatMap((run) => Object.keys(run.waitsMsByPriority)));
  const mean = (priority: string, name: 'p50' | 'p95' | 'p99' | 'max'): number => {
    const some = runs.flatMap((run) => run.waitsMsByPriority[priority]?.[name] ?? []);
    return Math.round(some.reduce((sum, ms) => sum + ms, 0) / Math.max(1, some.length));
  };
  return Object.fromEntries(
    [...priorities].map((priority) => [
      priority,
      {
        p50: mean(priority, 'p50'),
        p95: mean(priority, 'p95'),
        p99: mean(priority, 'p99'),
        max: mean(priority, 'max'),
      },
    ]),
  );
};

const startedMs = performance.now();
const runs = await runAll(cellsOf(SEEDS));
const records = [
  ...Map.groupBy(runs, ({ trace, hardware, scheduler }) => `${hardware} ${trace} ${scheduler}`).values(),
]
  .map((some) => recordOf(some))
  .toSorted(
    (a, b) =>
      `${a.hardware} ${a.trace}`.localeCompare(`${b.hardware} ${b.trace}`) ||
      a.baseline.localeCompare(b.baseline),
  );
const folder = join(process.cwd(), 'test', 'bench', 'results');
const about = circumstances({ seeds: SEEDS, minutes: round((performance.now() - startedMs) / 60_000) });
writeFileSync(join(folder, 'policy.json'), `${JSON.stringify({ about, records }, null, 1)}\n`);
writeFileSync(join(folder, 'policy.svg'), policyChart(records));
for (const { hardware, trace, baseline, percentOfBound, loads, waitSP99, overBound } of records)
  process.stdout.write(
    `${hardware.padEnd(6)} ${trace.padEnd(15)} ${baseline.padEnd(26)} ${percentOfBound.toFixed(1).padStart(6)} % ${loads.toFixed(1).padStart(8)} loads  p99 ${waitSP99.toFixed(1).padStart(8)} s  late ${overBound}\n`,
  );
