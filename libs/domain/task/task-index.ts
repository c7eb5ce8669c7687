import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import type { Costs } from '../policy/costs.js';
import { FirstPredictions } from '../policy/first-predictions.js';
import { ReadyQueue } from '../policy/ready-queue.js';
import type { ReadyStep } from '../policy/ready-step.js';
import { WaitBounds } from '../policy/wait-bounds.js';
import { msOf } from '../time.js';
import { InheritedPriorities } from './inherited-priorities.js';
import { awaitedTasks, needsMet } from './needs.js';
import { pauseOfGroup } from './pauses.js';
import { expiresAtMs, waitsFromMs } from './queue-time.js';
import type { TaskBook } from './task-book.js';
import type { Requirement } from './requirement.js';
import { RunningCharges } from './running-charges.js';
import { needsDone, type OpenTask, type Step } from './task.js';
import { urgencyOf } from './urgency.js';
import { Timetable } from './timetable.js';

/**
 * What follows from the book and is asked at every decision: which steps are ready, which wait for a time, which tasks wait
 * for a task. It holds no fact of its own; `rebuild` makes the same from the book alone.
 */
export class TaskIndex {
  readonly ready = new ReadyQueue();
  readonly #book: TaskBook;
  readonly #costs: Costs;
  readonly #dependents = new Map<TaskId, Set<TaskId>>();
  /** Steps under way to a lease: neither ready nor dispatched yet. */
  readonly #held = new Set<string>();
  /** Tasks of which a step becomes ready, or urgent, or late, at a time. */
  readonly #turning = new Timetable<TaskId>();
  /** Tasks that fail when nothing of them has started by then. */
  readonly #expiring = new Timetable<TaskId>();
  readonly #known = new Map<TaskId, readonly StepId[]>();
  readonly #running = new RunningCharges();
  readonly #inherited = new InheritedPriorities();
  readonly bounds: WaitBounds;
  readonly predictions = new FirstPredictions();

  constructor(book: TaskBook, costs: Costs) {
    this.#book = book;
    this.#costs = costs;
    this.bounds = new WaitBounds(costs);
  }

  rebuild(nowMs: number): void {
    for (const taskId of this.#book.open.keys()) this.refresh(taskId, nowMs);
  }

  /** Call after each event of the task. */
  refresh(taskId: TaskId, nowMs: number): void {
    const task = this.#book.open.get(taskId);
    if (task === undefined) return this.#forget(taskId, nowMs);
    if (!this.#known.has(taskId)) this.#learn(task);
    for (const changed of this.#inherited.handOn(task, this.#book.open)) this.refresh(changed, nowMs);
    const expiryMs = expiresAtMs(task);
    if (expiryMs === null) this.#expiring.delete(taskId);
    else this.#expiring.set(taskId, expiryMs);
    const blocked =
      task.ending !== null ||
      !needsMet(task, this.#book.closed) ||
      pauseOfGroup(task, this.#book.pauses) !== undefined;
    const waiting = new Set<StepId>();
    let nextMs = Infinity;
    for (const step of task.steps) {
      const { isReady, againAtMs } = this.#place(task, step, blocked, nowMs);
      if (isReady) waiting.add(step.spec.id);
      nextMs = Math.min(nextMs, againAtMs);
    }
    if (nextMs === Infinity) this.#turning.delete(taskId);
    else this.#turning.set(taskId, nextMs);
    this.bounds.track(task, waiting, nowMs, this.#book.policy);
    this.#running.track(task, this.#costs, this.#book.policy);
  }

  /** A lease is being asked for: not to be planned again until `release`. */
  hold(taskId: TaskId, stepId: StepId, nowMs: number): void {
    this.#held.add(`${taskId}/${stepId}`);
    this.refresh(taskId, nowMs);
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

  /** Makes steps ready whose time has come, and those urgent whose deadline is near. */
  wake(nowMs: number): void {
    for (const taskId of this.#turning.takeDue(nowMs)) this.refresh(taskId, nowMs);
  }

  /** Tasks whose time in the queue is over. They are told once. */
  takeExpired(nowMs: number): readonly TaskId[] {
    return this.#expiring.takeDue(nowMs);
  }

  /** When the next one is due; null when none is. */
  nextWakeMs(): number | null {
    return this.#turning.nextAtMs();
  }

  /** Service of each workspace, what runs now included at what it usually takes. */
  servedMs(): ReadonlyMap<WorkspaceId, number> {
    const served = new Map<WorkspaceId, number>();
    for (const [workspace, { servedMs }] of this.#book.services)
      served.set(workspace, servedMs + this.#running.ofWorkspace(workspace));
    return served;
  }

  /** The step that has been overtaken for as long as it may, of those that need a slot of this kind. */
  overtaken(kind: Requirement['kind'], nowMs: number): ReadyStep | null {
    const taskId = this.bounds.overtaken(kind, nowMs);
    for (const stepId of taskId === null ? [] : (this.#known.get(taskId) ?? [])) {
      const step = taskId === null ? undefined : this.ready.find(taskId, stepId);
      if (step?.requirement.kind === kind) return step;
    }
    return null;
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
    for (const stepId of this.#known.get(taskId) ?? []) this.#remove(taskId, stepId);
    this.#turning.delete(taskId);
    this.#expiring.delete(taskId);
    this.bounds.forget(taskId);
    this.#running.forget(taskId);
    this.#known.delete(taskId);
    for (const changed of this.#inherited.forget(taskId, this.#book.open)) this.refresh(changed, nowMs);
    const waiting = this.#dependents.get(taskId);
    if (waiting === undefined || this.#book.closed.get(taskId) !== 'completed') return;
    this.#dependents.delete(taskId);
    for (const dependent of waiting) this.refresh(dependent, nowMs);
  }

  #place(task: OpenTask, { spec, progress }: Step, blocked: boolean, nowMs: number): Placed {
    const key = `${task.id}/${spec.id}`;
    const waits =
      blocked || progress.status !== 'pending' || this.#held.has(key) || !needsDone(task, spec.needs);
    if (waits) {
      if (this.#held.has(key)) this.ready.remove(task.id, spec.id);
      else this.#remove(task.id, spec.id);
      return { isReady: false, againAtMs: Infinity };
    }
    const fromMs = waitsFromMs(task);
    const notBeforeMs = Math.max(
      progress.notBefore === null ? 0 : msOf(progress.notBefore),
      task.runAt === null ? 0 : fromMs,
    );
    if (notBeforeMs > nowMs) {
      this.#remove(task.id, spec.id);
      return { isReady: false, againAtMs: notBeforeMs };
    }
    const { urgentByMs, againAtMs } = urgencyOf(task, nowMs, this.#costs, this.#book.policy);
    this.ready.put({
      taskId: task.id,
      stepId: spec.id,
      attempt: progress.attempts + 1,
      workspace: task.workspace,
      priority: this.#inherited.of(task),
      seq: task.seq,
      submittedAtMs: fromMs,
      urgentByMs,
      requirement: spec.requirement,
    });
    this.predictions.expect(task.id, spec.id);
    return { isReady: true, againAtMs };
  }

  #remove(taskId: TaskId, stepId: StepId): void {
    this.ready.remove(taskId, stepId);
    this.predictions.forget(taskId, stepId);
  }
}

/** Whether a step could run now, and when to look at it again. */
type Placed = { readonly isReady: boolean; readonly againAtMs: number };
