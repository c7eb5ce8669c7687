import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { Timetable } from '#libs/domain/task/timetable.js';

const KEYS = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
const action = fc.oneof(
  fc.record({ do: fc.constant('set' as const), key: fc.constantFrom(...KEYS), atMs: fc.nat(50) }),
  fc.record({ do: fc.constant('delete' as const), key: fc.constantFrom(...KEYS) }),
  fc.record({ do: fc.constant('take' as const), nowMs: fc.nat(50) }),
);

describe('a timetable', () => {
  it('tells what is due once, and what is not due is not told', () => {
    const table = new Timetable<string>();
    table.set('late', 20);
    table.set('early', 10);
    expect(table.takeDue(9)).toEqual([]);
    expect(table.takeDue(10)).toEqual(['early']);
    expect(table.takeDue(30)).toEqual(['late']);
    expect(table.takeDue(30)).toEqual([]);
  });

  it('knows the latest time of each key only', () => {
    const table = new Timetable<string>();
    table.set('a', 10);
    table.set('a', 20);
    expect(table.takeDue(15)).toEqual([]);
    table.set('a', 12);
    expect([table.takeDue(15), table.size]).toEqual([['a'], 0]);
  });

  it('keeps to its size, however often a time changes', () => {
    const table = new Timetable<string>();
    for (let n = 0; n < 10_000; n += 1) table.set('a', n % 100);
    table.set('b', 3);
    expect(table.takeDue(100)).toEqual(['b', 'a']);
  });

  it('is a map of times that is looked through, whatever is done to it', () =>
    fc.assert(
      fc.property(fc.array(action, { maxLength: 300, size: 'max' }), (actions) => {
        const table = new Timetable<string>();
        const model = new Map<string, number>();
        for (const one of actions) {
          if (one.do === 'set') {
            table.set(one.key, one.atMs);
            model.set(one.key, one.atMs);
          } else if (one.do === 'delete') {
            table.delete(one.key);
            model.delete(one.key);
          } else {
            const due = [...model].filter(([, atMs]) => atMs <= one.nowMs);
            for (const [key] of due) model.delete(key);
            expect([...table.takeDue(one.nowMs)].toSorted()).toEqual(due.map(([key]) => key).toSorted());
          }
          expect(table.size).toBe(model.size);
          expect(table.nextAtMs()).toBe(model.size === 0 ? null : Math.min(...model.values()));
        }
      }),
      { numRuns: 300 },
    ));
});
