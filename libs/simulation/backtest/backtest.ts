import type { Recording } from './log-recording.js';
import { measure, type Measures } from './measures.js';
import type { Change } from './change.js';
import { ReplaySite } from './replay-site.js';

export type Backtest = {
  readonly fromMs: number;
  readonly toMs: number;
  readonly tasks: number;
  readonly openAtStart: number;
  /** By the log. */
  readonly asItWas: Measures;
  /** The same policy and servers in the simulation: what differs from the log is the error of the model. */
  readonly replayed: Measures;
  /** To be compared with `replayed`. */
  readonly changed: Measures;
  readonly leftOut: LeftOut;
};

/** What a replay has not repeated, or had to guess. */
export type LeftOut = {
  /** Attempts in the window that were lost with an executor or a server. */
  readonly lostAttempts: number;
  readonly failedLoads: number;
  /** Steps whose end is not in the log: they take what is usual for their model. */
  readonly estimatedSteps: number;
  /** Models, by profile, of a size that was never seen with the slots that a server has. */
  readonly guessedSizes: readonly string[];
};

/** A replay ends when its tasks are over; so long after the window at the latest, or as long as the window is. */
const RUN_ON_MIN_MS = 3_600_000;
/** Slices of a replay, after each of which it is told how far it is. */
const SLICES = 200;

/** How many of the tasks are over in this replay. */
export type Told = (replay: 'replayed' | 'changed', over: number) => void;

/** Replays the window as it was and with the change. The same log gives the same result. */
export const backtest = (recording: Recording, change: Change, told: Told = () => {}): Backtest => {
  const { fromMs, toMs, untilMs, tasks, start, history, work, swaps } = recording;
  const lastMs = toMs + Math.max(RUN_ON_MIN_MS, toMs - fromMs);
  const play = (name: 'replayed' | 'changed', other: Change): Measures => {
    const site = new ReplaySite(recording, other);
    for (let slice = 1; slice <= SLICES && site.open > 0; slice += 1) {
      site.runTo(fromMs + ((lastMs - fromMs) * slice) / SLICES);
      told(name, tasks - site.open);
    }
    return measure(site.history, { fromMs, toMs, untilMs: lastMs });
  };
  const replayed = play('replayed', {});
  const changed = play('changed', change);
  return {
    fromMs,
    toMs,
    tasks,
    openAtStart: start.tasks.length,
    asItWas: measure(history, { fromMs, toMs, untilMs }),
    replayed,
    changed,
    leftOut: {
      lostAttempts: history.attempts.filter(({ ended }) => ended?.how.kind === 'taken' && ended.how.isLost)
        .length,
      failedLoads: swaps.failedLoads,
      estimatedSteps: work.estimated,
      guessedSizes: swaps.guessed,
    },
  };
};
