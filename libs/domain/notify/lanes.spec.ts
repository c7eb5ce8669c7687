import { describe, expect, it } from '@jest/globals';
import { Lanes, type Waiting } from './lanes.js';

const about = (id: string, taskId: string | null, channel = 'ops', atMs = 0): Waiting => ({
  id,
  channel,
  task: taskId === null ? null : { id: taskId, workspace: 'w', template: 't', labels: {} },
  nextAttemptAtMs: atMs,
});
const ids = (taken: readonly Waiting[]): readonly string[] => taken.map(({ id }) => id);

describe('lanes', () => {
  it('give out one message of a task at a time, in order, and those of other tasks beside it', () => {
    const lanes = new Lanes();
    for (const waiting of [about('a1', 'a'), about('a2', 'a'), about('b1', 'b'), about('x', 'a', 'mail')])
      lanes.add(waiting);
    expect(ids(lanes.take(0, () => 8))).toEqual(['a1', 'b1', 'x']);
    expect(ids(lanes.take(0, () => 8))).toEqual([]);
    lanes.tried(about('a1', 'a'), null);
    expect(ids(lanes.take(0, () => 8))).toEqual(['a2']);
    expect(lanes.waiting('ops')).toBe(2);
  });

  it('let what failed go first again, when its time has come', () => {
    const lanes = new Lanes();
    lanes.add(about('a1', 'a'));
    lanes.add(about('a2', 'a'));
    lanes.take(0, () => 8);
    expect(lanes.nextAtMs(0)).toBeNull();
    lanes.tried(about('a1', 'a'), about('a1', 'a', 'ops', 500));
    expect([lanes.nextAtMs(0), ids(lanes.take(499, () => 8)), ids(lanes.take(500, () => 8))]).toEqual([
      500,
      [],
      ['a1'],
    ]);
  });

  it('hold no channel by another one that takes long', () => {
    const lanes = new Lanes();
    for (const task of ['a', 'b', 'c']) lanes.add(about(`${task}1`, task, 'dead'));
    lanes.add(about('d1', 'd', 'mail'));
    expect(ids(lanes.take(0, () => 2))).toEqual(['a1', 'b1', 'd1']);
    lanes.tried(about('a1', 'a', 'dead'), about('a1', 'a', 'dead', 900));
    expect(ids(lanes.take(0, () => 2))).toEqual(['c1']);
  });

  it('let a pause be cut short, but nobody overtake', () => {
    const lanes = new Lanes();
    lanes.add(about('a1', 'a', 'ops', 500));
    lanes.add(about('a2', 'a'));
    lanes.hurry(about('a2', 'a'), 0);
    expect(ids(lanes.take(0, () => 8))).toEqual([]);
    lanes.hurry(about('a1', 'a'), 0);
    expect(ids(lanes.take(0, () => 8))).toEqual(['a1']);
  });

  it('keep what is about no task in one line of its channel', () => {
    const lanes = new Lanes();
    lanes.add(about('p1', null));
    lanes.add(about('p2', null));
    expect(ids(lanes.take(0, () => 8))).toEqual(['p1']);
  });
});
