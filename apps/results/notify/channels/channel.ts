import type { Message, TryOutcome } from '#libs/domain/notify/delivery.js';

/** What is sent in one try. */
export type Outgoing = {
  /** The same for every try, so that a receiver knows what it has seen. */
  readonly id: string;
  readonly message: Message;
  readonly nowMs: number;
  readonly signal: AbortSignal;
};

/** Makes one try. Rejects where it could not be made; the caller makes an outcome of that. */
export type Send = (outgoing: Outgoing) => Promise<TryOutcome>;
