import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Overtaking } from '#libs/domain/policy/overtaking.js';

/** The same, as it would be written if nobody cared how fast it is. */
class NaiveOvertaking {
  readonly #places = new Map<string, { workMs: number; latestMs: number }>();

  put(owner: string, workMs: number, latestMs: number): void {
    this.#places.set(owner, { workMs, latestMs });
  }

  remove(owner: string): void {
    this.#places.delete(owner);
  }

  get workMs(): number {
    return [...this.#places.values()].reduce((sum, { workMs }) => sum + workMs, 0);
  }

  workAheadMs(owner: string): number {
    if (!this.#places.has(owner)) return this.workMs;
    let ahead = 0;
    for (const [other, { workMs }] of this.#places) {
      if (other === owner) break;
      ahead += workMs;
    }
    return ahead;
  }

  /** Every owner with what it has left. */
  get left(): ReadonlyMap<string, number> {
    return new Map(
      [...this.#places].map(([owner, { latestMs }]) => [owner, latestMs - this.workAheadMs(owner)]),
    );
  }
}

const owner = fc.integer({ min: 1, max: 30 });
const actions = fc.array(
  fc.oneof(
    {
      weight: 4,
      arbitrary: fc.record({
        do: fc.constant('put' as const),
        owner,
        work: fc.nat(9),
        latest: fc.option(fc.nat(50)),
      }),
    },
    { weight: 2, arbitrary: fc.record({ do: fc.constant('remove' as const), owner }) },
  ),
  { maxLength: 120, size: 'max' },
);

describe('who has been overtaken', () => {
  it('is what the definition says, after each of any changes', () => {
    fc.assert(
      fc.property(actions, (all) => {
        const tree = new Overtaking(4);
        const naive = new NaiveOvertaking();
        for (const action of all) {
          const name = `t${action.owner}`;
          if (action.do === 'put') {
            tree.put(name, action.work, action.latest ?? Infinity);
            naive.put(name, action.work, action.latest ?? Infinity);
          } else {
            tree.remove(name);
            naive.remove(name);
          }
          const { left } = naive;
          const least = Math.min(...left.values(), Infinity);
          const most = tree.most();
          expect([tree.workMs, most?.latestMs ?? Infinity]).toEqual([naive.workMs, least]);
          if (most) expect(left.get(most.owner)).toBe(least);
          expect(tree.workAheadMs(name)).toBe(naive.workAheadMs(name));
        }
      }),
      { numRuns: 200 },
    );
  });

  it('keeps no place for those that are gone', () => {
    const tree = new Overtaking(4);
    for (let n = 0; n < 10_000; n += 1) {
      tree.put(`t${n}`, 1, n);
      if (n >= 3) tree.remove(`t${n - 3}`);
    }
    expect([tree.workMs, tree.workAheadMs('t9999')]).toEqual([3, 2]);
  });
});
