import { setImmediate as nextTurn } from 'node:timers/promises';
import type { StoredEvent } from '#libs/event-log/event-log.js';

/**
 * Cuts a stream of events into batches of what is there now, `sizeMax` at most. `gather` is asked before each: it may
 * hold a batch back for a moment so that more come into it, which a full one does not wait for.
 */
export const batches = async function* (
  events: AsyncIterable<StoredEvent>,
  sizeMax: number,
  gather: () => Promise<void>,
): AsyncGenerator<readonly StoredEvent[]> {
  const intake = new Intake(events, sizeMax);
  try {
    for (;;) {
      await intake.some();
      await Promise.race([intake.full(), gather()]);
      // One turn of the event loop lets in what the socket already holds.
      await nextTurn();
      const batch = intake.take(sizeMax);
      if (batch.length === 0) return;
      yield batch;
    }
  } finally {
    intake.stop();
  }
};

/** Reads ahead up to a bound and wakes whoever waits. */
class Intake {
  readonly #buffer: StoredEvent[] = [];
  #ended: { readonly error?: unknown } | null = null;
  #stopped = false;
  #wake: () => void = () => undefined;
  #filled: () => void = () => undefined;
  #room: () => void = () => undefined;

  constructor(
    events: AsyncIterable<StoredEvent>,
    private readonly batchMax: number,
  ) {
    void this.#read(events);
  }

  /** Resolves when there is an event, or nothing will come any more. */
  async some(): Promise<void> {
    if (this.#buffer.length > 0 || this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  /** Resolves when there is a whole batch, or nothing will come any more. */
  async full(): Promise<void> {
    if (this.#buffer.length >= this.batchMax || this.#ended) return;
    await new Promise<void>((resolve) => {
      this.#filled = resolve;
    });
  }

  /** Rejects with the stream's error once everything before it has been taken. */
  take(max: number): readonly StoredEvent[] {
    const batch = this.#buffer.splice(0, max);
    if (batch.length === 0 && this.#ended?.error) throw this.#ended.error;
    this.#room();
    return batch;
  }

  stop(): void {
    this.#stopped = true;
    this.#room();
  }

  async #read(events: AsyncIterable<StoredEvent>): Promise<void> {
    try {
      for await (const event of events) {
        if (this.#stopped) break;
        this.#buffer.push(event);
        this.#wake();
        if (this.#buffer.length >= this.batchMax) this.#filled();
        // One batch ahead of the one that is being written.
        if (this.#buffer.length >= 2 * this.batchMax) await this.#untilTaken();
      }
      this.#ended = {};
    } catch (error) {
      this.#ended = { error };
    }
    this.#wake();
    this.#filled();
  }

  #untilTaken(): Promise<void> {
    return new Promise((resolve) => {
      this.#room = resolve;
    });
  }
}
