import { describe, expect, it } from '@jest/globals';
import {
  fitsTask,
  fitsType,
  matchesAny,
  ruleOfEachChannel,
  type NotificationRule,
} from './notification-rule.js';

const rule = (more: Partial<NotificationRule>): NotificationRule => ({
  events: ['task.failed'],
  channels: ['ops'],
  ...more,
});
const TASK = { id: 't1', workspace: 'team-a', template: 'summarize', labels: { stage: 'live' } };

describe('a pattern', () => {
  it.each([
    ['task.failed', 'task.failed', true],
    ['task.failed', 'task.failed2', false],
    ['task.*', 'task.failed', true],
    ['task.*', 'step.failed', false],
    ['*', 'anything.at-all', true],
    ['*.failed', 'step.failed', true],
    ['*.failed', 'step.failed.x', false],
    ['a*b*c', 'a--b--c', true],
    ['a*a', 'a', false],
    ['step.*ed', 'step.ed', true],
    ['**', '', true],
  ])('%s and %s: %s', (pattern, text, fits) => {
    expect(matchesAny([pattern], text)).toBe(fits);
  });
});

describe('a rule', () => {
  it('fits by type, workspace, template and labels, all of them together', () => {
    expect(fitsType(rule({ events: ['x', 'task.*'] }), 'task.failed')).toBe(true);
    const all = { workspaces: ['team-*'], templates: ['summarize'], labels: { stage: 'live' } };
    expect(fitsTask(rule(all), TASK)).toBe(true);
    for (const other of [{ workspaces: ['b'] }, { templates: ['x*'] }, { labels: { stage: 'test' } }])
      expect(fitsTask(rule({ ...all, ...other }), TASK)).toBe(false);
  });

  it('that asks about tasks fits no fact that is about none', () => {
    expect(fitsTask(rule({}), null)).toBe(true);
    expect(fitsTask(rule({ workspaces: ['*'] }), null)).toBe(false);
  });

  it('is the one of a channel when it is the first that fits', () => {
    const [first, second] = [
      rule({ title: '1', templates: ['x'] }),
      rule({ title: '2', channels: ['ops', 'mail'] }),
    ];
    const third = rule({ title: '3', channels: ['mail'] });
    const found = ruleOfEachChannel([first, second, third], TASK);
    expect([...found].map(([channel, { title }]) => [channel, title])).toEqual([
      ['ops', '2'],
      ['mail', '2'],
    ]);
  });
});
