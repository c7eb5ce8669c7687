import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { DueTimes } from '#libs/domain/schedule/due-times.js';
import { cronProblem, cronTimes } from './cron-times.js';
import { isTimeZone, zoneOffsetMs } from './zone-offset.js';

const BERLIN = 'Europe/Berlin';
const NEW_YORK = 'America/New_York';

const dueFrom = (times: DueTimes, from: string, until: string): readonly string[] => {
  const due: string[] = [];
  for (let at = times.nextAfter(Date.parse(from)); at !== null; at = times.nextAfter(at)) {
    if (at > Date.parse(until)) break;
    due.push(new Date(at).toISOString().replace(':00.000Z', 'Z'));
  }
  return due;
};

type Night = readonly [
  what: string,
  cron: string,
  zone: string,
  from: string,
  until: string,
  due: readonly string[],
];

/** Europe sets its clocks at 01:00 UTC: on 2026-03-29 02:00 becomes 03:00, on 2026-10-25 03:00 becomes 02:00. New York: 2026-03-08 and 2026-11-01. */
const NIGHTS: readonly Night[] = [
  [
    'spring: a time that is skipped',
    '30 2 * * *',
    BERLIN,
    '2026-03-28T12:00Z',
    '2026-03-30T12:00Z',
    ['2026-03-29T01:00Z', '2026-03-30T00:30Z'],
  ],
  [
    'spring: several that are skipped, once',
    '0,30 2 * * *',
    BERLIN,
    '2026-03-28T12:00Z',
    '2026-03-29T12:00Z',
    ['2026-03-29T01:00Z'],
  ],
  [
    'spring: one that is skipped and the one behind it',
    '0 2,3 * * *',
    BERLIN,
    '2026-03-28T12:00Z',
    '2026-03-29T12:00Z',
    ['2026-03-29T01:00Z'],
  ],
  [
    'spring: every twenty minutes',
    '*/20 * * * *',
    BERLIN,
    '2026-03-29T00:20Z',
    '2026-03-29T01:40Z',
    ['2026-03-29T00:40Z', '2026-03-29T01:00Z', '2026-03-29T01:20Z', '2026-03-29T01:40Z'],
  ],
  [
    'autumn: a time that comes twice',
    '30 2 * * *',
    BERLIN,
    '2026-10-24T12:00Z',
    '2026-10-26T12:00Z',
    ['2026-10-25T00:30Z', '2026-10-26T01:30Z'],
  ],
  [
    'autumn: several of which one comes twice',
    '0 2,3 * * *',
    BERLIN,
    '2026-10-24T12:00Z',
    '2026-10-25T12:00Z',
    ['2026-10-25T00:00Z', '2026-10-25T02:00Z'],
  ],
  [
    'autumn: minutes of that hour',
    '*/30 2 * * *',
    BERLIN,
    '2026-10-24T12:00Z',
    '2026-10-25T12:00Z',
    ['2026-10-25T00:00Z', '2026-10-25T00:30Z'],
  ],
  [
    'autumn: every thirty minutes goes on',
    '*/30 * * * *',
    BERLIN,
    '2026-10-24T23:45Z',
    '2026-10-25T02:30Z',
    [
      '2026-10-25T00:00Z',
      '2026-10-25T00:30Z',
      '2026-10-25T01:00Z',
      '2026-10-25T01:30Z',
      '2026-10-25T02:00Z',
      '2026-10-25T02:30Z',
    ],
  ],
  [
    'autumn: every hour of that day alone',
    '30 * 25 10 *',
    BERLIN,
    '2026-10-24T23:45Z',
    '2026-10-25T02:45Z',
    ['2026-10-25T00:30Z', '2026-10-25T01:30Z', '2026-10-25T02:30Z'],
  ],
  [
    'spring in New York',
    '30 2 * * *',
    NEW_YORK,
    '2026-03-07T12:00Z',
    '2026-03-09T12:00Z',
    ['2026-03-08T07:00Z', '2026-03-09T06:30Z'],
  ],
  [
    'autumn in New York',
    '30 1 * * *',
    NEW_YORK,
    '2026-10-31T12:00Z',
    '2026-11-02T12:00Z',
    ['2026-11-01T05:30Z', '2026-11-02T06:30Z'],
  ],
  [
    'autumn in New York, each hour',
    '0 * * * *',
    NEW_YORK,
    '2026-11-01T04:30Z',
    '2026-11-01T08:00Z',
    ['2026-11-01T05:00Z', '2026-11-01T06:00Z', '2026-11-01T07:00Z', '2026-11-01T08:00Z'],
  ],
  [
    'half an hour in Lord Howe, spring',
    '15 2 * * *',
    'Australia/Lord_Howe',
    '2026-10-03T05:00Z',
    '2026-10-04T16:00Z',
    ['2026-10-03T15:30Z', '2026-10-04T15:15Z'],
  ],
  [
    'midnight that is skipped in Havana',
    '15 0 * * *',
    'America/Havana',
    '2026-03-07T12:00Z',
    '2026-03-09T12:00Z',
    ['2026-03-08T05:00Z', '2026-03-09T04:15Z'],
  ],
  ['a leap day', '0 12 29 2 *', 'UTC', '2026-01-01T00:00Z', '2030-01-01T00:00Z', ['2028-02-29T12:00Z']],
  [
    'a day of the month or of the week',
    '0 9 1 * 1',
    'UTC',
    '2026-10-26T00:00Z',
    '2026-11-02T12:00Z',
    ['2026-10-26T09:00Z', '2026-11-01T09:00Z', '2026-11-02T09:00Z'],
  ],
];

