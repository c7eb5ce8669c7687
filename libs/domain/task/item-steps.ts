import type { StepId } from '../ids.js';
import { FRESH } from './progress.js';
import {
  itemsLeft,
  itemsOutput,
  itemStepId,
  withItemEnd,
  type ItemEnd,
  type ItemRef,
  type Items,
} from './items.js';
import type { StepSpec } from './step-spec.js';

/** What has to be known of a task to open items of its steps: `Task` itself is built upon this. */
type WithSteps = { readonly id: string; readonly steps: readonly AnyStep[] };
type AnyStep = {
  readonly spec: StepSpec;
  readonly progress: { readonly status: string };
  readonly item?: ItemRef;
};

/** The items of a step are known: the first of them become steps of the task. */
export const withItems = <T extends WithSteps>(task: T, stepId: StepId, items: Items): T =>
  withOpened(task, stepId, items, task.steps);

/** An item that is over counts in its step, and makes room for the next one. */
export const withItemOver = <T extends WithSteps>(task: T, item: ItemRef, end: ItemEnd): T => {
  const id = itemStepId(item);
  const progress = task.steps.find(({ spec }) => spec.id === item.of)?.progress;
  if (progress?.status !== 'each')
    throw new Error(`item ${id} of task ${task.id} is over, and ${item.of} has none`);
  const others = task.steps.filter(({ spec }) => spec.id !== id);
  return withOpened(task, item.of, withItemEnd(progress as Items, item.index, end), others);
};

/** As many of them are open as may run at once, in their order. */
const withOpened = <T extends WithSteps>(
  task: T,
  stepId: StepId,
  items: Items,
  among: readonly AnyStep[],
): T => {
  const spec = among.find((step) => step.spec.id === stepId)?.spec;
  if (spec === undefined) throw new Error(`task ${task.id} has no step ${stepId}`);
  const room = (spec.forEach?.concurrency ?? 1) - (items.opened - items.completed - items.failed);
  const opened = items.opened + Math.max(0, Math.min(room, items.total - items.opened));
  const progress =
    itemsLeft(items) === 0
      ? { status: 'done', attempt: 1, output: itemsOutput(items) }
      : { ...items, opened };
  const steps = among.map((step) => (step.spec.id === stepId ? { ...step, progress } : step));
  for (let index = items.opened; index < opened; index += 1)
    steps.push(itemStep(spec, { of: stepId, index }));
  return { ...task, steps };
};

const itemStep = (spec: StepSpec, item: ItemRef): AnyStep => {
  const { conditional: _condition, forEach: _list, ...own } = spec;
  return { spec: { ...own, id: itemStepId(item) }, progress: FRESH, item };
};
