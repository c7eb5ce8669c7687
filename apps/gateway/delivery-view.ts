import type { DeliverySummary } from '#libs/contracts/notify-rpc.js';
import type { Delivery, DeliveryCause, DeliveryTry } from '#libs/domain/notify/delivery.js';
import { rfc3339 } from '#libs/runtime/clock.js';

/** A delivery in a list: without text and facts. */
export const summaryView = (delivery: Omit<DeliverySummary, 'order'>): object => ({
  id: delivery.id,
  status: delivery.status,
  channel: delivery.channel,
  title: delivery.title,
  cause: causeView(delivery.cause),
  task_id: delivery.task?.id ?? null,
  template: delivery.task?.template ?? null,
  workspace: delivery.task?.workspace ?? null,
  created_at: rfc3339(delivery.createdAtMs),
  attempts: delivery.attempts,
  last_try: delivery.lastTry === null ? null : tryView(delivery.lastTry),
  next_attempt_at: timeOrNull(delivery.nextAttemptAtMs),
  ended_at: timeOrNull(delivery.endedAtMs),
});

/** All of it. */
export const deliveryView = ({ message, tries, ...rest }: Delivery): object => ({
  ...summaryView({ ...rest, title: message.title, lastTry: tries.at(-1) ?? null }),
  text: message.text,
  link: message.link,
  data: message.data,
  tries: tries.map(tryView),
});

const causeView = (cause: DeliveryCause): object => ({
  kind: cause.kind,
  event_type: cause.kind === 'event' ? cause.type : null,
  seq: cause.kind === 'event' ? cause.seq : null,
  step_id: cause.kind === 'step' ? cause.stepId : null,
});

const tryView = ({ atMs, tookMs, status, error }: DeliveryTry): object => ({
  at: rfc3339(atMs),
  took_ms: tookMs,
  status,
  error,
});

const timeOrNull = (ms: number | null): string | null => (ms === null ? null : rfc3339(ms));
