/**
 * 500 tasks on five models with three workspaces, priorities, dependencies and deadlines, over the five services and three simulated
 * servers in real time; then the same trace under the virtual clock. What the simulation says of a policy is worth as much as the two
 * agree. The log of the live run is audited at the end.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { conductor } from '#libs/simulation/conductor/conductor.js';
import type { TaskRun } from '#libs/simulation/run-record.js';
import { startBenchPlatform } from './bench-platform.js';
import { percentile, report, round } from './bench-report.js';
import { runLive } from './live/live-run.js';
import { startLiveServers } from './live/live-servers.js';
import { LIVE_HARDWARE, liveTrace } from './live/live-trace.js';

const TASKS = Number(process.env['BENCH_TASKS'] ?? 500);

type Seen = {
  readonly makespanS: number;
  readonly meanTurnaroundS: number;
  readonly waitSP50: number;
  readonly waitSP99: number;
};

const seenIn = (tasks: readonly TaskRun[]): Seen => {
  const waits = tasks.map(({ readyAtMs, startedAtMs }) => (startedAtMs - readyAtMs) / 1_000);
  const turnaroundS = tasks.reduce((sum, { readyAtMs, endedAtMs }) => sum + endedAtMs - readyAtMs, 0) / 1_000;
  return {
    makespanS: Math.max(...tasks.map(({ endedAtMs }) => endedAtMs)) / 1_000,
    meanTurnaroundS: turnaroundS / tasks.length,
    waitSP50: percentile(waits, 0.5),
    waitSP99: percentile(waits, 0.99),
  };
};

const audited = (dataDir: string): number => {
  const main = join(import.meta.dirname, '..', '..', 'apps', 'orchestra', 'main.js');
  const { stdout } = spawnSync(process.execPath, [main, '--json', 'verify', '--settled', '--data', dataDir], {
    encoding: 'utf8',
  });
  const { findings } = JSON.parse(stdout) as { readonly findings: readonly { readonly message: string }[] };
  for (const { message } of findings) process.stdout.write(`  ${message}\n`);
  return findings.length;
};

const dataDir = mkdtempSync(join(tmpdir(), 'orchestra-live-'));
const trace = liveTrace(TASKS);
const weights = trace.workspaces.map(({ name, weight }) => `  ${name}: ${weight}\n`);
writeFileSync(join(dataDir, 'policy.yaml'), `weights:\n${weights.join('')}`);
const servers = await startLiveServers(LIVE_HARDWARE, trace.models);
const platform = await startBenchPlatform({ dataDir, durability: 'process-safe', servers: servers.file });
let told = 0;
try {
  const live = await runLive(platform, trace, (ended) => {
    if (ended < told + 50) return;
    told = ended;
    process.stderr.write(`${ended} of ${TASKS} tasks have ended\n`);
  });
  const loads = servers.all.reduce((sum, server) => sum + server.state().loads, 0);
  const findings = audited(dataDir);
  const virtual = conductor('virtual', DEFAULT_POLICY).run(trace, LIVE_HARDWARE);
  const [seen, simulated] = [seenIn(live.tasks), seenIn(virtual.tasks)];
  report(
    'live-run',
    {
      tasks: TASKS,
      liveMakespanS: round(seen.makespanS),
      virtualMakespanS: round(simulated.makespanS),
      makespanRatio: round(seen.makespanS / simulated.makespanS, 3),
      liveMeanTurnaroundS: round(seen.meanTurnaroundS, 2),
      virtualMeanTurnaroundS: round(simulated.meanTurnaroundS, 2),
      meanTurnaroundRatio: round(seen.meanTurnaroundS / simulated.meanTurnaroundS, 3),
      liveWaitSP50: round(seen.waitSP50),
      virtualWaitSP50: round(simulated.waitSP50),
      liveWaitSP99: round(seen.waitSP99),
      virtualWaitSP99: round(simulated.waitSP99),
      liveLoads: loads,
      virtualLoads: virtual.loads,
      auditFindings: findings,
    },
    {},
  );
} finally {
  await platform.stop();
  await servers.stop();
  rmSync(dataDir, { recursive: true, force: true });
}
