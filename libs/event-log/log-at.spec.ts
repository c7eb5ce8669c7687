import { describe, expect, it } from '@jest/globals';
import { later, NOW_MS } from '#libs/testing/builders.js';
import { START } from './event-log.js';
import { eventAt, seqAtTime } from './log-at.js';
import { MemoryEventLog } from './memory.event-log.js';

const logOf = async (...timesMs: readonly number[]): Promise<MemoryEventLog> => {
  const log = new MemoryEventLog('TEST');
  const event = (ms: number) => ({
    id: `e-${ms}`,
    type: 'log.started',
    version: 1,
    subject: 'evt.scheduler.log-started',
    time: later(ms),
    data: {},
  });
  const [first = 0, ...others] = timesMs;
  const writer = await log.openWriter(START, event(first));
  for (const ms of others) writer.append([event(ms)]);
  await writer.flush();
  return log;
};

describe('an event of a log', () => {
  it('is found by its sequence', async () => {
    const log = await logOf(0, 10, 20);
    expect((await eventAt(log, 2))?.id).toBe('e-10');
    expect(await eventAt(log, 4)).toBeNull();
  });

  it.each([
    [-1, 0],
    [0, 1],
    [9, 1],
    [10, 2],
    [35, 4],
    [99, 5],
  ])('is found by time: %i ms after the first, the last one is %i', async (ms, seq) => {
    expect(await seqAtTime(await logOf(0, 10, 20, 30, 40), NOW_MS + ms)).toBe(seq);
  });

  it('is none in a log that is empty', async () =>
    expect(await seqAtTime(new MemoryEventLog('TEST'), NOW_MS)).toBe(0));
});
