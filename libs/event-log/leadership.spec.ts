import { describe, expect, it } from '@jest/globals';
import { fact, facts } from './event-log.conformance.js';
import { LogCorruptError, START } from './event-log.js';
import { describeLeadership } from './leadership.conformance.js';
import { standForElection } from './leadership.js';
import { MemoryOffice } from './memory.candidacy.js';
import { MemoryEventLog } from './memory.event-log.js';

describeLeadership('in memory', {
  start: async () => undefined,
  stop: async () => undefined,
  fresh: async () => {
    const [log, office] = [new MemoryEventLog('TEST'), new MemoryOffice()];
    return {
      node: async (name) => ({ log, candidacy: office.candidacy(name) }),
      silence: async () => office.vacate(false),
      depose: async () => office.vacate(true),
      close: async () => undefined,
    };
  },
});

describe('a snapshot at the begin of a term', () => {
  const lead = async (
    log: MemoryEventLog,
    restored: { seq: number; hash: string },
  ): Promise<readonly number[]> => {
    const stop = new AbortController();
    let folded: number[] = [];
    await standForElection({
      log,
      candidacy: new MemoryOffice().candidacy('a'),
      reset: () => (folded = []),
      restore: async () => restored,
      fold: ({ seq }) => void folded.push(seq),
      opening: () => fact(),
      term: async () => {
        stop.abort();
        return new Error('done');
      },
      onTermOver: () => undefined,
      signal: stop.signal,
    });
    return folded;
  };

  const logOf = async (count: number): Promise<MemoryEventLog> => {
    const log = new MemoryEventLog('TEST');
    const writer = await log.openWriter(START, fact());
    await writer.append(facts(count - 1)).acknowledged();
    return log;
  };

  it('saves the fold up to its position', async () => {
    const log = await logOf(5);
    expect(await lead(log, { seq: 3, hash: log.stored[2]?.hash ?? '' })).toEqual([4, 5]);
  });

  it('costs time and nothing else when it is of another log', async () => {
    expect(await lead(await logOf(5), { seq: 3, hash: 'f'.repeat(64) })).toEqual([1, 2, 3, 4, 5]);
    expect(await lead(await logOf(2), { seq: 3, hash: 'f'.repeat(64) })).toEqual([1, 2]);
  });

  it('does not hide a damaged log', async () => {
    const log = await logOf(5);
    log.stored.splice(1, 1);
    await expect(lead(log, START)).rejects.toThrow(LogCorruptError);
  });
});
