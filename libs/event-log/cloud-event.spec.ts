import { describe, expect, it } from '@jest/globals';
import { headers } from '@nats-io/transport-node';
import { cloudPayload, decodeEvent, headerBlock } from './cloud-event.js';
import { lookupIn } from './jetstream/message-headers.js';
import { LogCorruptError, type NewEvent } from './event-log.js';
import { eventHash } from './event-hash.js';

const EVENT: NewEvent = {
  id: 'e-1',
  type: 'task.submitted',
  version: 2,
  subject: 'evt.task.t1.submitted',
  time: '2026-03-01T12:00:00.000Z',
  data: { text: 'naïve 東京', n: 1 },
  taskId: 't1',
  workspace: 'Büro 5 %',
  correlationId: 'c-1',
  causationId: 'cmd:17',
  traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
};

/** As the broker gives them back. */
const parsed = (block: string) => {
  const found = headers();
  for (const line of block.trim().split('\r\n').slice(1)) {
    const at = line.indexOf(': ');
    found.set(line.slice(0, at), line.slice(at + 2));
  }
  return found;
};

describe('an event as a CloudEvent in binary mode', () => {
  it('is this header block, byte for byte', () => {
    expect(headerBlock(EVENT, 7, 'ab', { lastSeq: 41, lastMsgId: 'e-0' }).split('\r\n')).toEqual([
      'NATS/1.0',
      'Nats-Msg-Id: e-1',
      'Nats-Expected-Last-Sequence: 41',
      'Nats-Expected-Last-Msg-Id: e-0',
      'ce-specversion: 1.0',
      'ce-id: e-1',
      'ce-source: /ai-task-orchestra',
      'ce-type: task.submitted',
      'ce-time: 2026-03-01T12:00:00.000Z',
      'ce-datacontenttype: application/json',
      'ce-dataversion: 2',
      'ce-epoch: 7',
      'ce-prevhash: ab',
      'ce-subject: t1',
      'ce-workspace: B%C3%BCro%205%20%25',
      'ce-correlationid: c-1',
      'ce-causationid: cmd:17',
      'ce-traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      '',
      '',
    ]);
  });

  it('is read back whole, with the hash of what was stored', () => {
    const payload = cloudPayload(EVENT);
    const message = {
      seq: 42,
      subject: EVENT.subject,
      header: lookupIn(parsed(headerBlock(EVENT, 7, 'ab', null))),
      payload,
    };
    const hash = eventHash('ab', EVENT, 7, payload);
    expect(decodeEvent(message, 'TASKS')).toEqual({ ...EVENT, seq: 42, epoch: 7, prevHash: 'ab', hash });
  });

  it('names what is no event, and where', () => {
    const message = { seq: 9, subject: 'evt.task.t1.x', header: () => '', payload: '{}' };
    expect(() => decodeEvent(message, 'TASKS')).toThrow(LogCorruptError);
    expect(() => decodeEvent(message, 'TASKS')).toThrow(/TASKS: message 9 on evt\.task\.t1\.x is no event/);
  });
});

describe('the hash of an event', () => {
  it('has not changed since the first event was written: every stored log depends on it', () => {
    expect(eventHash('', EVENT, 1, cloudPayload(EVENT))).toBe(
      '919b0abcc84ca7ea0ba7d6935ff8cc0cbce64decc321925ae4e73d6f4b28eb2f',
    );
  });

  it('depends on every part, and on where one ends and the next begins', () => {
    const base = eventHash('p', EVENT, 1, '{}');
    const others = [
      eventHash('q', EVENT, 1, '{}'),
      eventHash('p', EVENT, 2, '{}'),
      eventHash('p', EVENT, 1, '[]'),
      ...(
        [
          'id',
          'type',
          'subject',
          'time',
          'taskId',
          'workspace',
          'correlationId',
          'causationId',
          'traceparent',
        ] as const
      ).map((part) => eventHash('p', { ...EVENT, [part]: `${EVENT[part]}x` }, 1, '{}')),
      eventHash('p', { ...EVENT, version: 3 }, 1, '{}'),
      eventHash('p', { ...EVENT, taskId: 't1B', workspace: 'üro 5 %' }, 1, '{}'),
    ];
    expect(new Set([base, ...others]).size).toBe(others.length + 1);
  });
});
