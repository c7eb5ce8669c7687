import { describe, expect, it } from '@jest/globals';
import { OURS, OURS_AS_COLLATION, OURS_ON_OLLAMA } from './contestants.js';
import { runCell } from './policy-cells.js';
import { llamaSwap } from '#libs/simulation/baselines/llama-swap.js';
import { ollamaFifo } from '#libs/simulation/baselines/ollama-fifo.js';
import { TRACES } from '#libs/simulation/traces/traces.js';

/** What `npm run bench:policy` measures on twenty seeds and five machines, on one seed and the machines on which most is hard. */
const CASES = ['1x24', '24+12'].flatMap((hardware) =>
  Object.keys(TRACES).map((trace) => ({ trace, hardware, seed: 1 })),
);

describe('the policy under a virtual clock', () => {
  it.each(CASES)('keeps every promise and overcommits nothing: $trace on $hardware', (cell) => {
    // A run that is better than a bound that cannot be beaten would throw here.
    for (const { overcommits, overBound, fairnessGap, fairnessBound } of runCell(cell, [
      OURS,
      OURS_ON_OLLAMA,
    ])) {
      expect({ overcommits, overBound }).toEqual({ overcommits: 0, overBound: 0 });
      expect(fairnessGap).toBeLessThanOrEqual(fairnessBound);
    }
  });

  it.each(['alternating', 'zipf-batch'])('comes within 16 %% of the lower bound on a batch: %s', (trace) => {
    for (const hardware of ['1x24', '24+12']) {
      const [ours] = runCell({ trace, hardware, seed: 1 }, [OURS]);
      expect(ours?.percentOfBound).toBeGreaterThanOrEqual(84);
    }
  });

  it.each(['alternating', 'zipf-batch', 'chat-and-batch', 'greedy', 'convoy', 'rare'])(
    'loads no more than collation where nothing else is asked for, and makes nobody wait longer: %s',
    (trace) => {
      const cell = { trace, hardware: '1x24', seed: 1 };
      const [ours, collation] = runCell(cell, [OURS_AS_COLLATION, llamaSwap]);
      expect(ours?.loads).toBeLessThanOrEqual(collation?.loads ?? 0);
      // Loads of the same models in another order take other times: half a percent.
      expect(ours?.waitSP99).toBeLessThanOrEqual((collation?.waitSP99 ?? 0) * 1.005);
    },
  );

  it('waits half as long as with llama-swap where one of two servers dies and an unload sticks, at most', () => {
    const [ours, peer] = runCell({ trace: 'outage', hardware: '2x24', seed: 1 }, [OURS, llamaSwap]);
    expect([ours?.deaths, peer?.deaths, ours?.lateExcused]).toEqual([3, 3, 0]);
    expect((ours?.waitSP99 ?? Infinity) * 2).toBeLessThanOrEqual(peer?.waitSP99 ?? 0);
    expect(ours?.makespanS).toBeLessThan(peer?.makespanS ?? 0);
  });

  it('loads a fifth of what Ollama alone does where two models alternate, at most', () => {
    const cell = { trace: 'alternating', hardware: '1x24', seed: 1 };
    const [ours, ollama] = runCell(cell, [OURS_ON_OLLAMA, ollamaFifo(4, 'asShipped')]);
    expect((ours?.loads ?? Infinity) * 5).toBeLessThanOrEqual(ollama?.loads ?? 0);
  });
});
