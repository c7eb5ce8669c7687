import { beginChild, decideChild, stopChildren } from '#libs/domain/task/child-tasks.js';
import type { ResultMaker } from '#libs/domain/task/step-outcomes.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import type { TaskBook, TaskRecord } from '#libs/domain/task/task-book.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask, Step } from '#libs/domain/task/task.js';
import { rfc3339Of } from '#libs/domain/time.js';

/** Everything that is simulated is of one template. */
export const TEMPLATE = { name: 'request', version: 'sha256-simulated' };

type Tell = (events: readonly TaskRecord['event'][], nowMs: number) => void;
type ChildParts = {
  readonly book: TaskBook;
  readonly index: TaskIndex;
  readonly tell: Tell;
  /** All of them before anything follows of one. */
  readonly tellTogether: Tell;
  readonly result: ResultMaker;
};

/** A step that is a task, in a simulated template. */
export const SUBMITS = { waits: 'task', child: { template: TEMPLATE.name, numCtx: 4096 } } as const;

/** A step whose turn it is submits its child, which asks of its server what the step would have asked. */
export const beginSimulatedChild = (
  { book, tellTogether }: ChildParts,
  task: OpenTask,
  { spec, progress }: Step,
  nowMs: number,
): void => {
  if (progress.status !== 'pending') return;
  const attempt = progress.attempts + 1;
  const childTaskId = `${task.id}-${spec.id.replaceAll(/[[\]]/g, '')}-${attempt}`;
  const planned = { ok: true, template: TEMPLATE, parameters: {}, steps: stepsOf(task, spec) } as const;
  const wanted = { step: spec, attempt, childTaskId, planned, priority: null, at: atOf(nowMs) };
  tellTogether(beginChild(task, wanted, book, { openTasksMax: Infinity }), nowMs);
};

/** Children of what somebody submitted have a child of their own, where the step is tried more than once, and that has a step at its end. */
const stepsOf = (task: OpenTask, { requirement, retry, stepType }: StepSpec): readonly StepSpec[] => {
  const runs: StepSpec = { id: 's0', stepType, needs: [], requirement, retry };
  if (task.parent) return [runs, { ...runs, id: 's1', atEnd: { limitMs: 600_000 } }];
  return retry.attemptsMax > 1 ? [runs, { ...runs, ...SUBMITS, id: 's1', needs: ['s0'] }] : [runs];
};

/** Stops children that are not wanted any more, and takes over how others have ended. */
export const decideChildren = (
  { book, index, tell, tellTogether, result }: ChildParts,
  nowMs: number,
): void => {
  for (const taskId of index.waiting.children.take()) {
    const parent = book.open.get(taskId);
    if (parent) tellTogether(stopChildren(parent, book, atOf(nowMs)), nowMs);
    for (let task = book.open.get(taskId); task !== undefined; task = book.open.get(taskId)) {
      const events = decideChild(task, { at: atOf(nowMs), random: 0.5, result });
      if (events.length === 0) break;
      tell(events, nowMs);
    }
  }
};

/** The task that somebody submitted, of a task that is open. */
export const rootOf = (taskId: string, { open }: Pick<TaskBook, 'open'>): string => {
  let id = taskId;
  for (let parent = open.get(id)?.parent; parent; parent = open.get(id)?.parent) id = parent.taskId;
  return id;
};

const atOf = (ms: number): string => rfc3339Of(Math.floor(ms));
