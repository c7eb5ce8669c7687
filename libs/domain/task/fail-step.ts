import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import { failTask } from './decide.js';
import type { TaskEvent } from './events.js';
import { completeTask } from './finish.js';
import type { ResultMaker } from './step-outcomes.js';
import { isLastStep } from './steps-over.js';
import { withProgress, type OpenTask } from './task.js';

/** A step that can never run, or whose input cannot be made: the task fails with it, unless it is one at its end, of which the others go on. */
export const failStep = (
  task: OpenTask,
  { stepId, failure }: { readonly stepId: StepId; readonly failure: Failure },
  at: string,
): readonly TaskEvent[] => {
  if (!task.finishing) return failTask(task, failure, at);
  const step = task.steps.find(({ spec }) => spec.id === stepId);
  if (task.ending || !step?.spec.atEnd || step.progress.status !== 'pending') return [];
  const impossible = { stepId, failure };
  if (!isLastStep(task, stepId)) return [{ type: 'step.impossible', taskId: task.id, ...impossible, at }];
  const after = withProgress(task, stepId, { status: 'failed', attempt: 1, failure });
  const ended = completeTask(task, { impossible }, after, { at, result: NO_RESULT });
  return 'unmade' in ended ? [] : ended;
};

/** It was made when all other steps had ended. */
const NO_RESULT: ResultMaker = () => ({ ok: true, result: null });
