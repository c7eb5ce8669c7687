import type { StepId } from '../ids.js';
import { failTask } from './decide.js';
import type { TaskEvent } from './events.js';
import { completeTask } from './finish.js';
import type { Circumstances } from './outcome.js';
import { withProgress, type OpenTask } from './task.js';
import { isLastStep, isUndecided, mayBegin } from './steps-over.js';

/**
 * What a condition means once all that its step needs is over: the step may run, or it is left out and the task goes on without it. Asked
 * again, or too early, it adds nothing.
 */
export const decideStep = (
  task: OpenTask | undefined,
  { stepId, holds }: { readonly stepId: StepId; readonly holds: boolean },
  given: Omit<Circumstances, 'random'>,
): readonly TaskEvent[] => {
  const step = task?.steps.find(({ spec }) => spec.id === stepId);
  if (!task || !step || task.ending || !isUndecided(step) || !mayBegin(task, step)) return [];
  const { at } = given;
  if (holds) return [{ type: 'step.admitted', taskId: task.id, stepId, at }];
  if (!isLastStep(task, stepId)) return [{ type: 'step.skipped', taskId: task.id, stepId, at }];
  const over = completeTask(
    task,
    { skipped: stepId },
    withProgress(task, stepId, { status: 'skipped' }),
    given,
  );
  return 'unmade' in over ? failTask(task, over.unmade, at) : over;
};
