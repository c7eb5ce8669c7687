import { StepWaiting } from '../step-waiting.js';
import { TaskArtifacts } from '../task-artifacts.js';
import { TaskEnd } from '../task-end.js';
import { TaskItems } from '../task-items.js';
import { TaskMoved } from '../task-moved.js';
import { TaskParent } from '../task-parent.js';
import { TaskRerun } from '../task-rerun.js';
import { TaskTimes } from '../task-times.js';
import { Initial } from './initial.js';
import { Workflows } from './workflows.js';

/** In the order in which they are applied; one that was released is never changed. */
export const MIGRATIONS = [
  { name: 'initial', class: Initial },
  { name: 'task-times', class: TaskTimes },
  { name: 'workflows', class: Workflows },
  { name: 'task-rerun', class: TaskRerun },
  { name: 'task-moved', class: TaskMoved },
  { name: 'task-items', class: TaskItems },
  { name: 'step-waiting', class: StepWaiting },
  { name: 'task-end', class: TaskEnd },
  { name: 'task-artifacts', class: TaskArtifacts },
  { name: 'task-parent', class: TaskParent },
] as const;
