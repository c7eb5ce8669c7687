/**
 * No-op tasks end to end through HTTP, beside BullMQ on Redis on the same machine in the same run, in both durability
 * modes: `process-safe` beside `appendfsync everysec`, `power-safe` beside `appendfsync always`. The two sides run in turn,
 * several times each, and the figures are medians, because the machine's speed drifts.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from '@nats-io/transport-node';
import { canSyncAlways } from '#libs/broker/server-config.js';
import { OUTSIDE_PREFIX } from '#libs/broker/permissions.js';
import { SUBJECTS } from '#libs/contracts/subjects.js';
import type { TaskCompleted } from '#libs/domain/task/events.js';
import { percentile, report, round } from './bench-report.js';
import { HttpLoad } from './http-load.js';
import { installPeer, runPeer, type PeerRun } from './redis-peer.js';
import { startBenchPlatform, type BenchPlatform } from './bench-platform.js';

/** Long enough that starting up is lost in it, short enough that all rounds fit in a few minutes. */
const JOBS = Number(process.env['BENCH_JOBS'] ?? 10_000);
const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
/** Requests under way at once, on both sides. */
const IN_FLIGHT = 64;
const IDLE_TASKS = 200;

const MODES = [
  { durability: 'process-safe', fsync: 'everysec', suffix: '' },
  { durability: 'power-safe', fsync: 'always', suffix: 'PowerSafe' },
] as const;

type OurRun = {
  readonly tasksPerSecond: number;
  readonly waitsMs: readonly number[];
  readonly idleWaitsMs: readonly number[];
};

const median = (values: readonly number[]): number => percentile(values, 0.5);

/** Submits `count` tasks over `lanes` connections and waits until the platform has said of each that it is complete. */
const submitAndWait = async (
  platform: BenchPlatform,
  count: number,
  lanes: number,
): Promise<{ seconds: number; waitsMs: number[] }> => {
  const http = new HttpLoad(new URL(platform.apiUrl), lanes);
  const submittedMs = new Map<string, number>();
  const startedMs = new Map<string, number>();
  const { promise: all, resolve } = Promise.withResolvers<void>();
  const stop = await completions(platform, (taskId, atMs) => {
    startedMs.set(taskId, atMs);
    if (startedMs.size === count) resolve();
  });
  const request = { path: '/api/v1/tasks', body: JSON.stringify({ template: 'noop', parameters: {} }) };
  const began = performance.now();
  await http.postAll(
    count,
    () => request,
    ({ status, body }, sentMs) => {
      if (status !== 201 && status !== 202) throw new Error(`POST answered ${status}: ${body}`);
      submittedMs.set((JSON.parse(body) as { id: string }).id, sentMs);
    },
  );
  await within(SETTLE_MAX_MS, all, () => `${startedMs.size} of ${count} tasks were seen to complete`);
  const seconds = (performance.now() - began) / 1000;
  await stop();
  http.close();
  const waitsMs = [...startedMs]
    .map(([id, atMs]) => atMs - (submittedMs.get(id) ?? Number.NaN))
    .filter(Number.isFinite);
  return { seconds, waitsMs };
};

/** What is submitted completes while it is submitted; this long after the last one something is wrong. */
const SETTLE_MAX_MS = 60_000;

const within = async (limitMs: number, work: Promise<void>, said: () => string): Promise<void> => {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`after ${limitMs} ms ${said()}`)), limitMs).unref();
  });
  await Promise.race([work, late]);
};

/** Hears of completions as any subscriber from outside does; what it costs to listen is the same on both sides. */
const completions = async (
  platform: BenchPlatform,
  seen: (taskId: string, startedMs: number) => void,
): Promise<() => Promise<void>> => {
  const connection = await connect({ servers: platform.natsUrl, ...platform.observer });
  connection.subscribe(`${OUTSIDE_PREFIX}.${SUBJECTS.task('*', 'completed')}`, {
    callback: (error, message) => {
      if (error) throw error;
      const { step } = message.json<TaskCompleted>();
      seen(message.subject.split('.')[3] ?? '', Date.parse(step.startedAt));
    },
  });
  await connection.flush();
  return () => connection.close();
};

const runOurs = async (durability: 'process-safe' | 'power-safe'): Promise<OurRun> => {
  const dataDir = mkdtempSync(join(tmpdir(), 'bench-orchestra-'));
  const platform = await startBenchPlatform({ dataDir, durability });
  try {
    const version = platform.broker?.version ?? '0.0.0';
    if (durability === 'power-safe' && !canSyncAlways(version)) {
      throw new Error(
        `nats-server ${version} cannot sync each message; set ORCHESTRA_NATS_SERVER to 2.10 or newer`,
      );
    }
    await submitAndWait(platform, Math.min(1000, JOBS), IN_FLIGHT);
    const full = await submitAndWait(platform, JOBS, IN_FLIGHT);
    const idle = await submitAndWait(platform, IDLE_TASKS, 1);
    return { tasksPerSecond: JOBS / full.seconds, waitsMs: full.waitsMs, idleWaitsMs: idle.waitsMs };
  } finally {
    await platform.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
};

const summary = (ours: readonly OurRun[], peer: readonly PeerRun[], suffix: string) => {
  const tasksPerSecond = median(ours.map((run) => run.tasksPerSecond));
  const bullmqJobsPerSecond = median(peer.map((run) => run.jobsPerSecond));
  const idle = ours.flatMap((run) => run.idleWaitsMs);
  const loaded = ours.flatMap((run) => run.waitsMs);
  const theirs = peer.flatMap((run) => run.idleWaitsMs);
  const figures = {
    tasksPerSecond: round(tasksPerSecond),
    bullmqJobsPerSecond: round(bullmqJobsPerSecond),
    ratio: round(tasksPerSecond / bullmqJobsPerSecond, 3),
    submitToStartMsP50: percentile(idle, 0.5),
    submitToStartMsP99: percentile(idle, 0.99),
    submitToStartLoadedMsP50: percentile(loaded, 0.5),
    submitToStartLoadedMsP99: percentile(loaded, 0.99),
    bullmqAddToStartMsP50: percentile(theirs, 0.5),
    bullmqAddToStartMsP99: percentile(theirs, 0.99),
  };
  return Object.fromEntries(Object.entries(figures).map(([name, value]) => [`${name}${suffix}`, value]));
};

const folder = join(process.cwd(), '.cache', 'bench');
const versions = installPeer(folder);
let figures = {};
for (const { durability, fsync, suffix } of MODES) {
  const ours: OurRun[] = [];
  const peer: PeerRun[] = [];
  for (let turn = 1; turn <= ROUNDS; turn += 1) {
    process.stdout.write(`${durability}, round ${turn} of ${ROUNDS}\n`);
    const mine = await runOurs(durability);
    const theirs = await runPeer(folder, fsync, JOBS, IN_FLIGHT);
    process.stdout.write(
      `  ours ${round(mine.tasksPerSecond)} tasks/s, BullMQ ${round(theirs.jobsPerSecond)} jobs/s\n`,
    );
    ours.push(mine);
    peer.push(theirs);
  }
  figures = { ...figures, ...summary(ours, peer, suffix) };
}
report(
  'throughput',
  { jobs: JOBS, rounds: ROUNDS, inFlight: IN_FLIGHT, ...figures },
  { bullmq: versions.bullmq, redis: versions.redis },
);
process.exit(0);
