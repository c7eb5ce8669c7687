import { setImmediate } from 'node:timers/promises';
import { SUBJECTS, subjectToken } from '#libs/contracts/subjects.js';
import type { LoadStarted } from '#libs/domain/gpu/events.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import type { EventLog } from '#libs/event-log/event-log.js';
import { typedEvent } from '#libs/event-log/typed-event.js';

const LOADS = SUBJECTS.server('*', subjectToken('residency.load-started'));

/** Loads that are read before others get a turn. */
const TURN_EVENTS = 100;

/**
 * What models take, from all loads that the log knows, also later ones. The scheduler asks the allocator for a size when it first
 * needs one and does not write it down; a model's size is no matter of the moment.
 */
export class ModelSizes {
  readonly bytes = new Map<string, number>();
  #readSeq = 0;

  constructor(private readonly leases: EventLog) {}

  /** Reads what is new. Where the signal aborts, the rest waits for the next time. */
  async read(signal: AbortSignal): Promise<void> {
    const from = { seq: this.#readSeq, hash: '' };
    let left = TURN_EVENTS;
    for await (const stored of this.leases.replay(from, { filterSubjects: [LOADS] })) {
      const { profile, bytes } = typedEvent<LoadStarted>(stored);
      this.bytes.set(profileKey(profile), bytes);
      this.#readSeq = stored.seq;
      left -= 1;
      if (left > 0) continue;
      left = TURN_EVENTS;
      await setImmediate();
      if (signal.aborted) return;
    }
  }
}
