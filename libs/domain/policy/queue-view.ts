import type { StepId, TaskId } from '../ids.js';
import { compareSteps, type Compare } from './ordering.js';
import { queueOf } from './queue.js';
import type { ProbableStarts } from './probable-starts.js';
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
  /** When it will probably start; null where nothing can be said. */
  readonly startAtMs: number | null;
};

/** The first so many groups, and the first so many steps of all. */
export const queueView = (
  snapshot: Snapshot,
  starts: Pick<ProbableStarts, 'ofReady'>,
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
      first: queued(first, starts.ofReady(first, 0)),
      wait: waitOf(first),
    })),
    next: firstOf(groups, limits.steps, compare).map(({ step, place }) =>
      queued(step, starts.ofReady(step, place)),
    ),
  };
};

/** A step, and how many of its group go before it. */
type Placed = { readonly step: ReadyStep; readonly place: number };

/** Merges the groups, each of which is in order. */
const firstOf = (groups: readonly ReadyGroup[], count: number, compare: Compare): readonly Placed[] => {
  const open = groups.flatMap((group) => {
    const next = nextOf(group.steps);
    return next ? [{ ...next, place: 0 }] : [];
  });
  const steps: Placed[] = [];
  while (open.length > 0 && steps.length < count) {
    const best = open.reduce((a, b) => (compare(b.head, a.head) < 0 ? b : a));
    steps.push({ step: best.head, place: best.place });
    best.place += 1;
    const next = best.rest.next();
    if (next.done) open.splice(open.indexOf(best), 1);
    else best.head = next.value;
  }
  return steps;
};

const modelOf = ({ requirement }: ReadyStep): string | null =>
  requirement.kind === 'model' ? requirement.profile.model : null;

const queued = (step: ReadyStep, startAtMs: number | null): QueuedStep => ({
  taskId: step.taskId,
  stepId: step.stepId,
  model: modelOf(step),
  priority: step.priority,
  moved: step.place !== null,
  submittedAtMs: step.submittedAtMs,
  startAtMs,
});
