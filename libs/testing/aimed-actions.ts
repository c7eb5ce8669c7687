import type { StepId, TaskId } from '#libs/domain/ids.js';
import type { TaskBook } from '#libs/domain/task/task-book.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import type { WaitingProgress } from '#libs/domain/task/waiting-state.js';

type Asking = { readonly taskId: TaskId; readonly stepId: StepId; readonly progress: WaitingProgress };

/** The steps that wait for time or people: few ever do, so what is aimed at one that does not would hardly meet any. */
export const waitingIn = (book: TaskBook): readonly Asking[] =>
  [...book.open.values()].flatMap(({ id, steps }) =>
    steps.flatMap(({ spec, progress }) =>
      progress.status === 'waiting' && progress.waiting.kind !== 'task'
        ? [{ taskId: id, stepId: spec.id, progress }]
        : [],
    ),
  );

/** A task that has come to its end, and a step there that has not begun, if there is one. */
export const endedIn = (
  book: TaskBook,
): { readonly task: OpenTask; readonly stepId: StepId | undefined } | undefined => {
  const task = [...book.open.values()].find(({ finishing }) => finishing !== null);
  const left = task?.steps.find(({ spec, progress }) => spec.atEnd && progress.status === 'pending');
  return task && { task, stepId: left?.spec.id };
};
