import type { AnswerGiven } from '#libs/domain/task/answer-step.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import { waitingIn } from './aimed-actions.js';
import type { TaskAction } from './task-actions.js';

/** What somebody answers to what a step asks now, or has asked before. */
export const answerOf = (
  { task, step, choice, stale }: Extract<TaskAction, { readonly do: 'answer' }>,
  book: TaskBook,
): AnswerGiven => {
  const asks = waitingIn(book);
  const named = asks.find(({ taskId, stepId }) => taskId === task && stepId === step);
  const asked = named ?? (stale ? undefined : asks[0]);
  const content =
    asked?.progress.waiting.kind === 'human_input'
      ? ({ kind: 'human_input', data: { choice } } as const)
      : ({ kind: 'approval', choice, text: 'edited' } as const);
  const answer = { ...content, by: 'ada', comment: null };
  const { taskId, stepId } = asked ?? { taskId: task, stepId: step };
  return { taskId, stepId, waitingSeq: (asked?.progress.seq ?? 1) - (stale ? 1 : 0), answer };
};
