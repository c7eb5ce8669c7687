import { TaskRerun } from '../task-rerun.js';
import { TaskTimes } from '../task-times.js';
import { Initial } from './initial.js';

/** In the order in which they are applied; one that was released is never changed. */
export const MIGRATIONS = [
  { name: 'initial', class: Initial },
  { name: 'task-times', class: TaskTimes },
  { name: 'task-rerun', class: TaskRerun },
] as const;
