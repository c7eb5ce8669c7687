import type { StepId, TaskId } from '../ids.js';
import { ReadyQueue } from '../policy/ready-queue.js';
import { msOf } from '../time.js';
import { pauseOfGroup } from './pauses.js';
import { expiresAtMs, waitsFromMs } from './queue-time.js';
import type { TaskBook } from './task-book.js';
import { needsDone, type OpenTask, type Step } from './task.js';
import { Timetable } from './timetable.js';

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
  /** Steps that are not to be tried before a time, as tasks that have to be looked at then. */
  readonly #delayed = new Timetable<TaskId>();
  /** Tasks that fail when nothing of them has started by then. */
  readonly #expiring = new Timetable<TaskId>();
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
    const expiryMs = expiresAtMs(task);
    if (expiryMs === null) this.#expiring.delete(taskId);
    else this.#expiring.set(taskId, expiryMs);
    const blocked =
      task.ending !== null ||
      !this.#dependenciesDone(task) ||
      pauseOfGroup(task, this.#book.pauses) !== undefined;
    let nextMs = Number.POSITIVE_INFINITY;
    for (const step of task.steps) nextMs = Math.min(nextMs, this.#place(task, step, blocked, nowMs));
    if (Number.isFinite(nextMs)) this.#delayed.set(taskId, nextMs);
    else this.#delayed.delete(taskId);
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

  /** Tasks that waited for this one, which will never complete. They are told once. */
  takeDependents(taskId: TaskId): readonly TaskId[] {
    const waiting = [...(this.#dependents.get(taskId) ?? [])];
    this.#dependents.delete(taskId);
    return waiting;
  }

  /** Makes steps ready whose time has come. */
  wake(nowMs: number): void {
    for (const taskId of this.#delayed.takeDue(nowMs)) this.refresh(taskId, nowMs);
  }

  /** Tasks whose time in the queue is over. They are told once. */
  takeExpired(nowMs: number): readonly TaskId[] {
    return this.#expiring.takeDue(nowMs);
  }

  #learn(task: OpenTask): void {
    this.#known.set(
      task.id,
      task.steps.map(({ spec }) => spec.id),
    );
    for (const dependency of task.dependsOn) {
      if (this.#book.closed.has(dependency)) continue;
      const waiting = this.#dependents.get(dependency);
      if (waiting) waiting.add(task.id);
      else this.#dependents.set(dependency, new Set([task.id]));
    }
  }

  /** A closed task leaves no step behind, and may have been what others waited for. */
  #forget(taskId: TaskId, nowMs: number): void {
    for (const stepId of this.#known.get(taskId) ?? []) this.ready.remove(taskId, stepId);
    this.#delayed.delete(taskId);
    this.#expiring.delete(taskId);
    this.#known.delete(taskId);
    const waiting = this.#dependents.get(taskId);
    if (waiting === undefined || this.#book.closed.get(taskId) !== 'completed') return;
    this.#dependents.delete(taskId);
    for (const dependent of waiting) this.refresh(dependent, nowMs);
  }

  #dependenciesDone(task: OpenTask): boolean {
    return task.dependsOn.every((id) => this.#book.closed.get(id) === 'completed');
  }

  /** When the step has to be looked at again; never by itself where it is ready or waits for something else than a time. */
  #place(task: OpenTask, { spec, progress }: Step, blocked: boolean, nowMs: number): number {
    const key = `${task.id}/${spec.id}`;
    const waits =
      blocked || progress.status !== 'pending' || this.#held.has(key) || !needsDone(task, spec.needs);
    if (waits) {
      this.ready.remove(task.id, spec.id);
      return NEVER_MS;
    }
    const fromMs = waitsFromMs(task);
    const notBeforeMs = Math.max(
      progress.notBefore === null ? 0 : msOf(progress.notBefore),
      task.runAt === null ? 0 : fromMs,
    );
    if (notBeforeMs > nowMs) {
      this.ready.remove(task.id, spec.id);
      return notBeforeMs;
    }
    this.ready.put({
      taskId: task.id,
      stepId: spec.id,
      attempt: progress.attempts + 1,
      priority: task.priority,
      seq: task.seq,
      submittedAtMs: fromMs,
      requirement: spec.requirement,
    });
    return NEVER_MS;
  }
}

const NEVER_MS = Number.POSITIVE_INFINITY;
