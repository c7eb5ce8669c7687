import { checkedJson } from './cloud-event.js';
import type { FollowInboxOptions, Inbox, InboxMessage, ReceivedMessage } from './inbox.js';
import { WakeUp } from './wake-up.js';

/** A request stream in this process, for tests of what is built on it. Stored a turn later than it is put; data pass through JSON. */
export class MemoryInbox implements Inbox {
  /** The stream itself, in order. A test removes from the front what the real one would forget by age. */
  readonly stored: ReceivedMessage[] = [];
  readonly #seqById = new Map<string, number>();
  readonly #grown = new WakeUp();
  #lastSeq = 0;

  constructor(
    readonly name: string,
    private readonly nowMs: () => number,
  ) {}

  async put(message: InboxMessage): Promise<number> {
    const data: unknown = JSON.parse(checkedJson(this.name, message));
    await Promise.resolve();
    const known = this.#seqById.get(message.id);
    if (known !== undefined) return known;
    this.#lastSeq += 1;
    this.#seqById.set(message.id, this.#lastSeq);
    this.stored.push({ ...message, data, seq: this.#lastSeq, storedAtMs: this.nowMs() });
    this.#grown.ring();
    return this.#lastSeq;
  }

  async *follow(afterSeq: number, options: FollowInboxOptions): AsyncIterable<ReceivedMessage> {
    const { signal, onGap } = options;
    let seq = afterSeq;
    while (!signal.aborted) {
      const message = this.stored[Math.max(0, seq + 1 - (this.stored[0]?.seq ?? 0))];
      if (message === undefined) {
        await this.#grown.next(signal);
        continue;
      }
      if (message.seq > seq + 1) onGap?.({ fromSeq: seq + 1, toSeq: message.seq - 1 });
      seq = message.seq;
      yield { ...message, data: structuredClone(message.data) };
    }
  }
}
