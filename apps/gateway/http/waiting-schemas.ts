import { WAITING_KINDS } from '#libs/domain/task/waiting-events.js';
import {
  anything,
  count,
  exactly,
  listOf,
  orNull,
  text,
  texts,
  time,
  type SchemaObject,
} from './schema-parts.js';

const question = {
  task_id: text,
  step_id: text,
  seq: { ...count, description: 'Names what was asked.' },
  workspace: text,
  template: text,
  kind: { type: 'string', enum: ['approval', 'human_input'] },
  message: text,
  assignees: { ...texts, description: 'Those who are asked; empty: anybody may answer.' },
  choices: orNull(texts),
  since: time,
  until: orNull({ ...time, description: 'When it ends by itself.' }),
  reminders: count,
  escalated: { type: 'boolean', description: 'Whether others were asked too.' },
};

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
      task_id: orNull({ ...text, description: 'The task that it waits for.' }),
    }),
    description: 'For what a step waits or has waited, for how long, and who has answered.',
  },
  AnswerLink: exactly({ url: text, expires_at: time }),
  InboxItem: exactly(question),
  InboxPage: exactly({
    items: listOf('InboxItem'),
    next: orNull({ ...count, description: '`after` of the next page.' }),
  }),
  Question: exactly({
    ...question,
    text: { ...anything, description: 'What is to be approved.' },
    edit: { type: 'boolean', description: 'Whether the answer may change `text`.' },
    schema: orNull({ type: 'object', description: 'JSON Schema of `data` in the answer.' }),
    initial: { ...anything, description: 'What the form shows at first.' },
  }),
} satisfies Record<string, SchemaObject>;
