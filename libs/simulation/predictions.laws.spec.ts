import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { conductor } from '#libs/simulation/conductor/conductor.js';
import { predictionQuality } from '#libs/simulation/prediction-quality.js';
import { hardwarePresets } from '#libs/simulation/presets.js';
import type { TaskRun } from '#libs/simulation/run-record.js';
import { afterADay, isOfTheDayBefore } from '#libs/simulation/traces/after-a-day.js';
import { TRACES } from '#libs/simulation/traces/traces.js';

const OURS = conductor('ours', DEFAULT_POLICY, 1);
const [SMALL] = hardwarePresets();

const runsOf = (name: string): readonly TaskRun[] => {
  const make = TRACES[name];
  if (SMALL === undefined || make === undefined) throw new Error(`there is no workload '${name}'`);
  return OURS.run(afterADay(make)(SMALL, 1), SMALL).tasks;
};

describe.each(Object.keys(TRACES))('predictions of the workload %s', (name) => {
  const runs = runsOf(name);

  it('are never before their moment, and never later than what is promised', () => {
    for (const { id, readyAtMs, predictedMs, startBoundMs } of runs) {
      if (predictedMs === null) continue;
      expect([id, predictedMs >= readyAtMs, predictedMs <= (startBoundMs ?? Infinity)]).toEqual([
        id,
        true,
        true,
      ]);
    }
  });

  // What comes later and goes first is not foreseen: a steady flow keeps loaded models loaded.
  it('are off by no more than six tenths of the wait in the middle, once the paces are known', () => {
    const quality = predictionQuality(runs.filter((run) => !isOfTheDayBefore(run)));
    expect(quality?.predicted).toBeGreaterThan(100);
    expect(quality?.errorShareP50).toBeLessThan(0.6);
  });
});

describe('a workload that is all there at once', () => {
  it('is predicted to a tenth of the wait', () => {
    const quality = predictionQuality(runsOf('zipf-batch').filter((run) => !isOfTheDayBefore(run)));
    expect(quality?.errorShareP50).toBeLessThan(0.1);
  });
});
