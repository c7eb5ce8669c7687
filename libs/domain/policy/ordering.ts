import type { ReadyStep } from './ready-step.js';

/**
 * Who goes first.
 * 1. Priority, high first.
 * 2. Age of the task, old first: its submission's sequence, which also puts a task before those that depend on it.
 * 3. Step id (arbitrary, keeps runs reproducible).
 */
export const compareSteps = (a: ReadyStep, b: ReadyStep): number =>
  b.priority - a.priority || a.seq - b.seq || (a.stepId < b.stepId ? -1 : a.stepId > b.stepId ? 1 : 0);

export const before = (a: ReadyStep, b: ReadyStep): boolean => compareSteps(a, b) < 0;
