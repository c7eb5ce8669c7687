import type { StepId } from '../ids.js';
import { failTask } from './decide.js';
import type { TaskEvent } from './events.js';
import { completeTask } from './finish.js';
import { withItems } from './item-steps.js';
import { noItemsYet } from './items.js';
import type { Circumstances } from './outcome.js';
import { isLastStep, isUnexpanded, mayBegin } from './steps-over.js';
import type { OpenTask } from './task.js';

/**
 * How many items a step has, once all that it needs is over and it is to run. Without any it is done at once. Asked again, or too early, it
 * adds nothing.
 */
export const expandStep = (
  task: OpenTask | undefined,
  { stepId, items }: { readonly stepId: StepId; readonly items: number },
  given: Omit<Circumstances, 'random'>,
): readonly TaskEvent[] => {
  const step = task?.steps.find(({ spec }) => spec.id === stepId);
  if (!task || !step || task.ending || !isUnexpanded(step) || !mayBegin(task, step)) return [];
  const { at } = given;
  if (items > 0 || !isLastStep(task, stepId))
    return [{ type: 'step.expanded', taskId: task.id, stepId, items, at }];
  const after = withItems(task, stepId, noItemsYet(0, { sinceMs: 0, seq: 0 }));
  const over = completeTask(task, { empty: stepId }, after, given);
  return 'unmade' in over ? failTask(task, over.unmade, at) : over;
};
