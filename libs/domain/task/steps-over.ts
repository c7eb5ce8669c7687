import type { StepId } from '../ids.js';
import { type OpenTask, type Step } from './task.js';
import { isOver } from './progress.js';

/** Whether it is still to be decided if a step runs at all. */
export const isUndecided = ({ spec, progress }: Step): boolean =>
  spec.conditional === true &&
  progress.status === 'pending' &&
  progress.admitted !== true &&
  progress.attempts === 0;

/** Would the task be complete if this step were over? */
export const isLastStep = (task: OpenTask, stepId: string): boolean =>
  task.steps.every(({ spec, progress }) => spec.id === stepId || isOver(progress));

/** Are all of these steps of the task over? */
export const needsDone = (task: OpenTask, needs: readonly StepId[]): boolean =>
  needs.every((id) => task.steps.some(({ spec, progress }) => spec.id === id && isOver(progress)));
