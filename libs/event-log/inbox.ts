/**
 * The port to a stream of requests or observations (`COMMANDS`, `REPORTS`): many writers, one reader that keeps its
 * own place. A message is stored or the put fails; a repeated id within the duplicate window is stored once.
 */
export interface Inbox {
  readonly name: string;
  /** Resolves with the stored sequence. Rejects with `LogUnavailableError` when the broker does not confirm in time. */
  put(message: InboxMessage): Promise<number>;
  /** Messages after `afterSeq` and then live, in order, until the signal aborts. */
  follow(afterSeq: number, options: FollowInboxOptions): AsyncIterable<ReceivedMessage>;
}

export type FollowInboxOptions = {
  readonly signal: AbortSignal;
  /** Messages fetched ahead of the reader. */
  readonly bufferMax?: number;
  /** The stream had forgotten messages by age before they were read here; the reading goes on behind them. */
  readonly onGap?: (gap: InboxGap) => void;
};

/** Messages that can no longer be read, both ends included. */
export type InboxGap = { readonly fromSeq: number; readonly toSeq: number };

export type InboxMessage = {
  /** Unique: redelivery of the same id is stored once. */
  readonly id: string;
  readonly subject: string;
  readonly data: unknown;
  /** Core NATS subject on which the sender waits for the answer, if it waits. */
  readonly answerTo?: string;
  readonly traceparent?: string;
};

export type ReceivedMessage = InboxMessage & {
  readonly seq: number;
  /** When the broker stored it, milliseconds since 1970. */
  readonly storedAtMs: number;
};
