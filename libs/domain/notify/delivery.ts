import type { NotifiedTask } from './notification-rule.js';

/** A message that is on its way to a channel, has arrived, or was given up. Times are milliseconds since 1970. */
export type Delivery = {
  /** Made of what caused it and the channel, so that the same cause makes no second one. */
  readonly id: string;
  /** Counts up in the order in which deliveries were made. */
  readonly order: number;
  readonly channel: string;
  readonly cause: DeliveryCause;
  readonly task: NotifiedTask | null;
  readonly message: Message;
  readonly createdAtMs: number;
  readonly status: 'pending' | 'delivered' | 'failed';
  /** Tries in all. */
  readonly attempts: number;
  /** Tries since it was created or sent again by hand, and when that was. */
  readonly round: { readonly attempts: number; readonly sinceMs: number };
  /** The newest tries, oldest first. */
  readonly tries: readonly DeliveryTry[];
  /** Null when it is over. */
  readonly nextAttemptAtMs: number | null;
  readonly endedAtMs: number | null;
};

export type DeliveryCause =
  | { readonly kind: 'event'; readonly type: string; readonly seq: number }
  | { readonly kind: 'step'; readonly stepId: string }
  | { readonly kind: 'test' };

/** What a channel sends, each in its own form. */
export type Message = {
  /** Of the event; `notification` for that of a step, `test` for a try. */
  readonly type: string;
  /** When what it tells of happened; RFC 3339. */
  readonly at: string;
  readonly title: string;
  readonly text: string;
  readonly link: string | null;
  /** The facts, for programs. */
  readonly data: Readonly<Record<string, unknown>>;
};

export type DeliveryTry = {
  readonly atMs: number;
  readonly tookMs: number;
  /** Of HTTP, or the reply code of SMTP; null where none came. */
  readonly status: number | null;
  /** Null for the one that arrived. */
  readonly error: string | null;
};

/** How one try went. `isFinal`: the receiver wants no other one. */
export type TryOutcome =
  | { readonly ok: true; readonly status: number | null }
  | {
      readonly ok: false;
      readonly status: number | null;
      readonly error: string;
      readonly isFinal?: boolean;
      /** How long the receiver asks to be left alone. */
      readonly retryAfterMs?: number;
    };

/** Pauses between tries: the first one, doubled from try to try up to the longest; none after so long in all. */
export type DeliveryRetry = { readonly firstMs: number; readonly longestMs: number; readonly forMs: number };

const TRIES_KEPT = 20;
const ERROR_MAX_CHARS = 500;

export const newDelivery = (
  what: Pick<Delivery, 'id' | 'order' | 'channel' | 'cause' | 'task' | 'message'>,
  nowMs: number,
): Delivery => ({
  ...what,
  createdAtMs: nowMs,
  status: 'pending',
  attempts: 0,
  round: { attempts: 0, sinceMs: nowMs },
  tries: [],
  nextAttemptAtMs: nowMs,
  endedAtMs: null,
});

/** A try that began at `atMs` has ended. `random`: 0 to 1, for the jitter. */
export const afterTry = (
  delivery: Delivery,
  outcome: TryOutcome,
  times: { readonly atMs: number; readonly nowMs: number },
  { retry, random }: { readonly retry: DeliveryRetry; readonly random: number },
): Delivery => {
  const { atMs, nowMs } = times;
  const error = outcome.ok ? null : outcome.error.slice(0, ERROR_MAX_CHARS);
  const made: DeliveryTry = { atMs, tookMs: Math.max(0, nowMs - atMs), status: outcome.status, error };
  const tried: Delivery = {
    ...delivery,
    attempts: delivery.attempts + 1,
    round: { ...delivery.round, attempts: delivery.round.attempts + 1 },
    tries: [...delivery.tries, made].slice(-TRIES_KEPT),
  };
  if (outcome.ok) return over(tried, 'delivered', nowMs);
  const nextMs = nowMs + pauseMs(tried.round.attempts, outcome.retryAfterMs ?? 0, { retry, random });
  if (outcome.isFinal === true || nextMs > tried.round.sinceMs + retry.forMs)
    return over(tried, 'failed', nowMs);
  return { ...tried, nextAttemptAtMs: nextMs };
};

/** Up to half of it is cut at random, so that messages that failed together are not sent together again. */
const pauseMs = (
  attempts: number,
  askedMs: number,
  { retry, random }: { readonly retry: DeliveryRetry; readonly random: number },
): number => {
  const fullMs = Math.min(retry.longestMs, retry.firstMs * 2 ** Math.min(attempts - 1, 40));
  return Math.max(Math.round(fullMs * (0.5 + random / 2)), Math.min(askedMs, retry.longestMs));
};

/** There is no room for it among what waits for its channel; it may be sent again by hand. */
export const notTaken = (delivery: Delivery, why: string, nowMs: number): Delivery =>
  over(
    { ...delivery, tries: [{ atMs: nowMs, tookMs: 0, status: null, error: why.slice(0, ERROR_MAX_CHARS) }] },
    'failed',
    nowMs,
  );

/** Once more, as if it were new; whether it has arrived or was given up. */
export const sentAgain = (delivery: Delivery, nowMs: number): Delivery => ({
  ...delivery,
  status: 'pending',
  round: { attempts: 0, sinceMs: nowMs },
  nextAttemptAtMs: nowMs,
  endedAtMs: null,
});

const over = (delivery: Delivery, status: 'delivered' | 'failed', nowMs: number): Delivery => ({
  ...delivery,
  status,
  nextAttemptAtMs: null,
  endedAtMs: nowMs,
});
