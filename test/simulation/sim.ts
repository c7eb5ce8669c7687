/**
 * `npm run sim`: workloads under a virtual clock, hours in seconds, with the policy that runs in production.
 * `npm run sim -- --trace steady --hardware 2x24 --seeds 3 --json`
 */
import { parseArgs } from 'node:util';
import { hardwarePresets } from '#libs/simulation/presets.js';
import { TRACES } from '#libs/simulation/traces/traces.js';
import { CONTESTANTS } from './contestants.js';
import { cellsOf, runCell, type Run } from './policy-cells.js';

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    hardware: { type: 'string' },
    scheduler: { type: 'string', multiple: true },
    seeds: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const HELP = `Runs workloads under a virtual clock.
  --trace      ${Object.keys(TRACES).join(', ')}; all without it
  --hardware   ${hardwarePresets()
    .map(({ name }) => name)
    .join(', ')}; all without it
  --scheduler  ${CONTESTANTS.map(({ name }) => name).join(', ')}; may be repeated, all without it
  --seeds      how many, from 1; default 1
  --json       one object per line
`;

const wanted = values.scheduler;
const schedulers = CONTESTANTS.filter(({ name }) => wanted === undefined || wanted.includes(name));
const seeds = Number(values.seeds);
const cells = cellsOf(seeds, {
  ...(values.trace === undefined ? {} : { trace: values.trace }),
  ...(values.hardware === undefined ? {} : { hardware: values.hardware }),
});

const lineOf = (run: Run): string =>
  [
    run.hardware.padEnd(6),
    run.trace.padEnd(15),
    String(run.seed).padStart(4),
    run.scheduler.padEnd(24),
    run.makespanS.toFixed(0).padStart(8),
    `${run.percentOfBound.toFixed(1)} %`.padStart(8),
    `${run.loads}/${run.loadsBound}`.padStart(9),
    run.waitSP50.toFixed(1).padStart(9),
    run.waitSP99.toFixed(1).padStart(9),
    run.waitSMax.toFixed(1).padStart(9),
    run.gpuBusyShare.toFixed(2).padStart(6),
    `${run.fairnessGap.toFixed(0)}/${run.fairnessBound.toFixed(0)}`.padStart(10),
    `${run.deadlineHits}/${run.deadlineHitsBound}`.padStart(9),
    `${run.overBound}/${run.lateExcused}`.padStart(7),
    String(run.deaths).padStart(6),
    `${run.repeatedS.toFixed(1)} s`.padStart(9),
  ].join(' ');

const HEAD = `${'on'.padEnd(6)} ${'trace'.padEnd(15)} seed ${'scheduler'.padEnd(24)} makespan of bound     loads  wait p50  wait p99  wait max   busy   fairness deadlines    late deaths  repeated`;

if (values.help || cells.length === 0 || schedulers.length === 0 || !(seeds >= 1)) {
  process.stdout.write(HELP);
  process.exitCode = values.help ? 0 : 2;
} else {
  if (!values.json) process.stdout.write(`${HEAD}\n`);
  for (const cell of cells)
    for (const run of runCell(cell, schedulers))
      process.stdout.write(`${values.json ? JSON.stringify(run) : lineOf(run)}\n`);
}
