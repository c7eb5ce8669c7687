import type { TaskFinishing } from '#libs/domain/task/events.js';
import { itemRefOf } from '#libs/domain/task/items.js';
import type { ImpossibleStep } from '#libs/domain/task/step-decisions.js';
import { itemAttemptOver } from './item-view.projection.js';
import { json, withState, withStep, type StepState, type TaskDoc } from './task-doc.js';

/** The end of tasks, and the steps that run there. */

/** A step at the end of its task that could not begin; of an item, that is one that has failed. */
export const impossible = (doc: TaskDoc, { stepId, failure }: ImpossibleStep): TaskDoc => {
  const error = json(failure);
  const item = itemRefOf(stepId);
  return item
    ? itemAttemptOver(doc, item, { status: 'failed', error }, undefined)
    : withStep(doc, stepId, { status: 'failed', atEnd: json({ error: failure }) });
};

/** All that was not over will not run, but for the steps at the end. */
export const finishing = (doc: TaskDoc, { end: { status }, until, at }: TaskFinishing): TaskDoc => ({
  ...withState(doc, {
    finishing: json({ status, since: at, until }),
    cancelRequestedAt: doc.state.cancelRequestedAt ?? (status === 'cancelled' ? at : null),
  }),
  steps: doc.steps.map((step) => (step.atEnd === null ? closed(step) : step)),
});

export const closed = (step: StepState): StepState =>
  step.status === 'pending' || step.status === 'running' || step.status === 'waiting'
    ? { ...step, status: 'cancelled' }
    : step;
