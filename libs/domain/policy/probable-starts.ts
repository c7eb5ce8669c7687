import type { StepId, TaskId } from '../ids.js';
import { unmetNeeds } from '../task/needs.js';
import { pauseOfTask } from '../task/pauses.js';
import { requirementKey } from '../task/requirement.js';
import type { TaskBook } from '../task/task-book.js';
import type { TaskIndex } from '../task/task-index.js';
import { hasTurn } from '../task/steps-over.js';
import type { OpenTask, Step } from '../task/task.js';
import { msOf } from '../time.js';
import { clamped } from './first-predictions.js';
import type { Forecast } from './forecast.js';
import type { Ranking } from './ordering.js';
import { meanMsOf } from './pace.js';
import type { ReadyStep } from './ready-step.js';
import { rankingOf, type Snapshot } from './snapshot.js';

/** When a step will probably start; or before when not, where others have to be done first. */
export type ProbableStart = { readonly kind: 'probably' | 'not-before'; readonly atMs: number };

/** Tasks that are followed from one to those that it waits for; what lies behind more cannot be told. */
const TASKS_MAX = 1_000;

/** The probable starts at one moment: of what is ready from the forecast, of what waits for others from when those will be done. */
export class ProbableStarts {
  readonly #book: TaskBook;
  readonly #index: TaskIndex;
  readonly #snapshot: Snapshot;
  readonly #forecast: Forecast;
  readonly #ranking: Ranking;
  /** When tasks will have ended; null while it is worked out, and where it cannot be told. */
  readonly #ends = new Map<TaskId, number | null>();

  constructor(moment: {
    readonly book: TaskBook;
    readonly index: TaskIndex;
    readonly snapshot: Snapshot;
    readonly forecast: Forecast;
  }) {
    this.#book = moment.book;
    this.#index = moment.index;
    this.#snapshot = moment.snapshot;
    this.#forecast = moment.forecast;
    this.#ranking = rankingOf(moment.snapshot);
  }

  ofReady(step: ReadyStep, place = this.#index.ready.aheadOfSame(step, this.#ranking)): number | null {
    const startMs = this.#forecast.startMs(requirementKey(step.requirement), place);
    if (startMs === null || this.#book.pauses.has('queue')) return null;
    const bound = this.#index.bounds.boundOf(step.taskId, step.stepId);
    return Math.round(clamped(startMs, this.#snapshot.nowMs, bound?.startByMs ?? Infinity));
  }

  /** Null where nothing can be said: the task is ending or paused, or no server can run it. */
  of(task: OpenTask, step: Step): ProbableStart | null {
    const { nowMs } = this.#snapshot;
    if (step.progress.status !== 'pending' || task.ending || pauseOfTask(task, this.#book.pauses))
      return null;
    if (!this.#index.workers.has(step.spec.stepType)) return null;
    const ready = this.#index.ready.find(task.id, step.spec.id);
    if (ready) {
      const atMs = this.ofReady(ready);
      return atMs === null ? null : { kind: 'probably', atMs };
    }
    const awaitedMs = this.#awaitedMs(task, step);
    if (awaitedMs === null) return null;
    const { notBefore } = step.progress;
    const timesMs = [task.runAt, notBefore].flatMap((time) => (time === null ? [] : msOf(time)));
    const atMs = Math.ceil(Math.max(nowMs, awaitedMs, ...timesMs));
    // One that waits for nothing has a slot, and its lease is on its way.
    return { kind: atMs > nowMs ? 'not-before' : 'probably', atMs };
  }

  /** When a task will probably have ended; null where that cannot be told. */
  endMs(taskId: TaskId): number | null {
    const endMs = this.#taskEndMs(taskId);
    return endMs === null ? null : Math.ceil(endMs);
  }

  /** When everything is done that the step waits for; now, where nothing is left. */
  #awaitedMs(task: OpenTask, step: Step): number | null {
    const { spec } = step;
    let latestMs: number | null = this.#snapshot.nowMs;
    for (const { taskId } of unmetNeeds(task, this.#book.closed))
      latestMs = later(latestMs, this.#taskEndMs(taskId));
    for (const needed of spec.needs) latestMs = later(latestMs, this.#stepEndMs(task, needed));
    if (hasTurn(task, step)) return latestMs;
    for (const other of task.steps)
      if (!other.spec.atEnd) latestMs = later(latestMs, this.#stepEndMs(task, other.spec.id));
    return latestMs;
  }

  #taskEndMs(taskId: TaskId): number | null {
    const known = this.#ends.get(taskId);
    if (known !== undefined) return known;
    const task = this.#book.open.get(taskId);
    if (task === undefined) return this.#snapshot.nowMs;
    if (this.#ends.size >= TASKS_MAX) return null;
    this.#ends.set(taskId, null);
    let endMs: number | null = this.#snapshot.nowMs;
    for (const { spec } of task.steps) endMs = later(endMs, this.#stepEndMs(task, spec.id));
    this.#ends.set(taskId, endMs);
    return endMs;
  }

  #stepEndMs(task: OpenTask, stepId: StepId): number | null {
    const { nowMs, paces } = this.#snapshot;
    const step = task.steps.find(({ spec }) => spec.id === stepId);
    if (step === undefined) return null;
    const tookMs = meanMsOf(paces.get(requirementKey(step.spec.requirement)));
    switch (step.progress.status) {
      case 'done':
      case 'skipped':
      case 'failed':
      case 'stopped':
        return nowMs;
      case 'active':
        return Math.max(nowMs, msOf(step.progress.at) + tookMs);
      // How many of its items run at once, and what comes between them, is not played forward.
      case 'each':
        return null;
      case 'waiting': {
        const { waiting } = step.progress;
        if (waiting.kind === 'task') return this.#taskEndMs(waiting.childTaskId);
        return waiting.kind === 'delay' ? Math.max(nowMs, msOf(waiting.until)) : null;
      }
      case 'pending': {
        // How long people take, or a time that is made of what is not there yet, cannot be told.
        if (step.spec.waits !== undefined) return null;
        const start = this.of(task, step);
        return start && start.atMs + tookMs;
      }
    }
  }
}

const later = (a: number | null, b: number | null): number | null =>
  a === null || b === null ? null : Math.max(a, b);
