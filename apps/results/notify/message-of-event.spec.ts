import { describe, expect, it } from '@jest/globals';
import type { NotificationRule } from '#libs/domain/notify/notification-rule.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { messageOfEvent } from './message-of-event.js';

const TASK = { id: 't1', workspace: 'team-a', template: 'summarize', labels: { stage: 'live' } };
const RULE: NotificationRule = { events: ['*'], channels: ['ops'] };
const URL = 'https://orchestra.example.org';

const LEADS = {
  publicUrl: URL,
  linkToAnswer: (to: object, given: object): string => JSON.stringify({ ...to, ...given }),
};

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
    expect(messageOfEvent(event('task.failed', { failure }), TASK, RULE, LEADS)).toEqual({
      type: 'task.failed',
      at: '2026-01-31T12:00:00.000Z',
      title: 'summarize task t1: failed',
      text: 'MODEL_ERROR: out of memory',
      link: `${URL}/api/v1/tasks/t1`,
      data: { seq: 7, event_id: 'tasks-1-1', task: TASK, facts: { failure } },
    });
    expect(
      messageOfEvent(event('step.failed', { stepId: 'judge', failure }), TASK, RULE, {
        ...LEADS,
        publicUrl: null,
      }),
    ).toMatchObject({
      title: 'Step judge of summarize task t1: failed',
      link: null,
    });
    expect(
      messageOfEvent(event('task.cancel-requested', { reason: 'too late' }), TASK, RULE, LEADS),
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
    expect(messageOfEvent(event('task.completed', { n: 1 }), TASK, rule, LEADS)).toMatchObject({
      title: 'live: task.completed',
      text: `{"n":1} ${URL}/api/v1/tasks/t1`,
    });
  });

  it('of a step that asks leads to where it is answered, and says what is asked', () => {
    const told = (type: string, data: object) => messageOfEvent(event(type, data), TASK, RULE, LEADS);
    const to = { taskId: 't1', stepId: 'review', waitingSeq: 7, publicUrl: URL };
    const waiting = {
      kind: 'approval',
      message: 'Is it right?',
      timeout: { at: '2026-02-01T00:00:00.000Z' },
    };
    expect(told('step.waiting', { stepId: 'review', waiting })).toMatchObject({
      link: JSON.stringify({ ...to, until: waiting.timeout.at }),
      text: 'Is it right?',
    });
    const again = { stepId: 'review', waitingSeq: 7, message: 'Is it right?' };
    for (const type of ['step.reminded', 'step.escalated'])
      expect(told(type, again).link).toBe(JSON.stringify({ ...to, until: null }));
  });

  it('of a step that waits for a time, or was answered, leads to its task', () => {
    const delay = { stepId: 'pause', waiting: { kind: 'delay', until: '2026-02-01T00:00:00.000Z' } };
    const answered = { stepId: 'review', waitingSeq: 7 };
    for (const one of [event('step.waiting', delay), event('step.answered', answered)])
      expect(messageOfEvent(one, TASK, RULE, LEADS).link).toBe(`${URL}/api/v1/tasks/t1`);
  });

  it('is bounded: long facts are told by their size, and long words are cut off', () => {
    const rule = { ...RULE, title: '{{ event.data.text }}', text: '{{ event.data.text }}' };
    const message = messageOfEvent(event('task.completed', { text: 'x'.repeat(100_000) }), TASK, rule, LEADS);
    expect(message.data['facts']).toEqual({ omitted_bytes: 100_011 });
    expect([message.title.length, message.text.length]).toEqual([250, 10_000]);
  });
});
