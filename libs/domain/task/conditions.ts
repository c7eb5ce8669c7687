import type { StepId } from '../ids.js';
import { failTask } from './decide.js';
import type { TaskEvent } from './events.js';
import type { Circumstances } from './outcome.js';
import { stepOutcomes } from './step-outcomes.js';
import { withProgress, type OpenTask } from './task.js';
import { isLastStep, isUndecided, needsDone } from './steps-over.js';

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
  if (!task || !step || task.ending || !isUndecided(step) || !needsDone(task, step.spec.needs)) return [];
  const { at } = given;
  if (holds) return [{ type: 'step.admitted', taskId: task.id, stepId, at }];
  if (!isLastStep(task, stepId)) return [{ type: 'step.skipped', taskId: task.id, stepId, at }];
  const made = given.result(stepOutcomes(withProgress(task, stepId, { status: 'skipped' })));
  return made.ok
    ? [{ type: 'task.completed', taskId: task.id, skipped: stepId, result: made.result, at }]
    : failTask(task, made.failure, at);
};
