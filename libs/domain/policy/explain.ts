import type { Failure } from '../errors.js';
import type { ServerId, StepId, TaskId } from '../ids.js';
import { unmetNeeds } from '../task/needs.js';
import { pauseOfTask, type Pause } from '../task/pauses.js';
import type { TaskBook } from '../task/task-book.js';
import type { TaskIndex } from '../task/task-index.js';
import { type OpenTask, type Step } from '../task/task.js';
import { hasTurn, mayBegin, needsDone, stepsBeforeEnd } from '../task/steps-over.js';
import type { ChildWaiting, WaitingKind } from '../task/waiting-events.js';
import type { WaitingProgress } from '../task/waiting-state.js';
import { msOf } from '../time.js';
import type { Forecast } from './forecast.js';
import { pauseOfServers } from './paused-servers.js';
import { ProbableStarts, type ProbableStart } from './probable-starts.js';
import { waitsIn, type ReadyWait } from './ready-wait.js';
import type { Snapshot } from './snapshot.js';
import { asksOf, type AnswerWait, type TimeWait } from './waiting-explanation.js';

/** A step of an open task at this moment, and if it waits, for what. */
export type StepExplanation = {
  readonly stepId: StepId;
  readonly model: string | null;
} & (
  | { readonly state: 'done' | 'skipped' }
  /** `begun`: false where its task came to its end before. */
  | { readonly state: 'stopped'; readonly begun: boolean }
  /** For good: the task goes on without it, or has come to its end by it (`ends`). */
  | { readonly state: 'failed'; readonly failure: Failure; readonly ends: boolean }
  /** Its items run; those that are open are steps of their own. */
  | {
      readonly state: 'each';
      readonly items: {
        readonly total: number;
        readonly completed: number;
        readonly failed: number;
        readonly open: number;
      };
    }
  | {
      readonly state: 'running';
      readonly attempt: number;
      readonly serverId: ServerId;
      readonly since: string;
    }
  | {
      readonly state: 'waiting';
      readonly wait: Wait;
      /** Absent where it waits for something else than a slot. */
      readonly bound?: StartBound;
      /** Absent where nothing can be said. */
      readonly start?: ProbableStart;
    }
);

/** By when a step starts at the latest, and for how much longer later work may be put before it; see `WaitBounds`. */
export type StartBound = { readonly startByMs: number; readonly mayBeOvertakenMs: number };

export type Wait =
  /** The task is to end as soon as its running attempts have stopped; nothing of it starts any more. */
  | { readonly kind: 'ending'; readonly how: 'cancelled' | 'failed' }
  /** Somebody holds back its task, or every server that it could run on. */
  | { readonly kind: 'paused'; readonly pause: Pause }
  /** Its task is not to run before. */
  | { readonly kind: 'run-at'; readonly atMs: number }
  /** `names` are those that the tasks have in the workflow, in the same order; empty for plain dependencies. */
  | { readonly kind: 'tasks'; readonly taskIds: readonly TaskId[]; readonly names: readonly string[] }
  /** It runs at the end of its task, and these have not ended. */
  | { readonly kind: 'end'; readonly stepIds: readonly StepId[] }
  /** `conditional`: whether it runs at all is decided then. */
  | { readonly kind: 'steps'; readonly stepIds: readonly StepId[]; readonly conditional?: true }
  /** The pause before the next attempt. */
  | { readonly kind: 'retry'; readonly attempt: number; readonly atMs: number }
  /** Nobody serves its type now. */
  | { readonly kind: 'worker'; readonly stepType: string }
  | TimeWait
  | AnswerWait
  /** Its child has not ended; `step` is what that does or waits for, where it has one that tells. */
  | {
      readonly kind: 'task';
      readonly taskId: TaskId;
      readonly template: string;
      readonly sinceMs: number;
      readonly untilMs: number | null;
      readonly endsAtMs: number | null;
      readonly step: StepExplanation | null;
    }
  /** It is about to wait, or to ask. */
  | { readonly kind: 'begin'; readonly of: WaitingKind }
  /** A slot was found and its lease is on its way. */
  | { readonly kind: 'lease' }
  | ReadyWait;

export type Moment = {
  readonly book: TaskBook;
  readonly index: TaskIndex;
  readonly snapshot: Snapshot;
  readonly forecast: Forecast;
};

/** Why each step of an open task is where it is, from the same functions by which the plan is made. */
export const explainTask = (task: OpenTask, moment: Moment): readonly StepExplanation[] => {
  const starts = new ProbableStarts(moment);
  return task.steps.map((step) => explainStep(task, step, moment, starts));
};

