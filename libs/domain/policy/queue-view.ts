import type { StepId, TaskId } from '../ids.js';
import { compareSteps, type Compare } from './ordering.js';
import { queueOf } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { waitsIn, type ReadyWait } from './ready-wait.js';
import { nextOf, type Snapshot } from './snapshot.js';

/** What is ready to run: by what it needs, with what that waits for, and in the order in which it goes. */
export type QueueView = {
  readonly ready: number;
  /** The one whose next step goes first, first. */
  readonly groups: readonly QueueGroup[];
  readonly next: readonly QueuedStep[];
};

export type QueueGroup = {
  readonly model: string | null;
  /** Steps of it that are ready. */
  readonly size: number;
  readonly first: QueuedStep;
  readonly wait: ReadyWait;
};

export type QueuedStep = {
  readonly taskId: TaskId;
  readonly stepId: StepId;
  readonly model: string | null;
  readonly priority: number;
  /** Whether somebody has put its task where it is. */
  readonly moved: boolean;
  readonly submittedAtMs: number;
};

/** The first so many groups, and the first so many steps of all. */
export const queueView = (
  snapshot: Snapshot,
  limits: { readonly groups: number; readonly steps: number },
): QueueView => {
  const waitOf = waitsIn(snapshot);
  const queue = queueOf(snapshot);
  const compare = compareSteps(queue.ranking);
  const groups = queue.groups.toSorted((a, b) => compare(a.first, b.first));
  return {
    ready: snapshot.ready.size,
    groups: groups.slice(0, limits.groups).map(({ size, first }) => ({
      model: modelOf(first),
      size,
      first: queued(first),
      wait: waitOf(first),
    })),
    next: firstOf(groups, limits.steps, compare).map(queued),
  };
};

/** Merges the groups, each of which is in order. */
const firstOf = (groups: readonly ReadyGroup[], count: number, compare: Compare): readonly ReadyStep[] => {
  const open = groups.flatMap((group) => nextOf(group.steps) ?? []);
  const steps: ReadyStep[] = [];
  while (open.length > 0 && steps.length < count) {
    const best = open.reduce((a, b) => (compare(b.head, a.head) < 0 ? b : a));
    steps.push(best.head);
    const next = best.rest.next();
    if (next.done) open.splice(open.indexOf(best), 1);
    else best.head = next.value;
  }
  return steps;
};

const modelOf = ({ requirement }: ReadyStep): string | null =>
  requirement.kind === 'model' ? requirement.profile.model : null;

const queued = (step: ReadyStep): QueuedStep => ({
  taskId: step.taskId,
  stepId: step.stepId,
  model: modelOf(step),
  priority: step.priority,
  moved: step.place !== null,
  submittedAtMs: step.submittedAtMs,
});
