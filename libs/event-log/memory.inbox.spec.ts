import { describeInbox } from './inbox.conformance.js';
import { MemoryInbox } from './memory.inbox.js';

describeInbox('in memory', {
  start: async () => undefined,
  stop: async () => undefined,
  fresh: async () => {
    const inbox = new MemoryInbox('TEST', Date.now);
    return {
      inbox,
      other: inbox,
      forget: async (upToSeq) => void inbox.stored.splice(0, upToSeq),
    };
  },
});
