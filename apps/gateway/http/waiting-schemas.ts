import { WAITING_KINDS } from '#libs/domain/task/waiting-events.js';
import { count, exactly, orNull, text, texts, time, type SchemaObject } from './schema-parts.js';

/** What steps wait for, and what people are asked. */
export const waitings = {
  Waiting: {
    ...exactly({
      kind: { type: 'string', enum: [...WAITING_KINDS] },
      seq: { ...count, description: 'Names what was asked.' },
      message: orNull(text),
      assignees: texts,
      choices: orNull(texts),
      since: time,
      until: orNull({ ...time, description: 'When it ends by itself.' }),
      reminders: count,
      escalated_at: orNull(time),
      answered_by: orNull(text),
      answered_at: orNull({ ...time, description: 'With no `answered_by`: nobody had answered in time.' }),
    }),
    description: 'For what a step waits or has waited, for how long, and who has answered.',
  },
} satisfies Record<string, SchemaObject>;
