import type { StepId, TaskId } from '../ids.js';
import { ReadyQueue } from '../policy/ready-queue.js';
import { msOf } from '../time.js';
import { awaitedTasks, needsMet } from './needs.js';
import type { TaskBook } from './task-book.js';
import { needsDone, type OpenTask, type Step } from './task.js';

/**
 * What follows from the book and is asked at every decision: which steps are ready, which wait for a time, which tasks wait
 * for a task. It holds no fact of its own; `rebuild` makes the same from the book alone.
 */
export class TaskIndex {
  readonly ready = new ReadyQueue();
  readonly #book: TaskBook;
  readonly #dependents = new Map<TaskId, Set<TaskId>>();
  /** Steps under way to a lease: neither ready nor dispatched yet. */
  readonly #held = new Set<string>();
  readonly #delayed = new Map<string, { readonly taskId: TaskId; readonly atMs: number }>();
  readonly #known = new Map<TaskId, readonly StepId[]>();

  constructor(book: TaskBook) {
    this.#book = book;
  }

  rebuild(nowMs: number): void {
    for (const taskId of this.#book.open.keys()) this.refresh(taskId, nowMs);
  }

  /** Call after each event of the task. */
  refresh(taskId: TaskId, nowMs: number): void {
    const task = this.#book.open.get(taskId);
    if (task === undefined) return this.#forget(taskId, nowMs);
    if (!this.#known.has(taskId)) this.#learn(task);
    const blocked = task.ending !== null || !needsMet(task, this.#book.closed);
    for (const step of task.steps) this.#place(task, step, blocked, nowMs);
  }

  /** A lease is being asked for: not to be planned again until `release`. */
  hold(taskId: TaskId, stepId: StepId): void {
    this.#held.add(`${taskId}/${stepId}`);
    this.ready.remove(taskId, stepId);
  }

  release(taskId: TaskId, stepId: StepId, nowMs: number): void {
    this.#held.delete(`${taskId}/${stepId}`);
    this.refresh(taskId, nowMs);
  }

  /** Tasks that waited for this one, which will never complete. They are told once; one that goes on is refreshed then. */
  takeDependents(taskId: TaskId): readonly TaskId[] {
    const waiting = [...(this.#dependents.get(taskId) ?? [])];
    this.#dependents.delete(taskId);
    return waiting;
  }

  /** Makes steps ready whose time has come. */
  wake(nowMs: number): void {
    for (const [key, { taskId, atMs }] of this.#delayed) {
      if (atMs > nowMs) continue;
      this.#delayed.delete(key);
      this.refresh(taskId, nowMs);
    }
  }

  /** When the next delayed step becomes ready; null when none is delayed. */
  nextWakeMs(): number | null {
    let next: number | null = null;
    for (const { atMs } of this.#delayed.values()) if (next === null || atMs < next) next = atMs;
    return next;
  }

  #learn(task: OpenTask): void {
    this.#known.set(
      task.id,
      task.steps.map(({ spec }) => spec.id),
    );
    for (const dependency of awaitedTasks(task)) {
      if (this.#book.closed.has(dependency)) continue;
      const waiting = this.#dependents.get(dependency);
      if (waiting) waiting.add(task.id);
      else this.#dependents.set(dependency, new Set([task.id]));
    }
  }

  /** A closed task leaves no step behind, and may have been what others waited for. */
  #forget(taskId: TaskId, nowMs: number): void {
    for (const stepId of this.#known.get(taskId) ?? []) {
      this.ready.remove(taskId, stepId);
      this.#delayed.delete(`${taskId}/${stepId}`);
    }
    this.#known.delete(taskId);
    const waiting = this.#dependents.get(taskId);
    if (waiting === undefined || this.#book.closed.get(taskId) !== 'completed') return;
    this.#dependents.delete(taskId);
    for (const dependent of waiting) this.refresh(dependent, nowMs);
  }

  #place(task: OpenTask, { spec, progress }: Step, blocked: boolean, nowMs: number): void {
    const key = `${task.id}/${spec.id}`;
    const waits =
      blocked || progress.status !== 'pending' || this.#held.has(key) || !needsDone(task, spec.needs);
    if (waits) {
      this.ready.remove(task.id, spec.id);
      return;
    }
    const notBeforeMs = progress.notBefore === null ? 0 : msOf(progress.notBefore);
    if (notBeforeMs > nowMs) {
      this.#delayed.set(key, { taskId: task.id, atMs: notBeforeMs });
      return;
    }
    this.ready.put({
      taskId: task.id,
      stepId: spec.id,
      attempt: progress.attempts + 1,
      priority: task.priority,
      seq: task.seq,
      submittedAtMs: msOf(task.submittedAt),
      requirement: spec.requirement,
    });
  }
}
