import { DELIVERY_CAUSES, DELIVERY_STATUSES } from '../notifications.dto.js';
import { count, exactly, listOf, orNull, ref, text, texts, time, type SchemaObject } from './schema-parts.js';

const summary = {
  id: text,
  status: { enum: [...DELIVERY_STATUSES], description: '`failed`: given up; it may be sent again.' },
  channel: text,
  title: text,
  cause: exactly({
    kind: { enum: [...DELIVERY_CAUSES] },
    event_type: orNull(text),
    seq: orNull(count),
    step_id: orNull(text),
  }),
  task_id: orNull(text),
  template: orNull(text),
  workspace: orNull(text),
  created_at: time,
  attempts: count,
  last_try: orNull(ref('DeliveryTry')),
  next_attempt_at: orNull(time),
  ended_at: orNull(time),
};

/** What the API answers about notifications. */
export const notifications = {
  ChannelList: exactly({
    items: {
      type: 'array',
      items: exactly({
        name: text,
        type: text,
        rules: { ...count, description: 'Rules that name it.' },
        waiting: { ...count, description: 'Messages that have not ended.' },
      }),
    },
    problems: { ...texts, description: 'What is wrong with the file; the last good one holds.' },
  }),
  DeliveryPage: exactly({ items: listOf('DeliverySummary'), next: orNull(text) }),
  DeliverySummary: exactly(summary),
  Delivery: exactly({
    ...summary,
    text,
    link: orNull(text),
    data: { type: 'object', description: 'The facts, as programs get them.' },
    tries: { ...listOf('DeliveryTry'), description: 'The latest 20.' },
  }),
  DeliveryTry: exactly({
    at: time,
    took_ms: count,
    status: { ...orNull(count), description: 'Of HTTP, or the reply code of SMTP.' },
    error: { ...orNull(text), description: 'Null for the one that arrived.' },
  }),
} satisfies Record<string, SchemaObject>;
