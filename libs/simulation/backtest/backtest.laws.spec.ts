import { describe, expect, it } from '@jest/globals';
import { heardLog, recordingOf, type HeardLog } from '#libs/testing/recorded-history.js';
import { gib, serverSpec } from '#libs/testing/builders.js';
import { randomPolicy } from '../chaos/random-site.js';
import { pick, seededRandom } from '../random.js';
import { MISFORTUNES, playHistory } from '../chaos/history.js';
import { EPOCH_MS } from '../conductor/epoch.js';
import { backtest, type Backtest } from './backtest.js';

/** Logs tell whole milliseconds. */
const TOLERANCE_MS = 2;
const HISTORIES = 40;
const LONG_MS = 86_400_000;

const historyOf = (seed: number, timesMax: number): HeardLog => {
  const { log, heard } = heardLog();
  playHistory(seed, heard, { kinds: MISFORTUNES, timesMax, plain: true });
  return log;
};

const replayOf = (log: HeardLog): Backtest => backtest(recordingOf(log, EPOCH_MS, EPOCH_MS + LONG_MS), {});

const farApart = ({ asItWas, replayed }: Backtest): readonly string[] => {
  const pairs = [
    ['makespan', asItWas.makespanMs, replayed.makespanMs],
    ...(['p50', 'p95', 'p99', 'max'] as const).map((of) => [of, asItWas.waitsMs[of], replayed.waitsMs[of]]),
  ] as const;
  return pairs.flatMap(([name, was, is]) =>
    Math.abs(Number(was) - Number(is)) > TOLERANCE_MS ? [`${name}: ${was}, replayed ${is}`] : [],
  );
};

describe('the log of a simulated site', () => {
  it('is replayed to the same loads, ends, waits and makespan by the same policy', () => {
    const differ: Record<number, unknown> = {};
    let loads = 0;
    let waitedMs = 0;
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const found = replayOf(historyOf(seed, 0));
      const { asItWas, replayed } = found;
      const apart = farApart(found);
      if (apart.length > 0 || asItWas.loads !== replayed.loads) differ[seed] = apart;
      expect([seed, replayed.tasks, replayed.deadlines]).toEqual([seed, asItWas.tasks, asItWas.deadlines]);
      loads += replayed.loads;
      waitedMs += replayed.waitsMs.p95;
    }
    expect(differ).toEqual({});
    // They are no sites in which nothing is ever swapped or waits.
    expect(loads).toBeGreaterThan(2 * HISTORIES);
    expect(waitedMs).toBeGreaterThan(3_000 * HISTORIES);
  });

  it('gives the same result each time, and another one is not changed by it', () => {
    const log = historyOf(7, 12);
    const [first, second] = [replayOf(log), replayOf(log)];
    expect(second).toEqual(first);
    expect(first.changed).toEqual(first.replayed);
  });

  it('is replayed to an end of every task, whatever goes wrong in it', () => {
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const { asItWas, replayed } = replayOf(historyOf(seed, 12));
      expect([seed, replayed.tasks.all]).toEqual([seed, asItWas.tasks.all]);
      expect([seed, replayed.tasks.open]).toEqual([seed, 0]);
    }
  });

  it('is replayed to an end under any policy, on any servers, from any moment', () => {
    for (let seed = 1; seed <= HISTORIES; seed += 1) {
      const random = seededRandom(seed * 7_919);
      const log = historyOf(seed, 12);
      const servers = ['gpu1', 'gpu2', 'other']
        .slice(0, 1 + Math.floor(random() * 3))
        .map((id) =>
          serverSpec(id, { vramBytes: gib(pick(random, [8, 24, 80])), slots: pick(random, [1, 2, 4]) }),
        );
      const change = { policy: randomPolicy(random), ...(random() < 0.5 ? { servers } : {}) };
      // Not behind its last submission: a site of which nothing is left has nothing to replay.
      const lastMs = Math.max(
        ...log.tasks.map(({ event }) => ('submittedAt' in event ? Date.parse(event.submittedAt) : 0)),
      );
      const fromMs = Math.min(lastMs, EPOCH_MS + pick(random, [0, 5_003, 15_000]));
      const recording = recordingOf(log, fromMs, EPOCH_MS + LONG_MS);
      const { asItWas, changed } = backtest(recording, change);
      expect([seed, changed.tasks.all, changed.tasks.open]).toEqual([seed, asItWas.tasks.all, 0]);
    }
  });

  it('is taken up in its middle where it was, with what runs and what is loaded', () => {
    let same = 0;
    let withOpen = 0;
    for (let seed = 1; seed <= 2 * HISTORIES; seed += 1) {
      const log = historyOf(seed, 0);
      const lastMs = Math.max(...log.tasks.map(({ event }) => ('at' in event ? Date.parse(event.at) : 0)));
      const fromMs = EPOCH_MS + Math.floor((lastMs - EPOCH_MS) / 3);
      const found = backtest(recordingOf(log, fromMs, EPOCH_MS + LONG_MS), {});
      if (found.openAtStart > 0) withOpen += 1;
      if (farApart(found).length === 0 && found.asItWas.loads === found.replayed.loads) same += 1;
    }
    expect(withOpen).toBeGreaterThan(HISTORIES / 2);
    // What has been overtaken, and for how long, begins anew as in a scheduler that is restarted: that may change an order.
    expect(same).toBeGreaterThanOrEqual(2 * HISTORIES * 0.95);
  });
});
