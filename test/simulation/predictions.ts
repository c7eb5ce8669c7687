/**
 * `npm run sim:predictions`: how far the first predictions of starts are off, by workload, after a day of the same work.
 * `npm run sim:predictions -- --trace steady --hardware 2x24 --seeds 3 --cold`
 */
import { parseArgs } from 'node:util';
import { predictionQuality } from '#libs/simulation/prediction-quality.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import { afterADay, isOfTheDayBefore } from '#libs/simulation/traces/after-a-day.js';
import { TRACES } from '#libs/simulation/traces/traces.js';
import { OURS } from './contestants.js';

const { values } = parseArgs({
  options: {
    trace: { type: 'string' },
    hardware: { type: 'string' },
    seeds: { type: 'string', default: '1' },
    cold: { type: 'boolean', default: false },
  },
});

process.stdout.write(
  `${'on'.padEnd(6)} ${'trace'.padEnd(15)} predicted  wait p50 error p50 error p90  of wait p50  of wait p90    bias\n`,
);
const print = (hardware: string, trace: string, runs: Parameters<typeof predictionQuality>[0]): void => {
  const quality = predictionQuality(runs);
  if (quality === null) return;
  const percent = (share: number): string => `${(100 * share).toFixed(0)} %`;
  const seconds = (s: number): string => `${s.toFixed(1)} s`;
  process.stdout.write(
    [
      hardware.padEnd(6),
      trace.padEnd(15),
      String(quality.predicted).padStart(9),
      seconds(quality.waitSP50).padStart(9),
      seconds(quality.errorSP50).padStart(9),
      seconds(quality.errorSP90).padStart(9),
      percent(quality.errorShareP50).padStart(12),
      percent(quality.errorShareP90).padStart(12),
      percent(quality.bias).padStart(7),
    ].join(' ') + '\n',
  );
};

const all: Parameters<typeof predictionQuality>[0][number][] = [];
for (const hardware of hardwarePresets()) {
  if (values.hardware !== undefined && hardware.name !== values.hardware) continue;
  for (const [name, make] of Object.entries(TRACES)) {
    if (values.trace !== undefined && name !== values.trace) continue;
    const runs = Array.from({ length: Number(values.seeds) }, (_, n) => {
      const trace = (values.cold ? make : afterADay(make))(hardware, n + 1);
      return OURS.run(trace, hardware).tasks.filter((run) => !isOfTheDayBefore(run));
    }).flat();
    all.push(...runs);
    print(hardware.name, name, runs);
  }
}
print('all', 'all', all);
