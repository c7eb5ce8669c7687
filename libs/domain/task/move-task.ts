import type { TaskId } from '../ids.js';
import { areBeside, compareNth, comparePlaces, nthBetween, type Place } from '../policy/place.js';
import { msOf, rfc3339Of } from '../time.js';
import { notOpen, refuse, type Decision, type Refused } from './decide.js';
import type { MoveTo } from './move-events.js';
import type { StartPromise } from './start-promise.js';
import { hasTurn } from './steps-over.js';
import type { TaskBook } from './task-book.js';
import type { OpenTask } from './task.js';

export type Move = {
  readonly taskId: TaskId;
  readonly to: MoveTo;
  readonly reason: string;
  readonly by: string;
};

/** What is known besides the book: where tasks are in the queue, and what one would be promised that is queued again now. */
export type MoveCircumstances = {
  readonly at: string;
  readonly placeOf: (task: OpenTask) => Place;
  readonly promiseAgain: (task: OpenTask) => StartPromise | null;
};

/**
 * Gives a task a place before or behind another one, or all others, of its workspace's queue. One that is there already stays as it is.
 * Whoever goes back gives up the start that it was promised; whoever goes forward takes nothing from those that it passes, because their
 * promises stand above the order. Looks at every open task once: people move tasks, and not a thousand a second.
 */
export const moveTask = (move: Move, book: TaskBook, given: MoveCircumstances): Decision => {
  const { taskId, to, reason, by } = move;
  const { at, placeOf } = given;
  const task = book.open.get(taskId);
  if (task === undefined) return notOpen(taskId, book, 'there is nothing left to move');
  const problem = whyNotQueued(task, at);
  if (problem) return refuse('TASK_NOT_QUEUED', `Task ${taskId} cannot be moved: ${problem}.`);
  const wrong = referenceProblem(task, to, book, at);
  if (wrong) return wrong;
  const { agingMs } = book.policy;
  const order: Order = { book, placeOf, compare: (a, b) => comparePlaces(a, b, agingMs) };
  const anchor = anchorOf(task, to, at, order);
  const side = to.kind === 'front' || to.kind === 'before' ? 'before' : 'after';
  const own = placeOf(task);
  if (anchor === null || isThere(own, anchor, side, othersOf(task, at, order), order.compare)) return [];
  const place = placeBeside(anchor, side, othersBeside(task, anchor, order));
  if (place === null)
    return refuse(
      'MOVE_REFERENCE_INVALID',
      'No place is left there between the tasks that were moved before; move the task next to another one.',
    );
  const { fromMs, ...rest } = place;
  const stored = { ...rest, from: rfc3339Of(fromMs) };
  const goesBack = order.compare(own, place) < 0;
  const promise = goesBack ? { promise: given.promiseAgain(task) } : {};
  return [{ type: 'task.moved', taskId, to, place: stored, ...promise, reason, by, at }];
};

/** Why a task has no place in the queue now; null where it has one. */
const whyNotQueued = (task: OpenTask, at: string): string | null => {
  if (task.ending)
    return task.ending.kind === 'cancelled' ? 'it is being cancelled' : 'it has failed and is ending';
  if (!task.steps.some((step) => step.progress.status === 'pending' && hasTurn(task, step)))
    return 'all of its steps are running or done';
  return task.runAt !== null && msOf(task.runAt) > msOf(at)
    ? `it is not to run before ${task.runAt}, and has no place until then`
    : null;
};

const referenceProblem = (task: OpenTask, to: MoveTo, book: TaskBook, at: string): Refused | null => {
  if (!('taskId' in to)) return null;
  const invalid = (why: string): Refused =>
    refuse('MOVE_REFERENCE_INVALID', `'${to.kind}' names ${to.taskId}: ${why}.`, { reference: to.taskId });
  if (to.taskId === task.id) return invalid('that is the task itself; name another one');
  const other = book.open.get(to.taskId);
  if (other === undefined) {
    const ended = book.closed.get(to.taskId);
    return invalid(ended === undefined ? 'there is no such task' : `it has ${ended}; name one that waits`);
  }
  if (other.workspace !== task.workspace)
    return invalid(
      `it is of workspace '${other.workspace}'; accepted are tasks of '${task.workspace}', whose queue this is`,
    );
  const problem = whyNotQueued(other, at);
  return problem === null ? null : invalid(`${problem}; name one that waits`);
};

type Compare = (a: Place, b: Place) => number;
type Order = {
  readonly book: TaskBook;
  readonly placeOf: MoveCircumstances['placeOf'];
  readonly compare: Compare;
};

/** The places of all others of its workspace that wait. */
function* othersOf(task: OpenTask, at: string, { book, placeOf }: Order): Generator<Place> {
  for (const other of book.open.values())
    if (other !== task && other.workspace === task.workspace && whyNotQueued(other, at) === null)
      yield placeOf(other);
}

/** The place beside which the task is to be; null where it is alone. */
const anchorOf = (task: OpenTask, to: MoveTo, at: string, order: Order): Place | null => {
  if ('taskId' in to) {
    const other = order.book.open.get(to.taskId);
    return other === undefined ? null : order.placeOf(other);
  }
  const sign = to.kind === 'front' ? 1 : -1;
  let best: Place | null = null;
  for (const one of othersOf(task, at, order))
    if (best === null || sign * order.compare(one, best) < 0) best = one;
  return best;
};

type Side = 'before' | 'after';

/** Whether it is on that side of the place, and nobody waits between them; looks at no more of the others than that takes. */
const isThere = (
  own: Place,
  anchor: Place,
  side: Side,
  others: Iterable<Place>,
  compare: Compare,
): boolean => {
  const [first, second] = side === 'before' ? [own, anchor] : [anchor, own];
  if (compare(first, second) >= 0) return false;
  for (const other of others) if (compare(first, other) < 0 && compare(other, second) < 0) return false;
  return true;
};

/** The places beside the same task, also of those that run: they may wait again. */
const othersBeside = (task: OpenTask, anchor: Place, { book, placeOf }: Order): readonly Place[] => {
  const beside: Place[] = [];
  for (const other of book.open.values()) {
    if (other === task || (other.moved === null && other.seq !== anchor.seq)) continue;
    const place = placeOf(other);
    if (areBeside(place, anchor)) beside.push(place);
  }
  return beside;
};

/** Closer to it than everything that is there; null where no place is left. */
const placeBeside = (anchor: Place, side: Side, beside: readonly Place[]): Place | null => {
  const sign = side === 'before' ? -1 : 1;
  const next = beside
    .map(({ nth }) => nth)
    .filter((nth) => sign * compareNth(nth, anchor.nth) > 0)
    .reduce<readonly number[] | null>(
      (best, nth) => (best === null || sign * compareNth(nth, best) < 0 ? nth : best),
      null,
    );
  const nth = side === 'before' ? nthBetween(next, anchor.nth) : nthBetween(anchor.nth, next);
  return nth === null ? null : { ...anchor, nth };
};
