import { describe, expect, it } from '@jest/globals';
import { nextText, ruleText, scheduleLines, scheduleRows, type ScheduleAnswer } from './schedule-text.js';

const answer = (more: Partial<ScheduleAnswer> = {}): ScheduleAnswer => ({
  id: 'nightly',
  status: 'active',
  template: 'summarize',
  template_version: 'latest',
  pinned_version: null,
  parameters: { topic: 'rivers' },
  priority: 5,
  workspace: 'default',
  cron: '30 2 * * *',
  time_zone: 'Europe/Berlin',
  every: null,
  at: null,
  overlap: 'skip',
  catch_up: 'last',
  jitter: '0s',
  start_at: null,
  end_at: null,
  max_firings: null,
  paused: null,
  next: { due_at: '2026-06-02T00:30:00.000Z', fires_at: '2026-06-02T00:30:00.000Z' },
  firings: 0,
  skipped: 0,
  queued: [],
  open_tasks: [],
  last_firing: null,
  last_error: null,
  ...more,
});

describe('a schedule for people', () => {
  it('is a line in a list, with when it fires next and what went wrong', () =>
    expect(
      scheduleRows([
        answer(),
        answer({
          id: 'gone',
          status: 'finished',
          next: null,
          firings: 12,
          last_error: { code: 'QUEUE_FULL', message: 'full', due_at: '2026-06-02T00:30:00.000Z' },
        }),
      ]),
    ).toEqual([
      'ID       STATUS    DUE                         TEMPLATE   NEXT               FIRED  LAST ERROR',
      'nightly  active    30 2 * * * (Europe/Berlin)  summarize  2026-06-02T00:30Z  0      -',
      'gone     finished  30 2 * * * (Europe/Berlin)  summarize  -                  12     QUEUE_FULL',
    ]));

  it('says so where there is none', () => expect(scheduleRows([])).toEqual(['there are no schedules']));

  it.each([
    [{}, '30 2 * * * (Europe/Berlin)'],
    [{ cron: null, every: '15m' }, 'every 15m'],
    [{ cron: null, at: '2026-06-02T00:30:00.000Z' }, 'at 2026-06-02T00:30Z'],
  ])('%j is due %s', (rule, text) => expect(ruleText(answer(rule))).toBe(text));

  it('is shown with all that it says and how it stands', () =>
    expect(
      scheduleLines(
        answer({
          status: 'paused',
          start_at: '2026-01-01T00:00:00.000Z',
          max_firings: 3,
          jitter: '30s',
          paused: { by: 'ada', since: '2026-06-01T09:00:00.000Z', reason: 'holidays' },
          next: { due_at: '2026-06-02T00:30:00.000Z', fires_at: '2026-06-02T00:30:12.345Z' },
          firings: 2,
          skipped: 1,
          last_firing: {
            fired_at: '2026-06-01T00:30:00.250Z',
            task_id: 'nightly-20260601003000000',
            by_hand: false,
          },
          open_tasks: ['a', 'b', 'c', 'd', 'e', 'f', 'g'],
          queued: ['2026-06-01T00:30:00.000Z'],
          last_error: {
            code: 'PARAMETERS_INVALID',
            message: 'topic is missing',
            due_at: '2026-05-31T00:30:00.000Z',
          },
        }),
      ),
    ).toEqual([
      'nightly  paused  30 2 * * * (Europe/Berlin), from 2026-01-01T00:00Z, at most 3 times',
      '  submits summarize (latest version) in default, priority 5',
      '    topic: "rivers"',
      '  while one is open: skip; missed: last; jitter: 30s',
      '  paused by ada since 2026-06-01T09:00Z: holidays',
      '  next: 2026-06-02T00:30Z, put off until 2026-06-02T00:30:12.345Z',
      '  fired 2 times, last at 2026-06-01T00:30:00.250Z as nightly-20260601003000000; passed over 1',
      '  open: a, b, c, d, e and 2 more',
      '  waiting for its end: 2026-06-01T00:30Z',
      '  last error: PARAMETERS_INVALID at 2026-05-31T00:30Z: topic is missing',
    ]));

  it('a time that is not put off is said once', () =>
    expect(nextText({ due_at: '2026-06-02T00:30:15.000Z', fires_at: '2026-06-02T00:30:15.000Z' })).toBe(
      '2026-06-02T00:30:15Z',
    ));
});
