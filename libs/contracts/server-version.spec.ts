import { describe, expect, it } from '@jest/globals';
import { compareVersions, hasSeveralFilters } from './server-version.js';

describe('the version of a nats-server', () => {
  it('compares versions by their numbers', () => {
    expect(compareVersions('2.10.0', '2.9.10')).toBeGreaterThan(0);
    expect(compareVersions('2.9.10', '2.9.10')).toBe(0);
    expect(compareVersions('2.9.9', '2.9.10')).toBeLessThan(0);
  });

  it('tells whether a consumer may have several filters', () => {
    expect(hasSeveralFilters('2.10.0')).toBe(true);
    expect(hasSeveralFilters('2.9.25')).toBe(false);
    expect(hasSeveralFilters('')).toBe(false);
  });
});
