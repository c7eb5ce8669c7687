import type { RelaxedTask } from './relaxation.js';

/** The longest chain of submission, load and tasks that need each other, each task alone on the best GPU. */
export const pathBoundMs = (tasks: readonly RelaxedTask[]): number =>
  tasks.reduce((boundMs, { earliestEndMs }) => Math.max(boundMs, earliestEndMs), 0);
