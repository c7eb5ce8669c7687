import { describe, expect, it } from '@jest/globals';
import { levelsOf } from './shares.js';

const served = new Map([
  ['away', 1],
  ['behind', 10_000],
  ['ahead', 29_999],
  ['far', 30_000],
]);

describe('the levels of workspaces', () => {
  it('are whole quanta ahead of the least served one that has something ready', () =>
    expect([...levelsOf(served, ['far', 'behind', 'ahead'], 10_000)]).toEqual([
      ['far', 2],
      ['behind', 0],
      ['ahead', 1],
    ]));

  it('count one that has had nothing as served for 0', () =>
    expect([...levelsOf(served, ['far', 'new'], 10_000)]).toEqual([
      ['far', 3],
      ['new', 0],
    ]));

  it('are 0 for one that is alone, whatever it has had', () =>
    expect([...levelsOf(served, ['far'], 10_000)]).toEqual([['far', 0]]));
});
