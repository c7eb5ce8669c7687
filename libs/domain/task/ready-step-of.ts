import type { ReadyStep } from '../policy/ready-step.js';
import { waitsFromMs } from './queue-time.js';
import type { Line } from '../policy/place.js';
import type { ItemRef } from './items.js';
import type { OpenTask, Step } from './task.js';

/** A step as the policy sees it; `given` is what follows from other tasks and from the time. */
export const readyStepOf = (
  task: OpenTask,
  { spec, progress, item }: Step,
  given: Pick<ReadyStep, 'priority' | 'urgentByMs'>,
): ReadyStep => ({
  ...given,
  taskId: task.id,
  stepId: spec.id,
  attempt: progress.status === 'pending' ? progress.attempts + 1 : 1,
  workspace: task.workspace,
  seq: task.seq,
  submittedAtMs: waitsFromMs(task),
  place: task.moved?.place ?? null,
  line: item ? lineOfItem(task, item) : task.line,
  requirement: spec.requirement,
});

/** Items go behind what was promised a start when nobody knew how many they are. */
const lineOfItem = (task: OpenTask, { of }: ItemRef): Line | null => {
  const progress = task.steps.find(({ spec }) => spec.id === of)?.progress;
  return progress?.status === 'each' ? progress.line : task.line;
};

/** Why nothing of a task starts: it waits for other tasks or is ending, or somebody has paused it. */
export type Held = { readonly waits: boolean; readonly isPaused: boolean };

/** Whether a step could run now, and when to look at it again. */
export type Placed = { readonly isReady: boolean; readonly againAtMs: number };
