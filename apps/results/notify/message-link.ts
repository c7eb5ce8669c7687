import type { AnswerLinkTo } from '#libs/answer-links/answer-links.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import { asksPeople, type WaitingFor } from '#libs/domain/task/waiting-events.js';

type Told = Pick<StoredEvent, 'type' | 'data' | 'taskId' | 'seq'>;

/** Makes a link by which a question can be answered. `until`: when the question ends by itself, RFC 3339; null where that is not known. */
export type LinkToAnswer = (
  to: AnswerLinkTo,
  given: { readonly publicUrl: string; readonly until: string | null },
) => string;

/**
 * Where a message leads: the one place that knows it. A message about a step that asks somebody leads to where it is answered, any other one
 * to its task.
 */
export const messageLink = (
  event: Told,
  publicUrl: string | null,
  linkToAnswer: LinkToAnswer,
): string | null => {
  if (publicUrl === null || event.taskId === undefined) return null;
  const asked = askedBy(event, event.taskId);
  return asked === null
    ? `${publicUrl}/api/v1/tasks/${event.taskId}`
    : linkToAnswer(asked.to, { publicUrl, until: asked.until });
};

const askedBy = (
  { type, data, seq }: Told,
  taskId: string,
): { readonly to: AnswerLinkTo; readonly until: string | null } | null => {
  const { stepId, waiting, waitingSeq } = data as {
    readonly stepId: string;
    readonly waiting?: WaitingFor;
    readonly waitingSeq?: number;
  };
  if (type === 'step.waiting' && waiting !== undefined && asksPeople(waiting))
    return { to: { taskId, stepId, waitingSeq: seq }, until: waiting.timeout?.at ?? null };
  if ((type === 'step.reminded' || type === 'step.escalated') && waitingSeq !== undefined)
    return { to: { taskId, stepId, waitingSeq }, until: null };
  return null;
};
