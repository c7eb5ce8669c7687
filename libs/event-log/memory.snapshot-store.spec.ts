import { MemorySnapshotStore } from './memory.snapshot-store.js';
import { describeSnapshots } from './snapshot-store.conformance.js';

describeSnapshots('in memory', {
  start: async () => undefined,
  stop: async () => undefined,
  fresh: async () => {
    const store = new MemorySnapshotStore();
    return {
      store,
      names: async () => [...store.states.keys()].toSorted(),
      damage: async (seq) => void store.states.set(`v1-${seq}`, new Uint8Array(3)),
    };
  },
});
