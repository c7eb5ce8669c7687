import type { StepId, TaskId } from '../ids.js';
import { needOf, type Need, type Requirement } from '../task/requirement.js';
import { itemsLeft } from '../task/items.js';
import { type OpenTask } from '../task/task.js';
import { isKept, type Progress } from '../task/progress.js';
import { msOf } from '../time.js';
import type { Costs } from './costs.js';
import { Overtaking } from './overtaking.js';
import type { Line } from './place.js';
import { allowanceMs, type PolicySettings } from './settings.js';

/** By when a step starts at the latest, and of what that is made. */
export type WaitBound = {
  readonly startByMs: number;
  readonly readyAtMs: number;
  /** For how long in all later work may be put before it. */
  readonly allowanceMs: number;
  /** Work that was ahead of it when it became ready, had one server to do all of it. */
  readonly aheadMs: number;
  /** The longest that any attempt of what is ahead was expected to take, and the longest swap of models. */
  readonly attemptMs: number;
  readonly swapMs: number;
};

/** The step that wants a promise. What its own task is in the line already is not ahead of it. */
type Asking = {
  readonly taskId: TaskId;
  readonly requirement: Requirement;
  readonly priority: number;
  readonly readyAtMs: number;
};

type Pool = {
  readonly overtaking: Overtaking;
  /** How many steps of open tasks there are, by what they need. */
  readonly wanted: Map<string, { readonly need: Need; count: number }>;
};

/** Decisions fall at most a quarter of a second apart, and a lease takes its way over the broker. */
const ROUNDING_MS = 1_000;

/**
 * The promise that every ready step is given, and who is closest to its end.
 *
 * Let a step become ready with the work A ahead of it (each unfinished step submitted before it, at the most that it takes, shared by
 * the slots of a server). It is told to start within `allowance + A + S`, where S is one swap, one drain and one incomplete round for each
 * kind of work ahead. That holds: while its allowance lasts it may be overtaken; then only what was submitted before it starts where it
 * could run, each model at most once, and whatever of A has been done by then was taken off what is left.
 * It presumes that no attempt takes longer than the longest expected, that none is repeated, and that servers stay.
 */
