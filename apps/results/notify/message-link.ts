import type { StoredEvent } from '#libs/event-log/event-log.js';

/**
 * Where a message leads: the one place that knows it. A message about a step that waits for somebody gets its link to answer
 * by from here, ahead of the link to the task.
 */
export const messageLink = (
  event: Pick<StoredEvent, 'type' | 'data' | 'taskId'>,
  publicUrl: string | null,
): string | null => {
  if (publicUrl === null || event.taskId === undefined) return null;
  return answerLink(event, publicUrl) ?? `${publicUrl}/api/v1/tasks/${event.taskId}`;
};

/** A waiting step names the path at which it is answered, if it has one (`answerPath`), such as `/answer/abc`. */
const answerLink = ({ data }: Pick<StoredEvent, 'data'>, publicUrl: string): string | null => {
  const { answerPath } = data as { readonly answerPath?: unknown };
  return typeof answerPath === 'string' && /^\/(?!\/)/.test(answerPath) ? `${publicUrl}${answerPath}` : null;
};
