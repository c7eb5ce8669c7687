import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import type { KeptStep, StepFailure, StepSuccess, TaskEvent } from './events.js';
import type { StepExpanded } from './step-decisions.js';
import {
  itemRefOf,
  itemsLeft,
  itemsOutput,
  noItemsYet,
  withItemEnd,
  type ItemEnd,
  type Items,
} from './items.js';
import type { StepSpec } from './step-spec.js';
import { toldApart } from './told-apart.js';
import type { Waited } from './waiting-events.js';

/** Nothing is promised to what is over. */
const NO_LINE = { sinceMs: 0, seq: 0 } as const;

/** How each step ended that was over, by the events of its task. */
export const stepsOver = (events: readonly TaskEvent[]): ReadonlyMap<StepId, KeptStep> => {
  const over = new Map<StepId, KeptStep>();
  const lists = new Map<StepId, Items>();
  const list = (stepId: StepId, items: Items) => {
    lists.set(stepId, items);
    if (itemsLeft(items) === 0) over.set(stepId, { stepId, output: itemsOutput(items) });
  };
  const expanded = ({ stepId, items }: StepExpanded) => list(stepId, noItemsYet(items, NO_LINE));
  const end = (kept: KeptStep, how: ItemEnd) => {
    const item = itemRefOf(kept.stepId);
    const items = item && lists.get(item.of);
    if (item && items) list(item.of, withItemEnd(items, item.index, how));
    else over.set(kept.stepId, kept);
  };
  const done = ({ stepId, output }: StepSuccess) => end({ stepId, output }, { output });
  const failed = ({ stepId, failure }: Pick<StepFailure, 'stepId' | 'failure'>) =>
    end({ stepId, output: null, failure }, { failure });
  const waited = ({ stepId, output, failure, ...again }: Waited) =>
    'retryAt' in again ||
    end(
      failure ? { stepId, output: null, failure } : { stepId, output: output ?? null },
      failure ? { failure } : { output: output ?? null },
    );
  const skipped = (stepId: StepId) => over.set(stepId, { stepId, output: null, skipped: true });
  for (const event of events.flatMap(toldApart)) {
    if (event.type === 'task.submitted') for (const kept of event.kept ?? []) over.set(kept.stepId, kept);
    if (event.type === 'step.skipped') skipped(event.stepId);
    if (event.type === 'step.abandoned') failed(event.step);
    if (event.type === 'step.impossible') failed(event);
    if (event.type === 'step.expanded') expanded(event);
    if (event.type === 'step.completed') done(event.step);
    if (event.type === 'step.waited') waited(event.waited);
    if (event.type !== 'task.completed') continue;
    if (event.step) done(event.step);
    else if (event.abandoned) failed(event.abandoned);
    else if (event.empty !== undefined) list(event.empty, noItemsYet(0, NO_LINE));
    else if (event.waited) waited(event.waited);
    else if (event.impossible) failed(event.impossible);
    else skipped(event.skipped);
  }
  return over;
};

/**
 * Of the steps that are over, those that a rerun from this step may keep as they ended: all that do not depend on it, directly or
 * through others. What a kept step needs is kept too, because it was over before. What runs at the end runs again in any case. `over`:
 * done, left out, or abandoned.
 */
export const stepsToKeep = (
  steps: readonly StepSpec[],
  from: StepId,
  over: ReadonlySet<StepId>,
): readonly StepId[] => {
  const again = new Set([from]);
  // A template may list a step before those that it needs, so one pass is not enough.
  for (let size = 0; size !== again.size;) {
    size = again.size;
    for (const { id, needs } of steps) if (needs.some((need) => again.has(need))) again.add(id);
  }
  return steps.flatMap(({ id, atEnd }) => (over.has(id) && !again.has(id) && !atEnd ? [id] : []));
};

/** What is wrong with what a submission keeps; null where nothing is. */
export const keptProblem = (steps: readonly StepSpec[], kept: readonly KeptStep[]): Failure | null => {
  const ids = new Set(kept.map(({ stepId }) => stepId));
  const wrong = (message: string): Failure => ({ code: 'VALIDATION_FAILED', message });
  const unknown = [...ids].find((id) => !steps.some((step) => step.id === id));
  if (unknown !== undefined)
    return wrong(`kept names '${unknown}'; accepted: ${steps.map(({ id }) => id).join(', ')}.`);
  for (const { id, needs } of steps) {
    const missing = ids.has(id) ? needs.find((need) => !ids.has(need)) : undefined;
    if (missing !== undefined) return wrong(`kept has '${id}' without '${missing}', which it needs.`);
  }
  const atEnd = steps.find((step) => step.atEnd && ids.has(step.id));
  if (atEnd) return wrong(`kept has '${atEnd.id}', which runs at the end of each run.`);
  return ids.size > 0 && ids.size === steps.filter((step) => !step.atEnd).length
    ? wrong('kept has every step; at least one must run.')
    : null;
};