export class WaitBounds {
  readonly #costs: Costs;
  readonly #pools: Readonly<Record<Need['kind'], Pool>> = {
    cpu: { overtaking: new Overtaking(), wanted: new Map() },
    model: { overtaking: new Overtaking(), wanted: new Map() },
  };
  /** By step of open tasks, in the order of their steps; null for a step that is kept, or waits, and never runs. */
  readonly #needs = new Map<TaskId, readonly (Need | null)[]>();
  readonly #bounds = new Map<TaskId, Map<StepId, WaitBound>>();
  /** Of those that gave their place in the line up: the one that they have now. */
  readonly #lines = new Map<TaskId, Line>();

  constructor(costs: Costs) {
    this.#costs = costs;
  }

  /** What a step would be promised if it became ready now, behind all that is there. */
  promise({ requirement, priority, readyAtMs, taskId }: Asking, policy: PolicySettings): WaitBound {
    const need = needOf(requirement);
    const { overtaking } = this.#pools[need.kind];
    const aheadMs = overtaking.workMs - overtaking.workOfMs(taskId);
    return this.#bound(need, allowanceMs(policy, priority), readyAtMs, aheadMs);
  }

  /** Takes over how a task is; `waiting` are its steps that could run now. */
  track(task: OpenTask, waiting: ReadonlySet<StepId>, nowMs: number, policy: PolicySettings): void {
    // One that starts later takes its place in the line when its time has come.
    if (task.runAt !== null && waiting.size === 0 && !this.#needs.has(task.id)) return;
    this.#stand(task, waiting, nowMs, policy);
  }

  /** A task takes its place in the line, behind all that have theirs. */
  lineUp(task: OpenTask, nowMs: number, policy: PolicySettings): void {
    this.#stand(task, new Set(), nowMs, policy);
  }

  #stand(task: OpenTask, waiting: ReadonlySet<StepId>, nowMs: number, policy: PolicySettings): void {
    if (task.line !== null && this.#lines.get(task.id) !== task.line) this.#queueAgain(task.id, task.line);
    const needs = this.#needs.get(task.id) ?? this.#learn(task);
    for (const kind of ['cpu', 'model'] as const) {
      let [workMs, latestMs, isInvolved] = [0, Infinity, false];
      for (const [place, need] of needs.entries()) {
        const step = task.steps[place];
        if (need?.kind !== kind || step === undefined) continue;
        isInvolved = true;
        workMs += this.#costs.workMs(need) * unfinishedOf(step.progress);
        if (waiting.has(step.spec.id))
          latestMs = Math.min(latestMs, latestOf(this.#boundFor(task, step.spec.id, need, nowMs, policy)));
      }
      if (isInvolved) this.#pools[kind].overtaking.put(task.id, workMs, latestMs);
    }
  }

  forget(taskId: TaskId): void {
    this.#pools.cpu.overtaking.remove(taskId);
    this.#pools.model.overtaking.remove(taskId);
    this.#bounds.delete(taskId);
    this.#lines.delete(taskId);
    for (const need of this.#needs.get(taskId) ?? []) {
      if (need === null) continue;
      const { key, kind } = need;
      const { wanted } = this.#pools[kind];
      const known = wanted.get(key);
      if (known !== undefined) known.count -= 1;
      if (known?.count === 0) wanted.delete(key);
    }
    this.#needs.delete(taskId);
  }

  boundOf(taskId: TaskId, stepId: StepId): WaitBound | undefined {
    return this.#bounds.get(taskId)?.get(stepId);
  }

  /** For how much longer later work may be put before a step; Infinity where it waits for something else than a slot. */
  leftMs(taskId: TaskId, stepId: StepId, kind: Need['kind'], nowMs: number): number {
    const bound = this.boundOf(taskId, stepId);
    return bound ? latestOf(bound) - nowMs - this.workAheadMs(taskId, kind) : Infinity;
  }

  /** Work of all that stand in line before this task; all there is for one that is not known. */
  workAheadMs(taskId: TaskId, kind: Need['kind']): number {
    return this.#pools[kind].overtaking.workAheadMs(taskId);
  }

  /** The task that has been overtaken for as long as it may; null while none has. */
  overtaken(kind: Need['kind'], nowMs: number): TaskId | null {
    const most = this.#pools[kind].overtaking.most();
    return most && most.latestMs <= nowMs ? most.owner : null;
  }

  /** Behind all that are there, as one that comes now; what it was promised is void. */
  #queueAgain(taskId: TaskId, line: Line): void {
    this.#lines.set(taskId, line);
    this.#pools.cpu.overtaking.remove(taskId);
    this.#pools.model.overtaking.remove(taskId);
    this.#bounds.delete(taskId);
  }

  #boundFor(task: OpenTask, stepId: StepId, need: Need, nowMs: number, policy: PolicySettings): WaitBound {
    let bounds = this.#bounds.get(task.id);
    if (bounds === undefined) {
      bounds = new Map();
      this.#bounds.set(task.id, bounds);
    }
    const known = bounds.get(stepId);
    if (known) return known;
    const bound = promisedOf(task) ?? this.#boundNow(task, need, nowMs, policy);
    bounds.set(stepId, bound);
    return bound;
  }

  #boundNow(task: OpenTask, need: Need, nowMs: number, policy: PolicySettings): WaitBound {
    const aheadMs = this.workAheadMs(task.id, need.kind);
    return this.#bound(need, allowanceMs(policy, task.priority), nowMs, aheadMs);
  }

  #bound(need: Need, allowed: number, readyAtMs: number, aheadMs: number): WaitBound {
    const { wanted } = this.#pools[need.kind];
    const isNew = !wanted.has(need.key);
    const kinds = wanted.size + (isNew ? 1 : 0);
    let attemptMs = this.#costs.longestMs(need);
    let swapMs = this.#costs.swapMs(need);
    let roundsMs = isNew ? attemptMs + swapMs : 0;
    for (const { need: other } of wanted.values()) {
      const [longestMs, otherSwapMs] = [this.#costs.longestMs(other), this.#costs.swapMs(other)];
      roundsMs += longestMs + otherSwapMs;
      attemptMs = Math.max(attemptMs, longestMs);
      swapMs = Math.max(swapMs, otherSwapMs);
    }
    const aroundMs = roundsMs + kinds * attemptMs + swapMs + ROUNDING_MS;
    return {
      startByMs: readyAtMs + allowed + aheadMs + aroundMs,
      readyAtMs,
      allowanceMs: allowed,
      aheadMs,
      attemptMs,
      swapMs,
    };
  }

  #learn(task: OpenTask): readonly (Need | null)[] {
    // Items that are open count in their step, whenever the task is learned of.
    const needs = task.steps
      .filter(({ item }) => item === undefined)
      .map(({ spec, progress }) =>
        isKept(progress) || spec.waits !== undefined ? null : needOf(spec.requirement),
      );
    this.#needs.set(task.id, needs);
    for (const need of needs) {
      if (need === null) continue;
      const { wanted } = this.#pools[need.kind];
      const known = wanted.get(need.key);
      if (known) known.count += 1;
      else wanted.set(need.key, { need, count: 1 });
    }
    return needs;
  }
}

/** Attempts that a step needs at least. All items count from when their number is known, so that whoever comes then is promised what is true. */
const unfinishedOf = (progress: Progress): number => {
  if (progress.status === 'each') return itemsLeft(progress);
  return progress.status === 'pending' || progress.status === 'active' ? 1 : 0;
};

const latestOf = ({ readyAtMs, allowanceMs: allowed, aheadMs }: WaitBound): number =>
  readyAtMs + allowed + aheadMs;

/** What the log says was promised at the submission, or when it was moved, as long as nothing of the task has started. */
const promisedOf = ({ promise, steps, submittedAt, line }: OpenTask): WaitBound | null => {
  const isFirst = steps.every(
    ({ progress }) =>
      isKept(progress) ||
      progress.status === 'skipped' ||
      (progress.status === 'pending' && progress.attempts === 0),
  );
  if (promise === null || !isFirst) return null;
  const { startBy, ...told } = promise;
  return { ...told, startByMs: msOf(startBy), readyAtMs: line?.sinceMs ?? msOf(submittedAt) };
};
