/**
 * No-op tasks end to end through HTTP, beside BullMQ on Redis on the same machine in the same run, in both durability
 * modes: `process-safe` beside `appendfsync everysec`, `power-safe` beside `appendfsync always`. The two sides run in turn,
 * several times each, and the figures are medians, because the machine's speed drifts.
 *
 * The headline is end to end: so many tasks under way at once, each client waiting for its result (BullMQ:
 * `job.waitUntilFinished`). `…Queued` is the other way to count, where clients do not wait and only the queue's rate shows.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canSyncAlways, type Durability } from '#libs/broker/server-config.js';
import { percentile, report, round, type Figures } from './bench-report.js';
import { startBenchPlatform } from './bench-platform.js';
import type { Load, LoadRun } from './load.js';
import { runLoad } from './platform-load.js';
import { installPeer, runPeer } from './redis-peer.js';

/** Long enough that starting up is lost in it, short enough that all rounds fit in a few minutes. */
const JOBS = Number(process.env['BENCH_JOBS'] ?? 10_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
/** Under way at once, on both sides. 8 is what gives BullMQ the 2,400 jobs/s and 3 to 4 ms that were published for two cores. */
const IN_FLIGHT = 64;
const FEW_IN_FLIGHT = 8;

const LOADS = {
  // Both sides compile their hot code first.
  warmUp: { kind: 'end-to-end', count: JOBS / 2, lanes: IN_FLIGHT },
  endToEnd: { kind: 'end-to-end', count: JOBS, lanes: IN_FLIGHT },
  few: { kind: 'end-to-end', count: JOBS / 4, lanes: FEW_IN_FLIGHT },
  queued: { kind: 'queued', count: JOBS, lanes: IN_FLIGHT },
  idle: { kind: 'end-to-end', count: 200, lanes: 1 },
} as const satisfies Record<string, Load>;

type Runs = Readonly<Record<keyof typeof LOADS, LoadRun>>;

const MODES = [
  { durability: 'process-safe', fsync: 'everysec', suffix: '' },
  { durability: 'power-safe', fsync: 'always', suffix: 'PowerSafe' },
] as const;

const named = (runs: readonly LoadRun[]): Runs =>
  Object.fromEntries(Object.keys(LOADS).map((name, place) => [name, runs[place]])) as Runs;

const runOurs = async (durability: Durability): Promise<Runs & { readonly broker: string }> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'bench-orchestra-'));
  const platform = await startBenchPlatform({ dataDir, durability });
  try {
    const broker = platform.broker?.version ?? '0.0.0';
    if (durability === 'power-safe' && !canSyncAlways(broker)) {
      throw new Error(
        `nats-server ${broker} cannot sync each message; set ORCHESTRA_NATS_SERVER to 2.10 or newer`,
      );
    }
    const runs: LoadRun[] = [];
    for (const load of Object.values(LOADS)) runs.push(await runLoad(platform, load));
    return { ...named(runs), broker };
  } finally {
    await platform.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};

const median = (values: readonly number[]): number => percentile(values, 0.5);

const rateOf = (runs: readonly Runs[], name: keyof typeof LOADS): number =>
  median(runs.map((run) => LOADS[name].count / run[name].seconds));

const waitsOf = (runs: readonly Runs[], name: keyof typeof LOADS): number[] =>
  runs.flatMap((run) => run[name].waitsMs);

/** Rates of both sides and their ratio, under one load. */
const beside = (ours: readonly Runs[], theirs: readonly Runs[], name: keyof typeof LOADS, as: string) => {
  const [mine, peer] = [rateOf(ours, name), rateOf(theirs, name)];
  return {
    [`tasksPerSecond${as}`]: round(mine),
    [`bullmqJobsPerSecond${as}`]: round(peer),
    [`ratio${as}`]: round(mine / peer, 3),
  };
};

const summary = (ours: readonly Runs[], theirs: readonly Runs[], suffix: string): Figures => {
  const idle = waitsOf(ours, 'idle');
  const loaded = waitsOf(ours, 'endToEnd');
  const peerIdle = waitsOf(theirs, 'idle');
  const figures: Figures = {
    ...beside(ours, theirs, 'endToEnd', ''),
    ...beside(ours, theirs, 'few', `At${FEW_IN_FLIGHT}`),
    ...beside(ours, theirs, 'queued', 'Queued'),
    submitToStartMsP50: percentile(idle, 0.5),
    submitToStartMsP99: percentile(idle, 0.99),
    submitToStartLoadedMsP50: percentile(loaded, 0.5),
    submitToStartLoadedMsP99: percentile(loaded, 0.99),
    bullmqAddToStartMsP50: percentile(peerIdle, 0.5),
    bullmqAddToStartMsP99: percentile(peerIdle, 0.99),
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${name}${suffix}`, value]));
};

const folder = join(process.cwd(), '.cache', 'bench');
const versions = installPeer(folder);
let figures: Figures = {};
let broker = '';
for (const { durability, fsync, suffix } of MODES) {
  const ours: Runs[] = [];
  const theirs: Runs[] = [];
  for (let turn = 1; turn <= ROUNDS; turn += 1) {
    process.stdout.write(`${durability}, round ${turn} of ${ROUNDS}\n`);
    const mine = await runOurs(durability);
    broker = mine.broker;
    ours.push(mine);
    theirs.push(named(await runPeer(folder, fsync, Object.values(LOADS))));
    const rates = [ours, theirs].map((runs) => round(rateOf(runs.slice(-1), 'endToEnd')));
    process.stdout.write(`  end to end: ours ${rates[0]} tasks/s, BullMQ ${rates[1]} jobs/s\n`);
  }
  figures = { ...figures, ...summary(ours, theirs, suffix) };
}
report(
  'throughput',
  { jobs: JOBS, rounds: ROUNDS, inFlight: IN_FLIGHT, ...figures },
  { natsServer: broker, bullmq: versions.bullmq, redis: versions.redis },
);
process.exit(0);
