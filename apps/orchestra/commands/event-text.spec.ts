import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import { eventText } from './event-text.js';

const FIXTURES = 'test/fixtures/events';

describe('a line of history', () => {
  it.each(readdirSync(FIXTURES))('is made of %s as it was first written', (name) => {
    const type = name.replace(/\.v\d+\.json$/, '');
    const data = JSON.parse(readFileSync(`${FIXTURES}/${name}`, 'utf8')) as unknown;
    const line = eventText(type, { time: '2026-01-31T12:00:00.123Z', data });
    expect(line).toMatch(new RegExp(`^12:00:00\\.123  ${type.replace('.', '\\.')}`));
    expect(line).not.toMatch(/undefined|NaN|\[object/);
  });

  it('names the server, the attempt and the token of a dispatch', () => {
    const data = { stepId: 'generate', attempt: 2, lease: { serverId: 'attic', leaseId: 'l', token: 9 } };
    expect(eventText('step.dispatched', { time: '2026-01-31T12:00:00.123Z', data })).toBe(
      '12:00:00.123  step.dispatched  generate #2 on attic, lease token 9',
    );
  });

  it('goes on behind what is wrong without another full stop', () => {
    const failure = { code: 'PLUGIN_LOST', message: "The worker 'w1' is not heard any more." };
    const data = { step: { stepId: 'a', attempt: 1, failure }, retryAt: '2026-01-31T12:00:01.000Z' };
    expect(eventText('step.failed', { time: '2026-01-31T12:00:00.123Z', data })).toBe(
      "12:00:00.123  step.failed  a #1: PLUGIN_LOST: The worker 'w1' is not heard any more, next attempt at 12:00:01.000",
    );
  });

  it('of a type that is not known here is its name', () => {
    expect(eventText('task.paused', { time: '2026-01-31T12:00:00.123Z', data: { a: 1 } })).toBe(
      '12:00:00.123  task.paused',
    );
  });

  it('of progress shows how far it is', () => {
    expect(eventText('progress', { message: 'pulling', completed: 1, total: 3 })).toBe('  pulling 33 %');
    expect(eventText('progress', { message: 'pulling', completed: 0, total: 0 })).toBe('  pulling');
    expect(eventText('progress', { message: 'pulling', completed: 3, total: 2 })).toBe('  pulling 100 %');
  });
});
