import { describeEventLog } from './event-log.conformance.js';
import { MemoryEventLog } from './memory.event-log.js';

describeEventLog('in memory', {
  start: async () => undefined,
  stop: async () => undefined,
  fresh: async () => {
    const log = new MemoryEventLog('TEST');
    return {
      log,
      other: log,
      plant: async (event, epoch, prevHash) => {
        // A turn later, as the writers' own appends are stored.
        await Promise.resolve();
        log.store({ ...event, seq: log.lastSeq + 1, epoch, prevHash, hash: 'b'.repeat(64) });
      },
      lose: async (seq) => {
        const place = log.stored.findIndex((event) => event.seq === seq);
        log.stored.splice(place, 1);
      },
    };
  },
});
