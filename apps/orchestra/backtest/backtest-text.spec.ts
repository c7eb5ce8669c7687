import { describe, expect, it } from '@jest/globals';
import type { Backtest } from '#libs/simulation/backtest/backtest.js';
import type { Measures } from '#libs/simulation/backtest/measures.js';
import { backtestLines } from './backtest-text.js';

const waits = (ms: number) => ({ tasks: 4, p50: ms / 2, p95: ms, p99: ms, max: ms });

const measures = (more: Partial<Measures> = {}): Measures => ({
  tasks: { all: 4, completed: 2, failed: 1, cancelled: 0, open: 1 },
  makespanMs: 60_000,
  waitsMs: waits(8_000),
  waitsMsByPriority: { 2: waits(8_000), 10: waits(500) },
  stepsNotStarted: 0,
  loads: 0,
  busyShare: 0.5,
  deadlines: { kept: 1, missed: 1, pending: 1 },
  workspaces: { lab: { serviceMs: 12_000, serviceShare: 1, waitsMs: waits(8_000) } },
  ...more,
});

const found: Backtest = {
  fromMs: 0,
  toMs: 3_600_000,
  tasks: 4,
  openAtStart: 1,
  asItWas: measures(),
  replayed: measures(),
  changed: measures({ makespanMs: 45_000, loads: 2, waitsMs: waits(4_000) }),
  leftOut: { lostAttempts: 1, failedLoads: 0, estimatedSteps: 2, guessedSizes: [] },
};

describe('a backtest for people', () => {
  const text = backtestLines(found).join('\n');

  it('has a column for each of the three, and says what the change changes against the replay', () => {
    expect(text).toMatch(
      /^1970-01-01 00:00:00 to 1970-01-01 01:00:00 UTC: 4 tasks, 1 of them open at the start\n/,
    );
    expect(text).toMatch(/tasks ended +3 of 4 \(1 failed\) .*=\n/);
    expect(text).toMatch(/makespan, s +60.0 +60.0 +45.0 +-25 %\n/);
    expect(text).toMatch(/model loads +0 +0 +2 +from 0\n/);
    expect(text).toMatch(/deadlines kept +1 of 2, 1 to come/);
    expect(text).toMatch(/all steps +4.00 \/ 8.00 \/ 8.00 \/ 8.00 .* -50 %\n/);
  });

  it('has the highest priority first', () =>
    expect(text.indexOf('priority 10')).toBeLessThan(text.indexOf('priority 2')));

  it('says what it left out, and only that', () => {
    expect(text).toContain('- 1 attempt lost with an executor or a server: not lost again.');
    expect(text).toContain('- 2 steps never seen to the end');
    expect(text).not.toContain('that failed: again');
  });
});
