import type { StepId, TaskId, WorkspaceId } from '../ids.js';
import type { Costs } from '../policy/costs.js';
import { FirstPredictions } from '../policy/first-predictions.js';
import type { Place } from '../policy/place.js';
import { ReadyQueue } from '../policy/ready-queue.js';
import type { ReadyStep } from '../policy/ready-step.js';
import { WaitBounds } from '../policy/wait-bounds.js';
import { msOf } from '../time.js';
import { dueTimesOf } from './due-times.js';
import { InheritedPriorities } from './inherited-priorities.js';
import { KnownSteps } from './known-steps.js';
import { LookAhead } from './look-ahead.js';
import { needsMet } from './needs.js';
import { pauseOfGroup } from './pauses.js';
import { byTurn, expiresAtMs, plainPlaceOf, waitsFromMs } from './queue-time.js';
import type { TaskBook } from './task-book.js';
import { readyStepOf, type Held, type Placed } from './ready-step-of.js';
import type { Requirement } from './requirement.js';
import { RunningCharges } from './running-charges.js';
import { type OpenTask, type Step } from './task.js';
import { isUndecided, isUnexpanded, mayBegin } from './steps-over.js';
import { StepWorkers } from './step-workers.js';
import { TaskLinks } from './task-links.js';
import { urgencyOf, type Urgency } from './urgency.js';
import { ToldOnce } from './told-once.js';
import { isOfWaitingKind } from './waiting.js';
import { WaitingIndex } from './waiting-index.js';
import { Timetable } from './timetable.js';

/**
 * What follows from the book and is asked at every decision: which steps are ready, which wait for a time, which tasks wait
 * for a task. It holds no fact of its own; `rebuild` makes the same from the book alone.
 */
export class TaskIndex {
  readonly ready = new ReadyQueue();
  readonly #book: TaskBook;
  readonly #costs: Costs;
  readonly #links = new TaskLinks();
  /** Steps under way to a lease: neither ready nor dispatched yet. */
  readonly #held = new Set<string>();
  /** Tasks with a step of which it is to be decided now whether it runs. */
  readonly undecided = new ToldOnce();
  readonly waiting = new WaitingIndex();
  /** Tasks of which a step becomes ready, or urgent, or late, at a time. */
  readonly #turning = new Timetable<TaskId>();
  /** Tasks that fail when nothing of them has started by then, or of which the steps at the end have no more time then. */
  readonly #expiring = new Timetable<TaskId>();
  readonly #known = new KnownSteps();
  /** Refresh the tasks that a change of it names. */
  readonly workers = new StepWorkers();
  readonly #running = new RunningCharges();
  readonly #ahead: LookAhead;
  readonly #inherited = new InheritedPriorities();
  readonly bounds: WaitBounds;
  readonly predictions = new FirstPredictions();

  constructor(book: TaskBook, costs: Costs) {
    this.#book = book;
    this.#costs = costs;
    this.#ahead = new LookAhead(book, this.#links, costs);
    this.bounds = new WaitBounds(costs);
  }

  /** Tasks take their places in the line of promises as they come: in the order of the book, unless some have given theirs up. A child that is looked at with its parent would come before it. */
  rebuild(nowMs: number): void {
    const { open, policy } = this.#book;
    const tasks = [...open.values()];
    if (tasks.some(({ line, parent }) => line !== null || parent))
      for (const task of tasks.toSorted(byTurn))
        if (waitsFromMs(task) <= nowMs) this.bounds.lineUp(task, nowMs, policy);
    for (const taskId of open.keys()) this.refresh(taskId, nowMs);
  }

