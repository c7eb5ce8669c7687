import type { StepDispatched } from '#libs/domain/task/events.js';
import { itemRefOf, type ItemRef } from '#libs/domain/task/items.js';
import type { ModelUsage } from '#libs/domain/usage.js';
import type { ItemsState, ItemState, StepState, TaskDoc } from './task-doc.js';
import { NO_USAGE, withModel, withUsage } from './usage-sum.js';

/** The items of a step with `foreach`: each has a row of its own, and the step only counts. */

export const itemsOf = (total: number): ItemsState => ({
  total,
  completed: 0,
  failed: 0,
  running: 0,
  usage: NO_USAGE,
});

export const itemBegun = (
  doc: TaskDoc,
  item: ItemRef,
  { attempt, at, requirement }: StepDispatched,
): TaskDoc => {
  const model = requirement.kind === 'model' ? requirement.profile.model : null;
  const change = { status: 'running', attempts: attempt, startedAt: at, error: null } as const;
  return counted(withItem(doc, item, change), item, (items) => ({
    usage: withModel(items.usage, model),
  }));
};

/** The child of an item was submitted. */
export const itemWaits = (doc: TaskDoc, item: ItemRef, attempt: number, at: string): TaskDoc => {
  const change = { status: 'running', attempts: attempt, startedAt: at, error: null } as const;
  return childCounted(withItem(doc, item, change), item, 1, () => ({}));
};

/** How the child of an item ended. */
export const itemWaited = (
  doc: TaskDoc,
  item: ItemRef,
  change: Pick<ItemState, 'status'> & Partial<ItemState>,
): TaskDoc =>
  childCounted(withItem(doc, item, change), item, -1, (items) => ({
    completed: items.completed + (change.status === 'completed' ? 1 : 0),
    failed: items.failed + (change.status === 'failed' ? 1 : 0),
  }));

/** How an attempt of an item ended; only the one that runs has an effect. */
export const itemAttemptOver = (
  doc: TaskDoc,
  item: ItemRef,
  change: Pick<ItemState, 'status'> & Partial<ItemState>,
  usage: ModelUsage | undefined,
): TaskDoc =>
  counted(withItem(doc, item, change), item, (items) => ({
    completed: items.completed + (change.status === 'completed' ? 1 : 0),
    failed: items.failed + (change.status === 'failed' ? 1 : 0),
    usage: usage ? withUsage(items.usage, usage) : items.usage,
  }));

const withItem = (doc: TaskDoc, { of, index }: ItemRef, change: Partial<ItemState>): TaskDoc => {
  const position = doc.steps.find(({ stepId }) => stepId === of)?.position;
  if (position === undefined) return doc;
  const place = doc.items.findIndex((item) => item.index === index && item.position === position);
  const before = doc.items[place] ?? fresh(position, index);
  // As in the database: an item begins once, however often it is tried.
  const item = { ...before, ...change, startedAt: before.startedAt ?? change.startedAt ?? null };
  return { ...doc, items: place < 0 ? [...doc.items, item] : doc.items.with(place, item) };
};

const fresh = (position: number, index: number): ItemState => ({
  position,
  index,
  status: 'pending',
  attempts: null,
  output: null,
  error: null,
  startedAt: null,
  endedAt: null,
});

/** As `counted`, for items without attempts. */
const childCounted = (
  doc: TaskDoc,
  item: ItemRef,
  by: 1 | -1,
  change: (items: ItemsState) => Partial<ItemsState>,
): TaskDoc => {
  const running = (doc.steps.find(({ stepId }) => stepId === item.of)?.items?.running ?? 0) + by;
  return counted(doc, item, change, running);
};

/** The step is done when the last of its items is over. */
const counted = (
  doc: TaskDoc,
  { of }: ItemRef,
  change: (items: ItemsState) => Partial<ItemsState>,
  running = runningOf(doc, of),
): TaskDoc => {
  const after = (step: StepState): StepState => {
    if (step.stepId !== of || step.items === null) return step;
    const items = { ...step.items, ...change(step.items), running };
    const isOver = items.completed + items.failed === items.total;
    return { ...step, items, ...(isOver ? { status: 'completed' } : {}) };
  };
  return { ...doc, steps: doc.steps.map(after) };
};

const runningOf = (doc: TaskDoc, of: string): number =>
  doc.attempts.filter(({ stepId, outcome }) => outcome === 'running' && itemRefOf(stepId)?.of === of).length;