const explainStep = (task: OpenTask, step: Step, moment: Moment, starts: ProbableStarts): StepExplanation => {
  const { spec, progress } = step;
  const named = {
    stepId: spec.id,
    model: spec.requirement.kind === 'model' ? spec.requirement.profile.model : null,
  };
  switch (progress.status) {
    case 'done':
    case 'skipped':
      return { ...named, state: progress.status };
    case 'stopped':
      return { ...named, state: 'stopped', begun: progress.attempt > 0 };
    case 'failed':
      return { ...named, state: 'failed', failure: progress.failure, ends: hasEnded(task, spec.id) };
    case 'each': {
      const { total, completed, failed, opened } = progress;
      return {
        ...named,
        state: 'each',
        items: { total, completed, failed, open: opened - completed - failed },
      };
    }
    case 'active': {
      const { attempt, lease, at } = progress;
      return { ...named, state: 'running', attempt, serverId: lease.serverId, since: at };
    }
    case 'waiting':
      return {
        ...named,
        state: 'waiting',
        wait: task.ending ? { kind: 'ending', how: task.ending.kind } : waitingOf(progress, moment, starts),
      };
    case 'pending': {
      const start = starts.of(task, step);
      return {
        ...named,
        state: 'waiting',
        wait: waitOf(task, step, progress, moment),
        ...boundOf(task, step, moment),
        ...(start ? { start } : {}),
      };
    }
  }
};

const hasEnded = ({ finishing }: OpenTask, stepId: StepId): boolean =>
  finishing?.end.status === 'failed' && finishing.end.stepId === stepId;

const boundOf = (
  { id }: OpenTask,
  { spec }: Step,
  { index, snapshot }: Moment,
): { readonly bound?: StartBound } => {
  const known = index.bounds.boundOf(id, spec.id);
  if (known === undefined || index.ready.find(id, spec.id) === undefined) return {};
  const leftMs = index.bounds.leftMs(id, spec.id, spec.requirement.kind, snapshot.nowMs);
  return {
    bound: { startByMs: Math.ceil(known.startByMs), mayBeOvertakenMs: Math.max(0, Math.round(leftMs)) },
  };
};

type Pending = Extract<Step['progress'], { readonly status: 'pending' }>;

/** The first that applies, in the order in which the scheduler looks. */
const waitOf = (
  task: OpenTask,
  { spec }: Step,
  { attempts, notBefore }: Pending,
  { book, index, snapshot }: Moment,
): Wait => {
  if (task.ending) return { kind: 'ending', how: task.ending.kind };
  const pause = pauseOfTask(task, book.pauses);
  if (pause) return { kind: 'paused', pause };
  const runAtMs = task.runAt === null ? 0 : msOf(task.runAt);
  if (runAtMs > snapshot.nowMs) return { kind: 'run-at', atMs: runAtMs };
  const needed = unmetNeeds(task, book.closed);
  if (needed.length > 0) {
    const names = needed.flatMap(({ name }) => name ?? []);
    return { kind: 'tasks', taskIds: needed.map(({ taskId }) => taskId), names };
  }
  if (!hasTurn(task, { spec })) return { kind: 'end', stepIds: stepsBeforeEnd(task) };
  const stepIds = spec.needs.filter((id) => !needsDone(task, [id]));
  if (stepIds.length > 0)
    return { kind: 'steps', stepIds, ...(spec.conditional ? { conditional: true } : {}) };
  const atMs = notBefore === null ? 0 : msOf(notBefore);
  if (atMs > snapshot.nowMs) return { kind: 'retry', attempt: attempts + 1, atMs };
  if (spec.waits !== undefined) return { kind: 'begin', of: spec.waits };
  const step = index.ready.find(task.id, spec.id);
  if (step === undefined)
    return index.workers.has(spec.stepType) ? { kind: 'lease' } : { kind: 'worker', stepType: spec.stepType };
  const held = pauseOfServers(spec.requirement, snapshot.ledger, book.pauses);
  return held ? { kind: 'paused', pause: held } : waitsIn(snapshot)(step);
};

const waitingOf = ({ waiting, ...asked }: WaitingProgress, moment: Moment, starts: ProbableStarts): Wait =>
  waiting.kind === 'task' ? childWait(waiting, asked.since, moment, starts) : asksOf(waiting, asked);

const childWait = (
  { childTaskId: taskId, template, timeoutAt }: ChildWaiting,
  since: string,
  moment: Moment,
  starts: ProbableStarts,
): Wait => {
  const child = moment.book.open.get(taskId);
  const telling = child && tellingStep(child);
  return {
    kind: 'task',
    taskId,
    template: template.name,
    sinceMs: msOf(since),
    untilMs: timeoutAt === undefined ? null : msOf(timeoutAt),
    endsAtMs: starts.endMs(taskId),
    step: child && telling ? explainStep(child, telling, moment, starts) : null,
  };
};

/** What runs says most; else what waits for something outside of the task. */
const tellingStep = (task: OpenTask): Step | undefined =>
  task.steps.find(({ progress }) => progress.status === 'active') ??
  task.steps.find(({ progress }) => progress.status === 'waiting' || progress.status === 'each') ??
  task.steps.find((step) => step.progress.status === 'pending' && mayBegin(task, step));
