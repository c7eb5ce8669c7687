import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { areBeside, compareNth, comparePlaces, nthBetween, type Place } from './place.js';

type Nth = readonly number[];

/** Inserts at the place that `where` says, among those that are there, and gives all of them in the order of the list. */
const inserted = (count: number, where: (size: number, n: number) => number): readonly Nth[] => {
  const list: Nth[] = [[]];
  for (let n = 0; n < count; n += 1) {
    const at = where(list.length, n);
    const nth = nthBetween(list[at - 1] ?? null, list[at] ?? null);
    if (nth === null) throw new Error(`no room at ${at} after ${n} inserts`);
    list.splice(at, 0, nth);
  }
  return list;
};

const isSorted = (list: readonly Nth[]): boolean =>
  list.every((nth, at) => at === 0 || compareNth(list[at - 1] ?? [], nth) < 0);

describe('10,000 inserts at one point', () => {
  it.each<{
    readonly what: string;
    readonly where: (size: number, n: number) => number;
    readonly most: number;
  }>([
    { what: 'always before the same task', where: (size) => size - 1, most: 2 },
    { what: 'always behind the same task', where: () => 1, most: 2 },
    { what: 'always to the front', where: () => 0, most: 1 },
    { what: 'always to the back', where: (size) => size, most: 1 },
    // Each one between the two that were put there last: nothing can be shorter for ever.
    { what: 'always between the latest two', where: (_, n) => 1 + Math.ceil(n / 2), most: 320 },
  ])('$what keep their order in $most numbers at most', ({ where, most }) => {
    const list = inserted(10_000, where);
    expect(isSorted(list)).toBe(true);
    expect(Math.max(...list.map((nth) => nth.length))).toBeLessThanOrEqual(most);
  });
});

describe('a place between two others', () => {
  it('is between them, whatever was inserted before, and says nothing that does not count', () =>
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 200 }), (points) => {
        const list = inserted(points.length, (size, n) => Math.round((points[n] ?? 0) * size));
        expect(isSorted(list)).toBe(true);
        expect(list.filter((nth) => nth.at(-1) === 0)).toEqual([]);
      }),
    ));

  it.each<[low: Nth, high: Nth]>([
    [[-1], [1]],
    [[1], [2]],
    [[-2], [-1]],
    [[], [1]],
    [[-1], []],
    [[1], [1, 1]],
    [[1, -1], [1]],
    [[Number.MAX_SAFE_INTEGER - 1], [Number.MAX_SAFE_INTEGER]],
  ])('is there also between %j and %j', (low, high) => {
    const nth = nthBetween(low, high) ?? [];
    expect([compareNth(low, nth) < 0, compareNth(nth, high) < 0]).toEqual([true, true]);
  });

  it.each<[low: Nth | null, high: Nth | null]>([
    [[Number.MAX_SAFE_INTEGER], null],
    [null, [Number.MIN_SAFE_INTEGER]],
    [[-(2 ** 32)], null],
    [null, [2 ** 32]],
  ])('is there also beyond %j and %j, where numbers end or would be 0', (low, high) => {
    const nth = nthBetween(low, high) ?? [];
    expect([compareNth(low ?? [-Infinity], nth) < 0, compareNth(nth, high ?? [Infinity]) < 0]).toEqual([
      true,
      true,
    ]);
    expect(nth.at(-1)).not.toBe(0);
  });

  it('is none where 512 numbers do not tell them apart', () => {
    const long = Array.from({ length: 511 }, () => 1);
    expect(nthBetween([...long, 1], [...long, 2])).toBeNull();
  });
});

describe('the order of places', () => {
  const place = (more: Partial<Place>): Place => ({ priority: 5, fromMs: 1_000, seq: 1, nth: [], ...more });

  it.each<{ readonly what: string; readonly first: Partial<Place>; readonly second: Partial<Place> }>([
    { what: 'before a task', first: { nth: [-1] }, second: {} },
    { what: 'a task and what is behind it', first: {}, second: { nth: [1] } },
    { what: 'behind a task, and before the next one', first: { nth: [9] }, second: { seq: 2 } },
    { what: 'before the next one', first: { nth: [9] }, second: { seq: 2, nth: [-9] } },
    { what: 'a higher priority than waiting is worth', first: { priority: 6, fromMs: 60_000 }, second: {} },
    { what: 'waiting that is worth more', first: {}, second: { priority: 6, fromMs: 61_001 } },
  ])('puts first: $what', ({ first, second }) => {
    expect(comparePlaces(place(first), place(second), 60_000)).toBeLessThan(0);
    expect(comparePlaces(place(second), place(first), 60_000)).toBeGreaterThan(0);
  });

  it('tells apart what was beside a task before its priority changed, also where that is worth nothing', () => {
    const [before, after] = [place({ nth: [1] }), place({ priority: 7 })];
    expect(areBeside(before, after)).toBe(false);
    expect(comparePlaces(before, after, 0)).toBeGreaterThan(0);
  });
});
