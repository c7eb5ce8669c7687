import type { TaskId } from '../ids.js';
import type { OpenTask } from './task.js';
import { Timetable } from './timetable.js';
import { ToldOnce } from './told-once.js';
import { waitingDueMs, waitingSteps } from './waiting.js';

/** Which tasks have a step that is to begin to wait, a child that is to be decided about, one that waits, and when there is something to decide about those. */
export class WaitingIndex {
  /** Tasks with a step whose turn it is to begin to wait. */
  readonly toBegin = new ToldOnce();
  /** Tasks with a child that has ended, or is to be stopped. */
  readonly children = new ToldOnce();
  /** Tasks with a step that waits, those included that only an answer can end. */
  readonly tasks = new Set<TaskId>();
  readonly #due = new Timetable<TaskId>();

  track(task: OpenTask): void {
    if (isToDecide(task)) this.children.add(task.id);
    const waiting = task.ending ? [] : waitingSteps(task);
    if (waiting.length === 0) return this.#rest(task.id);
    this.tasks.add(task.id);
    const dueMs = Math.min(...waiting.map(({ progress }) => waitingDueMs(progress)));
    if (dueMs === Infinity) this.#due.delete(task.id);
    else this.#due.set(task.id, dueMs);
  }

  forget(taskId: TaskId): void {
    this.toBegin.delete(taskId);
    this.children.delete(taskId);
    this.#rest(taskId);
  }

  /** Tasks of which something is due by now. They are told once. */
  takeDue(nowMs: number): readonly TaskId[] {
    return this.#due.takeDue(nowMs);
  }

  /** When the next one is due; null when none is. */
  nextAtMs(): number | null {
    return this.#due.nextAtMs();
  }

  #rest(taskId: TaskId): void {
    this.tasks.delete(taskId);
    this.#due.delete(taskId);
  }
}

/** A child has ended, and nothing has followed yet; or the task is ending, and what it waits for is to end too. */
const isToDecide = (task: OpenTask): boolean =>
  waitingSteps(task).some(
    ({ progress }) =>
      progress.waiting.kind === 'task' && (progress.ended !== undefined || task.ending !== null),
  );
