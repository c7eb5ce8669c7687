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

/** Steps at the end of a task have their turn when all the others have ended, and these before. */
export const hasTurn = ({ finishing }: OpenTask, { spec }: Pick<Step, 'spec'>): boolean =>
  (spec.atEnd === undefined) === (finishing === undefined);

/** What has not ended of the task, but for the steps at its end and items. */
export const stepsBeforeEnd = ({ steps }: OpenTask): readonly StepId[] =>
  steps.flatMap(({ spec, item, progress }) => (spec.atEnd || item || isOver(progress) ? [] : [spec.id]));

/** Would the task be complete if this step were over, but for those at its end that have yet to begin? */
export const isLastStep = (task: OpenTask, stepId: string): boolean =>
  task.steps.every(
    (step) =>
      !hasTurn(task, step) ||
      step.spec.id === stepId ||
      isOver(step.progress) ||
      isLastItemOf(step.spec.id, step.progress, stepId),
  );

const isLastItemOf = (of: StepId, progress: Progress, stepId: StepId): boolean =>
  progress.status === 'each' && itemsLeft(progress) === 1 && itemRefOf(stepId)?.of === of;

/** Is it its turn, and all over that it needs? */
export const mayBegin = (task: OpenTask, step: Pick<Step, 'spec'>): boolean =>
  hasTurn(task, step) && needsDone(task, step.spec.needs);

/** Are all of these steps of the task over? */
export const needsDone = (task: OpenTask, needs: readonly StepId[]): boolean =>
  needs.every((id) => task.steps.some(({ spec, progress }) => spec.id === id && isOver(progress)));