describe('a cron expression', () => {
  it.each(NIGHTS.map(([what, cron, zone, from, until, due]) => ({ what, cron, zone, from, until, due })))(
    'in $what: $cron',
    ({ cron, zone, from, until, due }) => expect(dueFrom(cronTimes(cron, zone), from, until)).toEqual(due),
  );

  it('with seconds is due at seconds', () =>
    expect(dueFrom(cronTimes('*/30 59 23 * * *', BERLIN), '2026-06-01T21:00Z', '2026-06-01T22:00Z')).toEqual([
      '2026-06-01T21:59Z',
      '2026-06-01T21:59:30.000Z',
    ]));

  it.each([
    '',
    '* * * *',
    '* * * * * * *',
    '61 * * * *',
    '* * * * MON-NOPE',
    '@daily',
    `${'1,'.repeat(150)}1 * * * *`,
  ])('%p is refused with what is wrong', (cron) =>
    expect(cronProblem(cron)).toEqual(expect.stringMatching(/\w/)),
  );

  it.each(['*/5 * * * *', '0 9 * * MON-FRI', '0 0 L * *', '30 0 9 * * 1#1'])('%p is accepted', (cron) =>
    expect(cronProblem(cron)).toBeNull(),
  );

  it('that no day fits is never due', () =>
    expect(cronTimes('0 0 30 2 *', 'UTC').nextAfter(Date.parse('2026-01-01'))).toBeNull());
});

const ZONES = [
  BERLIN,
  NEW_YORK,
  'UTC',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'America/Havana',
  'Africa/Casablanca',
];
const CRONS = [
  '30 2 * * *',
  '*/20 1-3 * * *',
  '*/30 * * * *',
  '0 */2 * * *',
  '15 0,1,2,3 * * 0',
  '10 0 1 * *',
  '45 59 1 * * *',
];

/** Within a few days of a change of the clocks somewhere, mostly. */
const moment = fc
  .tuple(
    fc.constantFrom(
      '2026-03-08',
      '2026-03-29',
      '2026-04-05',
      '2026-10-04',
      '2026-10-25',
      '2026-11-01',
      '2026-07-01',
    ),
    fc.integer({ min: -72 * 3600, max: 72 * 3600 }),
  )
  .map(([day, seconds]) => Date.parse(day) + seconds * 1000);

describe('the due times of any expression', () => {
  const any = fc.record({ cron: fc.constantFrom(...CRONS), zone: fc.constantFrom(...ZONES), fromMs: moment });

  it('come one after the other, and looking back finds the same as looking ahead', () =>
    fc.assert(
      fc.property(any, fc.integer({ min: 1, max: 12 }), fc.nat(60 * 3600), (given, max, spanS) => {
        const times = cronTimes(given.cron, given.zone);
        const untilMs = given.fromMs + spanS * 1000;
        const due: number[] = [];
        for (let at = times.nextAfter(given.fromMs); at !== null && at <= untilMs; at = times.nextAfter(at)) {
          expect(at).toBeGreaterThan(due.at(-1) ?? given.fromMs);
          due.push(at);
        }
        expect(times.newest(given.fromMs, untilMs, max)).toEqual(due.slice(-max));
      }),
      { numRuns: 300 },
    ));

  it('are the same from wherever one looks', () =>
    fc.assert(
      fc.property(any, fc.nat(20 * 3600), ({ cron, zone, fromMs }, onS) => {
        const times = cronTimes(cron, zone);
        const next = times.nextAfter(fromMs) ?? 0;
        const later = fromMs + onS * 1000;
        if (later < next) expect(times.nextAfter(later)).toBe(next);
      }),
      { numRuns: 300 },
    ));

  it('are at a time of the clock that is meant, or right behind a gap', () =>
    fc.assert(
      fc.property(any, ({ cron, zone, fromMs }) => {
        const at = cronTimes(cron, zone).nextAfter(fromMs) ?? 0;
        const wall = at + zoneOffsetMs(zone, at);
        const isMeant = cronTimes(cron, 'UTC').nextAfter(wall - 1) === wall;
        const isBehindGap = zoneOffsetMs(zone, at) > zoneOffsetMs(zone, at - 1);
        expect(isMeant || isBehindGap).toBe(true);
      }),
      { numRuns: 300 },
    ));
});

describe('a time zone', () => {
  it.each(['Europe/Berlin', 'UTC', 'America/Argentina/Buenos_Aires', 'Etc/GMT+3'])('%p is one', (name) =>
    expect(isTimeZone(name)).toBe(true),
  );
  it.each(['', 'Berlin', '+02:00', 'Europe/Nowhere', '__proto__', 'Europe/Berlin\n'])('%p is none', (name) =>
    expect(isTimeZone(name)).toBe(false),
  );
});
