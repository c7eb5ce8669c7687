import type { Failure } from '#libs/domain/errors.js';
import type { Message } from '#libs/domain/notify/delivery.js';
import type { NotificationRule, NotifiedTask } from '#libs/domain/notify/notification-rule.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { ExpressionError } from '#libs/template/expression-error.js';
import { parseText } from '#libs/template/expression.js';
import { messageLink, type LinkToAnswer } from './message-link.js';

/** Longer facts are left out of the message: they are in the log, and a receiver can ask for them. */
const FACTS_MAX_BYTES = 64 * 1024;
const TITLE_MAX_CHARS = 250;
const TEXT_MAX_CHARS = 10_000;

/** The message that a rule makes of a fact. Words of the rule that cannot be filled in give way to the platform's own, and say so. */
export const messageOfEvent = (
  event: StoredEvent,
  task: NotifiedTask | null,
  rule: NotificationRule,
  leads: { readonly publicUrl: string | null; readonly linkToAnswer: LinkToAnswer },
): Message => {
  const link = messageLink(event, leads.publicUrl, leads.linkToAnswer);
  const names = {
    event: { type: event.type, at: event.time, seq: event.seq, data: event.data },
    task: task ?? { id: '', workspace: '', template: '', labels: {} },
    link: link ?? '',
  };
  const title = filled(rule.title, names) ?? { text: titleOf(event, task) };
  const text = filled(rule.text, names) ?? { text: textOf(event) };
  const problems = [title, text].flatMap((part) => ('problem' in part ? [part.problem] : []));
  return {
    type: event.type,
    at: event.time,
    title: ('text' in title ? title.text : titleOf(event, task)).slice(0, TITLE_MAX_CHARS),
    text: [...('text' in text ? [text.text] : [textOf(event)]), ...problems]
      .join('\n')
      .slice(0, TEXT_MAX_CHARS),
    link,
    data: { seq: event.seq, event_id: event.id, task, facts: factsOf(event.data) },
  };
};

type Filled = { readonly text: string } | { readonly problem: string };

const filled = (source: string | undefined, names: Readonly<Record<string, unknown>>): Filled | null => {
  if (source === undefined) return null;
  try {
    return { text: parseText(source).render(names) };
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error;
    return { problem: `(the words of the rule could not be filled in: ${error.message})` };
  }
};

/** `summarize task 01j… failed`, `step judge of summarize task 01j… failed`. */
const titleOf = ({ type, data }: StoredEvent, task: NotifiedTask | null): string => {
  const [about = '', what = ''] = type.split('.');
  if (task === null) return type;
  const { stepId } = data as { readonly stepId?: unknown };
  const of =
    about === 'step' && typeof stepId === 'string'
      ? `Step ${stepId} of ${task.template} task`
      : `${task.template} task`;
  return `${of} ${task.id}: ${what.replaceAll('-', ' ')}`;
};

/** What went wrong, what is asked, or what somebody said about it. */
const textOf = ({ data }: StoredEvent): string => {
  const { failure, reason, message, waiting } = data as {
    readonly failure?: Failure;
    readonly reason?: unknown;
    readonly message?: unknown;
    readonly waiting?: { readonly message?: unknown };
  };
  if (failure !== undefined) return `${failure.code}: ${failure.message}`;
  const said = [waiting?.message, message, reason].find((text) => typeof text === 'string');
  return typeof said === 'string' ? said : '';
};

const factsOf = (data: unknown): unknown => {
  const bytes = Buffer.byteLength(JSON.stringify(data ?? null));
  return bytes <= FACTS_MAX_BYTES ? data : { omitted_bytes: bytes };
};
