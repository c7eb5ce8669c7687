import { describe, expect, it } from '@jest/globals';
import { Pace } from './pace.js';

const LAG_MAX = 100;

/** A pace after one look a second: where the projection was, and where the log ended (null: it did not say). */
const after = (...looks: readonly (readonly [seq: number, tailSeq: number | null])[]): Pace => {
  const pace = new Pace();
  for (const [second, [seq, tailSeq]] of looks.entries()) pace.tick(second * 1000, seq, tailSeq);
  return pace;
};
const still = (seq: number, tailSeq: number, seconds: number) =>
  Array.from({ length: seconds }, () => [seq, tailSeq] as const);

describe('a projection', () => {
  it('is not ready before it has been at the end of the log once', () => {
    const pace = after([0, 500], [200, 510]);
    expect(pace.reasons('TASKS', 200, LAG_MAX)).toEqual([
      'TASKS: at 200 of 510: reading what happened before the start',
    ]);
    pace.moved(510);
    expect(pace.reasons('TASKS', 510, LAG_MAX)).toEqual([]);
  });

  it('is ready while it catches up, however far behind', () =>
    expect(after([10, 10], [20, 5_000], [30, 9_000]).reasons('TASKS', 30, LAG_MAX)).toEqual([]));

  it('is not ready when it is far behind and stands still', () =>
    expect(after([10, 10], [10, 500], [10, 500]).reasons('TASKS', 10, LAG_MAX)).toEqual([
      'TASKS: at 10 of 500: 490 events behind and not catching up',
    ]));

  it('is not ready when it has stood still for long with little to do', () => {
    expect(after([10, 10], ...still(10, 12, 9)).reasons('TASKS', 10, LAG_MAX)).toEqual([]);
    expect(after([10, 10], ...still(10, 12, 11)).reasons('TASKS', 10, LAG_MAX)).toEqual([
      'TASKS: at 10 of 12: no progress for 11 s',
    ]);
  });

  it('is ready for ever with nothing to do', () =>
    expect(after(...still(10, 10, 60)).reasons('TASKS', 10, LAG_MAX)).toEqual([]));

  it('is not ready when the log does not say where it ends', () =>
    expect(after([10, 10], [10, null], [10, null], [10, null]).reasons('TASKS', 10, LAG_MAX)).toEqual([
      'TASKS: the log has not answered for 3 s',
    ]));

  it('says how fast it is, over the last seconds', () => {
    expect(after([0, 0], [100, 100], [200, 200]).eventsPerSecond()).toBe(100);
    expect(after([0, 0]).eventsPerSecond()).toBe(0);
  });
});
