import { describe, expect, it } from '@jest/globals';
import { Compute } from './compute.js';

describe('the simulated GPU', () => {
  it('makes more with two requests of a model than with one, and less of each', () => {
    const compute = new Compute();
    compute.enter('a');
    expect(compute.slowdown('a')).toBe(1);
    const leave = compute.enter('a');
    // Two at a time make 1.8 times as much together (llama.cpp, pull request 15802).
    expect(compute.slowdown('a')).toBeCloseTo(2 / 1.8);
    leave();
    expect(compute.slowdown('a')).toBe(1);
    expect(compute).toMatchObject({ active: 1, activeMax: 2 });
  });

  it('is shared equally by models that generate at the same time', () => {
    const compute = new Compute();
    compute.enter('a');
    compute.enter('b');
    expect([compute.slowdown('a'), compute.slowdown('b')]).toEqual([2, 2]);
    compute.enter('b');
    expect([compute.slowdown('a'), compute.slowdown('b')]).toEqual([2, (2 * 2) / 1.8]);
  });
});
