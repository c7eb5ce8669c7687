import { describe, expect, it } from '@jest/globals';
import type { NotificationRule } from '#libs/domain/notify/notification-rule.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { messageOfEvent } from './message-of-event.js';

const TASK = { id: 't1', workspace: 'team-a', template: 'summarize', labels: { stage: 'live' } };
const RULE: NotificationRule = { events: ['*'], channels: ['ops'] };
const URL = 'https://orchestra.example.org';

const event = (type: string, data: object = {}): StoredEvent => ({
  id: 'tasks-1-1',
  type,
  version: 1,
  subject: 'evt.task.t1.x',
  time: '2026-01-31T12:00:00.000Z',
  data,
  taskId: 't1',
  seq: 7,
  epoch: 1,
  hash: 'h',
  prevHash: 'p',
});

describe('the message of a fact', () => {
  it('says in its own words what happened, where it leads, and the facts', () => {
    const failure = { code: 'MODEL_ERROR', message: 'out of memory' };
    expect(messageOfEvent(event('task.failed', { failure }), TASK, RULE, URL)).toEqual({
      type: 'task.failed',
      at: '2026-01-31T12:00:00.000Z',
      title: 'summarize task t1: failed',
      text: 'MODEL_ERROR: out of memory',
      link: `${URL}/api/v1/tasks/t1`,
      data: { seq: 7, event_id: 'tasks-1-1', task: TASK, facts: { failure } },
    });
    expect(
      messageOfEvent(event('step.failed', { stepId: 'judge', failure }), TASK, RULE, null),
    ).toMatchObject({
      title: 'Step judge of summarize task t1: failed',
      link: null,
    });
    expect(
      messageOfEvent(event('task.cancel-requested', { reason: 'too late' }), TASK, RULE, URL),
    ).toMatchObject({
      title: 'summarize task t1: cancel requested',
      text: 'too late',
    });
  });

  it('takes the words of its rule', () => {
    const rule = {
      ...RULE,
      title: '{{ task.labels.stage }}: {{ event.type }}',
      text: '{{ event.data | json }} {{ link }}',
    };
    expect(messageOfEvent(event('task.completed', { n: 1 }), TASK, rule, URL)).toMatchObject({
      title: 'live: task.completed',
      text: `{"n":1} ${URL}/api/v1/tasks/t1`,
    });
  });

  it('of a step that waits leads to where it is answered, on this platform only', () => {
    const linkOf = (answerPath: unknown): string | null =>
      messageOfEvent(event('step.waiting', { answerPath }), TASK, RULE, URL).link;
    expect(linkOf('/answer/abc')).toBe(`${URL}/answer/abc`);
    for (const other of ['https://evil.example.org', '//evil.example.org', 5, undefined])
      expect(linkOf(other)).toBe(`${URL}/api/v1/tasks/t1`);
  });

  it('is bounded: long facts are told by their size, and long words are cut off', () => {
    const rule = { ...RULE, title: '{{ event.data.text }}', text: '{{ event.data.text }}' };
    const message = messageOfEvent(event('task.completed', { text: 'x'.repeat(100_000) }), TASK, rule, URL);
    expect(message.data['facts']).toEqual({ omitted_bytes: 100_011 });
    expect([message.title.length, message.text.length]).toEqual([250, 10_000]);
  });
});
