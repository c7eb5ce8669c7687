import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Alarms } from '#libs/domain/alarms.js';

const actions = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('set' as const), name: fc.nat(9), atMs: fc.nat(20) }),
    fc.record({ do: fc.constant('clear' as const), name: fc.nat(9), atMs: fc.constant(0) }),
    fc.record({ do: fc.constant('take' as const), name: fc.constant(0), atMs: fc.nat(20) }),
  ),
  { maxLength: 80, size: 'max' },
);

describe('alarms', () => {
  it('are one per name, and the earliest that is due is taken', () => {
    fc.assert(
      fc.property(actions, (all) => {
        const alarms = new Alarms();
        const naive = new Map<string, number>();
        for (const { do: what, name, atMs } of all) {
          if (what === 'set') {
            alarms.set(`n${name}`, atMs);
            naive.set(`n${name}`, atMs);
          } else if (what === 'clear') {
            alarms.clear(`n${name}`);
            naive.delete(`n${name}`);
          } else {
            const least = Math.min(...naive.values(), Infinity);
            const taken = alarms.takeDue(atMs);
            if (least > atMs) expect(taken).toBeNull();
            else expect(naive.get(taken ?? 'none')).toBe(least);
            naive.delete(taken ?? 'none');
          }
          expect(alarms.nextAtMs() ?? Infinity).toBe(Math.min(...naive.values(), Infinity));
        }
      }),
      { numRuns: 300 },
    );
  });
});
