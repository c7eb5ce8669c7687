import type { AnswerGiven } from '#libs/domain/task/answer-step.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { TaskAction } from './task-actions.js';

/** What somebody answers to what a step asks now, or has asked before. */
export const answerOf = (
  { task: taskId, step: stepId, choice, stale }: Extract<TaskAction, { readonly do: 'answer' }>,
  book: TaskBook,
): AnswerGiven => {
  const progress = book.open.get(taskId)?.steps.find(({ spec }) => spec.id === stepId)?.progress;
  const waiting = progress?.status === 'waiting' ? progress : null;
  const content =
    waiting?.waiting.kind === 'human_input'
      ? ({ kind: 'human_input', data: { choice } } as const)
      : ({ kind: 'approval', choice, text: 'edited' } as const);
  const answer = { ...content, by: 'ada', comment: null };
  return { taskId, stepId, waitingSeq: (waiting?.seq ?? 1) - (stale ? 1 : 0), answer };
};
