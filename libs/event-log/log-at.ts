import { msOf } from '#libs/domain/time.js';
import type { EventLog, StoredEvent } from './event-log.js';

/** The event at a sequence that the log has reached; null where it is just before it. */
export const eventAt = async (log: EventLog, seq: number): Promise<StoredEvent | null> => {
  for await (const event of log.replay({ seq: seq - 1, hash: '' }, { bufferMax: 1 })) return event;
  return null;
};

/**
 * The sequence of the last event that was written by then; 0 where none was. Found by halving, as the times in a log go up: where the clock
 * of a new leader is behind that of the one before it, one of the events around is found.
 */
export const seqAtTime = async (log: EventLog, timeMs: number): Promise<number> => {
  let [low, high] = [0, (await log.tail()).lastSeq];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const event = await eventAt(log, middle);
    if (event !== null && msOf(event.time) <= timeMs) low = middle;
    else high = middle - 1;
  }
  return low;
};
