import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY } from '#libs/domain/policy/settings.js';
import { POLICY_FIELDS } from '#libs/policy-file/policy-fields.js';
import { durationTextOf } from '#libs/domain/duration.js';
import { parsePolicyFile } from '#libs/policy-file/policy-file.js';

const problemsOf = (source: string): readonly string[] => {
  const read = parsePolicyFile(source, 'policy.yaml');
  return read.ok ? [] : read.problems;
};

describe('a policy file', () => {
  it('says what it names, and leaves the rest as it is', () => {
    const read = parsePolicyFile('aging: 2m\nswap_share_max: 0.5\nweights:\n  team-a: 2\n', 'policy.yaml');
    expect(read).toEqual({
      ok: true,
      policy: { ...DEFAULT_POLICY, agingMs: 120_000, swapShareMax: 0.5, weights: { 'team-a': 2 } },
    });
  });

  it('may be empty', () => {
    expect(parsePolicyFile('', 'policy.yaml')).toEqual({ ok: true, policy: DEFAULT_POLICY });
    expect(parsePolicyFile('# nothing\n', 'policy.yaml')).toEqual({ ok: true, policy: DEFAULT_POLICY });
  });

  it.each([
    ['agin: 2m', /policy\.yaml:1:1: unknown setting 'agin' — expected one of aging, .*weights/],
    ['\naging: 2', /policy\.yaml:2:1: aging 2 — expected a duration such as 90s, 5m or 2h, from 0ms to 1d/],
    ['aging: -1s', /aging "-1s"/],
    ['aging: 2d', /aging "2d"/],
    ['aging: [1s]', /aging a list or a map/],
    ['swap_share_max: 0', /a number from 0.01 to 0.9/],
    ['swap_share_max: "0.5"', /swap_share_max "0.5"/],
    ['load_failures_max: 1.5', /a whole number from 1 to 100/],
    ['weights: 3', /weights — expected a map/],
    ['weights: { team-a: 0 }', /weights: team-a: 0 — expected a workspace and a number above 0/],
    ['weights: { Team: 1 }', /weights: Team: 1/],
    ['- aging', /expected settings such as/],
    ['aging: 1s\naging: 2s', /unique/],
    ['a: [', /policy\.yaml/],
  ])('is refused for %j with the place and what is accepted', (source, hint) => {
    expect(problemsOf(source).join('\n')).toMatch(hint);
  });

  it('names every problem', () => {
    expect(problemsOf('aging: 2\nswap_lead: 3\n')).toHaveLength(2);
  });

  it('has a line for every setting, whose default is accepted as it is written', () => {
    const named = [...POLICY_FIELDS.map(({ key }) => key), 'weights'];
    expect(named.toSorted()).toEqual(Object.keys(DEFAULT_POLICY).toSorted());
    const lines = POLICY_FIELDS.map(({ name, key, unit }) => {
      const value = DEFAULT_POLICY[key];
      return `${name}: ${unit === 'duration' ? durationTextOf(value) : value}`;
    });
    expect(parsePolicyFile(lines.join('\n'), 'policy.yaml')).toEqual({ ok: true, policy: DEFAULT_POLICY });
  });
});
