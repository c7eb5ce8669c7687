import type { WaitingFor, WaitingKind } from '#libs/domain/task/waiting-events.js';
import { rfc3339Of } from '#libs/domain/time.js';

/** What a step of this kind waits for in histories: some seconds, or people who are reminded and relieved. */
export const questionOf = (kind: Exclude<WaitingKind, 'task'>, nowMs: number): WaitingFor => {
  const at = (inMs: number): string => rfc3339Of(nowMs + inMs);
  if (kind === 'delay') return { kind, until: at(4_000) };
  const asked = {
    message: 'Is it right?',
    assignees: ['ada'],
    remindEveryMs: 3_000,
    escalation: { at: at(5_000), to: ['grace'] },
  };
  // Every second one is for as long as it takes.
  const timeout = (outcome: string) => (nowMs % 2_000 === 0 ? { timeout: { at: at(12_000), outcome } } : {});
  if (kind === 'human_input') return { kind, ...asked, ...timeout('fail'), schema: {}, initial: null };
  const choices = ['approve', 'reject', 'later'];
  return { kind, ...asked, ...timeout('later'), text: 'a draft', edit: true, choices, onReject: 'fail' };
};
