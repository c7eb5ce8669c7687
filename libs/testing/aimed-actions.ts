import type { StepId, TaskId } from '#libs/domain/ids.js';
import { needsDone } from '#libs/domain/task/steps-over.js';
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

/** A step that could begin, of a task that has come to its end, if there is one. */
export const dueAtEndIn = (
  book: TaskBook,
): { readonly task: OpenTask; readonly stepId: StepId } | undefined => {
  for (const task of book.open.values()) {
    const due = task.steps.find(
      ({ spec, progress }) => spec.atEnd && progress.status === 'pending' && needsDone(task, spec.needs),
    );
    if (task.finishing && due) return { task, stepId: due.spec.id };
  }
  return undefined;
};
