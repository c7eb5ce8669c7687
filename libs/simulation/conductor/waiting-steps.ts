import type { StepId } from '#libs/domain/ids.js';
import { beginSimulatedChild, decideChildren } from './child-tasks.js';
import type { ResultMaker } from '#libs/domain/task/step-outcomes.js';
import type { TaskBook, TaskRecord } from '#libs/domain/task/task-book.js';
import type { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { answered, beginWaiting, decideWaiting, waitingSteps } from '#libs/domain/task/waiting.js';
import type { StepAnswered, WaitingFor } from '#libs/domain/task/waiting-events.js';
import { rfc3339Of } from '#libs/domain/time.js';

/** For how long a step waits in a simulation, and whether it has failed then. */
export type WaitLength = { readonly forMs: number; readonly fails: boolean };
export type WaitLengthOf = (task: OpenTask, stepId: StepId) => WaitLength;

export type WaitingParts = {
  readonly book: TaskBook;
  readonly index: TaskIndex;
  readonly tell: (events: readonly TaskRecord['event'][], nowMs: number) => void;
  /** All of them before anything follows of one. */
  readonly tellTogether: WaitingParts['tell'];
  readonly lengthOf: WaitLengthOf;
  /** Tasks of steps come with what was recorded, and their steps wait as long as they did. */
  readonly isReplayed: boolean;
  readonly result: ResultMaker;
};

type Plane = Pick<WaitingParts, 'book' | 'index' | 'tell' | 'tellTogether'>;

export const waitingParts = (plane: Plane, lengthOf: WaitLengthOf, isReplayed: boolean): WaitingParts => ({
  book: plane.book,
  index: plane.index,
  tell: (events, nowMs) => plane.tell(events, nowMs),
  tellTogether: (events, nowMs) => plane.tellTogether(events, nowMs),
  lengthOf,
  isReplayed,
  result: () => ({ ok: true, result: null }),
});

/** Steps whose turn it is begin to wait, and those go on whose child has ended. */
export const beginWaits = (parts: WaitingParts, nowMs: number): void => {
  const { book, index, tell, lengthOf, isReplayed } = parts;
  decideChildren(parts, nowMs);
  if (book.pauses.has('queue')) return;
  for (const taskId of index.waiting.toBegin.take()) {
    for (const step of book.open.get(taskId)?.steps ?? []) {
      const { spec } = step;
      const task = book.open.get(taskId);
      if (task === undefined || spec.waits === undefined) continue;
      if (spec.waits === 'task' && !isReplayed) {
        beginSimulatedChild(parts, task, step, nowMs);
        continue;
      }
      const begin = { stepId: spec.id, waiting: waitingFor(lengthOf(task, spec.id), nowMs), at: atOf(nowMs) };
      tell(beginWaiting(task, begin, book.pauses), nowMs);
    }
  }
};

/** Ends those whose time has come. */
export const endWaits = ({ book, index, tell, result }: WaitingParts, nowMs: number): void => {
  for (const taskId of index.waiting.takeDue(nowMs)) {
    for (let task = book.open.get(taskId); task !== undefined; task = book.open.get(taskId)) {
      const events = decideWaiting(task, { at: atOf(nowMs), result });
      if (events.length === 0) break;
      tell(events, nowMs);
    }
  }
};

/** An answer that came; to a question that was not asked here it is none. */
export const takeAnswer = (
  { book, tell, result }: WaitingParts,
  { taskId, stepId, waitingSeq, answer }: StepAnswered,
  nowMs: number,
): void => {
  const task = book.open.get(taskId);
  const step = task && waitingSteps(task).find(({ spec }) => spec.id === stepId);
  if (!task || step?.progress.seq !== waitingSeq || step.progress.answer !== null || task.ending) return;
  tell(answered(task, step, answer, { at: atOf(nowMs), result }), nowMs);
};

/** Nobody is there to ask: what fails is a question that nobody answers. */
const waitingFor = ({ forMs, fails }: WaitLength, nowMs: number): WaitingFor => {
  const until = atOf(nowMs + forMs);
  if (!fails) return { kind: 'delay', until };
  const asked = { message: 'simulated', assignees: [], timeout: { at: until, outcome: 'fail' } };
  return {
    kind: 'approval',
    ...asked,
    text: null,
    edit: false,
    choices: ['approve', 'reject'],
    onReject: 'fail',
  };
};

const atOf = (ms: number): string => rfc3339Of(Math.floor(ms));
