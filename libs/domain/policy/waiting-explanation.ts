import { asksPeople, type DelayWaiting, type PeopleWaiting } from '../task/waiting-events.js';
import type { WaitingProgress } from '../task/waiting-state.js';
import { msOf } from '../time.js';

/** A step waits for a time. */
export type TimeWait = { readonly kind: 'time'; readonly sinceMs: number; readonly untilMs: number };

/** It has asked people; `untilMs` is when that ends by itself. */
export type AnswerWait = {
  readonly kind: 'answer';
  readonly asks: PeopleWaiting['kind'];
  readonly message: string;
  readonly assignees: readonly string[];
  readonly sinceMs: number;
  readonly untilMs: number | null;
  readonly reminders: number;
  readonly escalated: boolean;
};

export const asksOf = (
  waiting: DelayWaiting | PeopleWaiting,
  { since, reminders, escalated }: Pick<WaitingProgress, 'since' | 'reminders' | 'escalated'>,
): TimeWait | AnswerWait => {
  const sinceMs = msOf(since);
  if (!asksPeople(waiting)) return { kind: 'time', sinceMs, untilMs: msOf(waiting.until) };
  const { kind: asks, message, assignees, timeout, escalation } = waiting;
  return {
    kind: 'answer',
    asks,
    message: message.slice(0, MESSAGE_TOLD_CHARS),
    assignees: escalated ? [...assignees, ...(escalation?.to ?? [])] : assignees,
    sinceMs,
    untilMs: timeout ? msOf(timeout.at) : null,
    reminders,
    escalated,
  };
};

/** A question may be as long as a book; the task has all of it. */
const MESSAGE_TOLD_CHARS = 500;
