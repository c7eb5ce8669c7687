import { LogCorruptError, type LogPosition, type StoredEvent } from './event-log.js';

/**
 * Follows the chain from event to event: no hole, no repeated sequence, every hash that of the event before. A position
 * whose hash is not known (an empty hash behind sequence 0) takes the first event's word for it.
 */
export class ChainCheck {
  #seq: number;
  #hash: string;

  constructor(
    private readonly stream: string,
    from: LogPosition,
  ) {
    this.#seq = from.seq;
    this.#hash = from.hash;
  }

  /** Throws `LogCorruptError`. */
  next(event: StoredEvent): StoredEvent {
    if (event.seq !== this.#seq + 1) {
      throw new LogCorruptError(
        `${this.stream}: event ${this.#seq + 1} is missing; the one behind ${this.#seq} is ${event.seq}. ` +
          'Events were lost or removed: restore the stream from a backup or a mirror.',
      );
    }
    const known = this.#hash !== '' || this.#seq === 0;
    if (known && event.prevHash !== this.#hash) {
      throw new LogCorruptError(
        `${this.stream}: event ${event.seq} (${event.id}) names ${event.prevHash || 'no event'} as its predecessor's hash, ` +
          `but event ${this.#seq} has ${this.#hash || 'none'}. The log was changed, or it is another log than before.`,
      );
    }
    this.#seq = event.seq;
    this.#hash = event.hash;
    return event;
  }
}

/** Hands the events over up to the first that is damaged, then throws what is wrong with that one. */
export function* soundPart<Raw>(
  batch: readonly Raw[],
  decode: (raw: Raw) => StoredEvent,
  check: ChainCheck,
): Generator<readonly StoredEvent[], void, void> {
  const events: StoredEvent[] = [];
  try {
    for (const raw of batch) events.push(check.next(decode(raw)));
  } catch (error) {
    if (events.length > 0) yield events;
    throw error;
  }
  yield events;
}
