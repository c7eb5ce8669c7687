import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { cheapestVictims, type Priced } from '#libs/domain/policy/victims.js';
import { later, profileOf } from '#libs/testing/builders.js';

const pricedOf = (place: number, bytes: number, costMs: number): Priced => ({
  costMs,
  residency: {
    residencyId: `r${place}`,
    profile: profileOf(`m${place}`),
    key: `m${place}`,
    state: 'loaded',
    bytes,
    slots: 1,
    since: later(place * 1000),
  },
});
const sets = (maxLength: number) =>
  fc
    .array(fc.record({ bytes: fc.integer({ min: 1, max: 20 }), costMs: fc.integer({ min: 1, max: 50 }) }), {
      maxLength,
      size: 'max',
    })
    .map((all) => all.map(({ bytes, costMs }, place) => pricedOf(place, bytes, costMs)));

const freeing =
  (needBytes: number) =>
  (victims: readonly Priced['residency'][]): boolean =>
    victims.reduce((sum, { bytes }) => sum + bytes, 0) >= needBytes;

describe('the cheapest victims', () => {
  it('make room, and no other set that makes room costs less', () => {
    fc.assert(
      fc.property(sets(7), fc.nat(60), (priced, needBytes) => {
        const chosen = cheapestVictims(priced, freeing(needBytes));
        const costs: number[] = [];
        for (let set = 0; set < 2 ** priced.length; set += 1) {
          const members = priced.filter((_, place) => (set & (1 << place)) !== 0);
          const bytes = members.reduce((sum, { residency }) => sum + residency.bytes, 0);
          if (bytes >= needBytes) costs.push(members.reduce((sum, { costMs }) => sum + costMs, 0));
        }
        if (chosen === null) return expect(costs).toEqual([]);
        const cost = priced
          .filter(({ residency }) => chosen.includes(residency))
          .reduce((sum, { costMs }) => sum + costMs, 0);
        expect(chosen.reduce((sum, { bytes }) => sum + bytes, 0)).toBeGreaterThanOrEqual(needBytes);
        expect(cost).toBe(Math.min(...costs));
      }),
      { numRuns: 300 },
    );
  });

  it('make room where there are more than can be tried out', () => {
    fc.assert(
      fc.property(sets(30), fc.nat(300), (priced, needBytes) => {
        const all = priced.reduce((sum, { residency }) => sum + residency.bytes, 0);
        const chosen = cheapestVictims(priced, freeing(needBytes));
        expect(chosen === null).toBe(all < needBytes);
        const freed = (chosen ?? []).reduce((sum, { bytes }) => sum + bytes, 0);
        expect(freed).toBeGreaterThanOrEqual(chosen === null ? 0 : needBytes);
      }),
    );
  });

  it('are those loaded first where the cost is the same', () => {
    const priced = [pricedOf(2, 10, 5), pricedOf(1, 10, 5)];
    expect(cheapestVictims(priced, freeing(10))?.map(({ residencyId }) => residencyId)).toEqual(['r1']);
  });
});