  /** Its place in the queue: the one that it was given, or that of its age and the priority that counts. */
  placeOf(task: OpenTask): Place {
    return task.moved?.place ?? plainPlaceOf(task, this.#inherited.of(task));
  }

  /** Call after each event of the task. */
  refresh(taskId: TaskId, nowMs: number): void {
    const task = this.#book.open.get(taskId);
    if (task === undefined) return this.#forget(taskId, nowMs);
    if (!this.#known.has(taskId)) this.#learn(task, nowMs);
    for (const stepId of this.#known.renew(task)) {
      this.#remove(taskId, stepId);
      this.workers.forgetStep(taskId, stepId);
    }
    for (const changed of this.#inherited.handOn(task, this.#book.open)) this.refresh(changed, nowMs);
    this.#expiring.put(taskId, expiresAtMs(task));
    const waits = task.ending !== null || !needsMet(task, this.#book.closed);
    const isPaused = pauseOfGroup(task, this.#book.pauses) !== undefined;
    const waiting = new Set<StepId>();
    let nextMs = Infinity;
    for (const step of task.steps) {
      const { isReady, againAtMs } = this.#place(task, step, { waits, isPaused }, nowMs);
      if (isReady) waiting.add(step.spec.id);
      nextMs = Math.min(nextMs, againAtMs);
    }
    this.#turning.put(taskId, nextMs === Infinity ? null : nextMs);
    this.bounds.track(task, waiting, nowMs, this.#book.policy);
    this.#running.track(task, this.#costs, this.#book.policy);
    this.#ahead.track(task);
    this.waiting.track(task);
    // By when they have to be done hangs on what is left of their parent.
    for (const child of this.#links.urgentWith(taskId)) this.refresh(child, nowMs);
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
    return this.#links.takeDependents(taskId);
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
    const times = [this.#turning, this.waiting, this.#expiring].flatMap((one) => one.nextAtMs() ?? []);
    return times.length === 0 ? null : Math.min(...times);
  }

  /** Service of each workspace, what runs now included at what it usually takes. */
  servedMs(): ReadonlyMap<WorkspaceId, number> {
    const served = new Map<WorkspaceId, number>();
    for (const [workspace, { servedMs }] of this.#book.services)
      served.set(workspace, servedMs + this.#running.ofWorkspace(workspace));
    return served;
  }

  /** Whether there is anything to decide about: what is ready, or may be when what runs has ended. */
  get isIdle(): boolean {
    return this.ready.size === 0 && !this.#ahead.isAnythingRunning;
  }

  /** For each model for which work is ready within the time that its load takes, by `profileKey`, the step that is ready first. */
  soon(nowMs: number): ReadonlyMap<string, ReadyStep> {
    const steps = new Map<string, ReadyStep>();
    for (const [key, { task, step }] of this.#ahead.coming(nowMs))
      steps.set(key, readyStepOf(task, step, { priority: this.#inherited.of(task), urgentByMs: null }));
    return steps;
  }

  /** The step that has been overtaken for as long as it may, of those that need a slot of this kind. */
  overtaken(kind: Requirement['kind'], nowMs: number): ReadyStep | null {
    const taskId = this.bounds.overtaken(kind, nowMs);
    for (const stepId of taskId === null ? [] : this.#known.of(taskId)) {
      const step = taskId === null ? undefined : this.ready.find(taskId, stepId);
      if (step?.requirement.kind === kind) return step;
    }
    return null;
  }

  #learn(task: OpenTask, nowMs: number): void {
    this.#links.learn(task, this.#book.closed);
    this.#refreshAwaited(task.id, nowMs);
  }

  /** By when a task has to be done changes by when those have to be that it waits for. */
  #refreshAwaited(taskId: TaskId, nowMs: number): void {
    if (!this.#links.haveDeadlines) return;
    for (const id of this.#links.awaitedBy(taskId)) if (this.#book.open.has(id)) this.refresh(id, nowMs);
  }

  /** A closed task leaves no step behind, and may have been what others waited for. */
  #forget(taskId: TaskId, nowMs: number): void {
    for (const stepId of this.#known.of(taskId)) this.#remove(taskId, stepId);
    this.#turning.delete(taskId);
    this.#expiring.delete(taskId);
    this.undecided.delete(taskId);
    this.waiting.forget(taskId);
    this.bounds.forget(taskId);
    this.#running.forget(taskId);
    this.#ahead.forget(taskId);
    this.workers.forget(taskId, this.#known.of(taskId));
    this.#known.forget(taskId);
    for (const changed of this.#inherited.forget(taskId, this.#book.open)) this.refresh(changed, nowMs);
    this.#refreshAwaited(taskId, nowMs);
    this.#links.forget(taskId);
    if (this.#book.closed.get(taskId) !== 'completed') return;
    for (const dependent of this.#links.takeDependents(taskId)) this.refresh(dependent, nowMs);
  }

  #urgencyOf(task: OpenTask, nowMs: number): Urgency {
    const { open, policy } = this.#book;
    const costs = this.#costs;
    return urgencyOf(task, dueTimesOf(task, { open, links: this.#links }, costs), { nowMs, costs, policy });
  }

  #place(task: OpenTask, step: Step, held: Held, nowMs: number): Placed {
    const { spec, progress } = step;
    const key = `${task.id}/${spec.id}`;
    const toDecide = isUndecided(step) || isUnexpanded(step);
    const waits =
      held.waits ||
      // Nothing starts by a decision whether it is to run.
      (held.isPaused && !toDecide) ||
      progress.status !== 'pending' ||
      this.#held.has(key) ||
      !mayBegin(task, step);
    if (waits) {
      if (this.#held.has(key)) this.ready.remove(task.id, spec.id);
      else this.#remove(task.id, spec.id);
      return { isReady: false, againAtMs: Infinity };
    }
    const dueMs = Math.max(
      progress.notBefore === null ? 0 : msOf(progress.notBefore),
      task.runAt === null ? 0 : waitsFromMs(task),
    );
    const notBeforeMs = dueMs > nowMs ? dueMs : this.workers.heldUntilMs(task.id, spec, nowMs);
    if (notBeforeMs > nowMs) {
      this.#remove(task.id, spec.id);
      return { isReady: false, againAtMs: notBeforeMs };
    }
    if (toDecide || isOfWaitingKind(step)) {
      (toDecide ? this.undecided : this.waiting.toBegin).add(task.id);
      return { isReady: false, againAtMs: Infinity };
    }
    const { urgentByMs, againAtMs } = this.#urgencyOf(task, nowMs);
    this.ready.put(readyStepOf(task, step, { priority: this.#inherited.of(task), urgentByMs }));
    this.predictions.expect(task.id, spec.id);
    return { isReady: true, againAtMs };
  }

  #remove(taskId: TaskId, stepId: StepId): void {
    this.ready.remove(taskId, stepId);
    this.predictions.forget(taskId, stepId);
  }
}
