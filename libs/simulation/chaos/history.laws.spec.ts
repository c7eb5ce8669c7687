import { describe, expect, it } from '@jest/globals';
import { judgedHistory } from '#libs/testing/judged-history.js';

/** `npm run sim:soak` plays 100,000. */
const HISTORIES = 2_000;

/** Seeds of histories that once broke a promise, whatever is played besides. */
const BROKEN_ONCE: readonly number[] = [];

describe('two thousand random sites, with crashes, deaths, failures and changes of mind', () => {
  it('keep every promise: no task lost, none twice, nothing overcommitted, nothing left behind', () => {
    const broken: Record<number, readonly string[]> = {};
    const seen = { completed: 0, failed: 0, cancelled: 0 };
    for (const seed of [...BROKEN_ONCE, ...Array.from({ length: HISTORIES }, (_, n) => n + 1)]) {
      const { problems, remains } = judgedHistory(seed);
      if (problems.length > 0) broken[seed] = problems;
      for (const how of ['completed', 'failed', 'cancelled'] as const) seen[how] += remains?.over[how] ?? 0;
    }
    expect(broken).toEqual({});
    // They are no histories in which all goes well, nor such in which nothing does.
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(HISTORIES / 10);
  });
});

describe('three hundred random sites on which all goes well and people move tasks', () => {
  it('start each task by the moment that it was promised last, whoever was put before it', () => {
    const broken: Record<number, readonly string[]> = {};
    let moves = 0;
    for (let seed = 1; seed <= 300; seed += 1) {
      const judged = judgedHistory(seed, { kinds: ['move'], timesMax: 200 });
      if (judged.problems.length > 0) broken[seed] = judged.problems;
      moves += judged.moves;
    }
    expect(broken).toEqual({});
    // Two of a site, at the least: they are no sites in which nobody moves anything.
    expect(moves).toBeGreaterThan(600);
  });
});
