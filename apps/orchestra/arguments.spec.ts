import { describe, expect, it } from '@jest/globals';
import { InvalidArgumentError } from 'commander';
import {
  duration,
  labelPair,
  oneOf,
  optionWithEnv,
  pastMoment,
  pointInTime,
  several,
  severalLabels,
  timeAhead,
  wholeNumber,
} from './arguments.js';

describe('a whole number', () => {
  const priority = wholeNumber(1, 10);

  it.each(['1', '10'])('is taken from %s', (text) => expect(priority(text)).toBe(Number(text)));

  it.each(['0', '11', '', '1.5', '-1', '1e1', ' 5', 'five', '9'.repeat(30)])('is not %j', (text) => {
    expect(() => priority(text)).toThrow(new InvalidArgumentError('Expected a whole number from 1 to 10.'));
  });
});

describe('one of several words', () => {
  it('is that word, and what is accepted is said otherwise', () => {
    expect(oneOf(['tasks', 'leases'])('leases')).toBe('leases');
    expect(() => oneOf(['tasks', 'leases'])('lease')).toThrow('Expected tasks, leases.');
  });
});

describe('a label', () => {
  it.each([
    ['team=red', 'team', 'red'],
    ['team:red', 'team', 'red'],
    ['url=http://x', 'url', 'http://x'],
    ['empty=', 'empty', ''],
  ])('%s is a name and a value', (text, name, value) => expect(labelPair(text)).toEqual([name, value]));

  it.each(['team', '=red', 'te am=red', `${'a'.repeat(65)}=x`])('is not %j', (text) => {
    expect(() => labelPair(text)).toThrow(/^Expected name=value/);
  });

  it('is gathered as the API filters by it', () => {
    expect(severalLabels('b=2', severalLabels('a:1', []))).toEqual(['a:1', 'b:2']);
    expect(several('y', several('x', []))).toEqual(['x', 'y']);
  });
});

describe('a time ahead', () => {
  const ahead = timeAhead(() => Date.parse('2026-01-31T12:00:00.000Z'));

  it.each([
    ['2026-02-01T11:00:00Z', '2026-02-01T11:00:00.000Z'],
    ['90s', '2026-01-31T12:01:30.000Z'],
    ['7d', '2026-02-07T12:00:00.000Z'],
  ])('%s is %s', (text, wanted) => expect(ahead(text)).toBe(wanted));

  it.each(['tomorrow', '2026-02-01T11:00:00', '5', '999999999d'])('is not %j', (text) =>
    expect(() => ahead(text)).toThrow(/how long from now, such as 15m/),
  );
});

describe('a duration', () => {
  it('is milliseconds, and what is accepted is said otherwise', () => {
    expect(['1s', '15m', '2h', '7d'].map(duration)).toEqual([1_000, 900_000, 7_200_000, 604_800_000]);
    for (const text of ['', '5', '1.5h', '-1s', '1 h'])
      expect(() => duration(text)).toThrow(/such as 90s, 15m/);
  });
});

describe('a point in time', () => {
  const time = pointInTime(() => Date.parse('2026-01-31T12:00:00.000Z'));

  it.each([
    ['2026-01-31T11:00:00Z', '2026-01-31T11:00:00.000Z'],
    ['2026-01-31T11:00:00.250Z', '2026-01-31T11:00:00.250Z'],
    ['2026-01-30', '2026-01-30T00:00:00.000Z'],
    ['90s', '2026-01-31T11:58:30.000Z'],
    ['15m', '2026-01-31T11:45:00.000Z'],
    ['2h', '2026-01-31T10:00:00.000Z'],
    ['7d', '2026-01-24T12:00:00.000Z'],
  ])('%s is %s', (text, wanted) => expect(time(text)).toBe(wanted));

  it.each(['', 'yesterday', '2026-13-01', '2026-01-31T11:00:00', '2026-01-31T11:00:00+01:00', '-5m', '5 m'])(
    'is not %j: without a zone it would mean another time on another machine',
    (text) => expect(() => time(text)).toThrow(/^Expected a time in UTC/),
  );
});

describe('a moment of the past', () => {
  const moment = pastMoment(() => Date.parse('2026-01-31T12:00:00.000Z'));

  it.each([
    ['4711', '4711'],
    ['15m', '2026-01-31T11:45:00.000Z'],
    ['2026-01-31T11:00:00Z', '2026-01-31T11:00:00.000Z'],
  ])('%s is %s', (text, wanted) => expect(moment(text)).toBe(wanted));

  it.each(['0', '-1', 'yesterday'])('is not %j', (text) =>
    expect(() => moment(text)).toThrow(/^Expected a time in UTC/),
  );
});

describe('an option that the environment may give', () => {
  it('does not count an empty variable', () => {
    expect(optionWithEnv('--data <dir>', '', 'DATA', { DATA: '' }).envVar).toBeUndefined();
    expect(optionWithEnv('--data <dir>', '', 'DATA', { DATA: 'x' }).envVar).toBe('DATA');
  });
});
