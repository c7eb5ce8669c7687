import type { StepId } from '../ids.js';
import { itemRefOf, itemsLeft } from './items.js';
import { type OpenTask, type Step } from './task.js';
import { isOver, type Progress } from './progress.js';

/** Whether it is still to be decided if a step runs at all. */
export const isUndecided = ({ spec, progress }: Step): boolean =>
  spec.conditional === true &&
  progress.status === 'pending' &&
  progress.admitted !== true &&
  progress.attempts === 0;

/** Whether it may run, and it is still to be said how many items it has. */
export const isUnexpanded = (step: Step): boolean =>
  step.spec.forEach !== undefined && step.progress.status === 'pending' && !isUndecided(step);

/** Would the task be complete if this step were over? */
export const isLastStep = (task: OpenTask, stepId: string): boolean =>
  task.steps.every(
    ({ spec, progress }) => spec.id === stepId || isOver(progress) || isLastItemOf(spec.id, progress, stepId),
  );

const isLastItemOf = (of: StepId, progress: Progress, stepId: StepId): boolean =>
  progress.status === 'each' && itemsLeft(progress) === 1 && itemRefOf(stepId)?.of === of;

/** Are all of these steps of the task over? */
export const needsDone = (task: OpenTask, needs: readonly StepId[]): boolean =>
  needs.every((id) => task.steps.some(({ spec, progress }) => spec.id === id && isOver(progress)));
