import { describe, expect, it } from '@jest/globals';
import { seededRandom } from './random.js';
import { VirtualClock } from './virtual-clock.js';

describe('VirtualClock', () => {
  it('runs events in order of time, and those of one moment in the order in which they were set', () => {
    const clock = new VirtualClock();
    const ran: string[] = [];
    for (const [atMs, name] of [
      [5, 'b'],
      [1, 'a'],
      [5, 'c'],
      [9, 'e'],
      [5, 'd'],
    ] as const) {
      clock.at(atMs, () => ran.push(`${name}@${clock.nowMs}`));
    }
    clock.run();
    expect(ran).toEqual(['a@1', 'b@5', 'c@5', 'd@5', 'e@9']);
  });

  it('sorts thousands of random events, some of which were taken back', () => {
    const random = seededRandom(7);
    const clock = new VirtualClock();
    const ran: number[] = [];
    const expected: number[] = [];
    for (let index = 0; index < 5_000; index += 1) {
      const atMs = Math.floor(random() * 1_000);
      const cancel = clock.at(atMs, () => ran.push(clock.nowMs));
      if (random() < 0.3) cancel();
      else expected.push(atMs);
    }
    clock.run();
    expect(ran).toEqual(expected.toSorted((a, b) => a - b));
  });

  it('runs what an event sets, and takes a moment that has passed as now', () => {
    const clock = new VirtualClock();
    const ran: number[] = [];
    clock.at(10, () => {
      clock.at(3, () => ran.push(clock.nowMs));
      clock.after(5, () => ran.push(clock.nowMs));
    });
    clock.run();
    expect(ran).toEqual([10, 15]);
  });

  it('refuses what is no moment', () => {
    expect(() => new VirtualClock().at(Number.NaN, () => {})).toThrow('at NaN ms, set at 0 ms');
  });

  it('ends a simulation that never ends', () => {
    const clock = new VirtualClock(1_000);
    const again = (): void => {
      clock.after(1, again);
    };
    again();
    expect(() => clock.run()).toThrow('1000 events at 1000 simulated ms and still more');
  });
});
