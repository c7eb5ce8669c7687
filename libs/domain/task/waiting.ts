import type { Failure } from '../errors.js';
import type { StepId } from '../ids.js';
import { msOf } from '../time.js';
import { underWay } from './child-state.js';
import { failTask } from './decide.js';
import type { TaskEvent } from './events.js';
import { completeTask, endTask } from './finish.js';
import type { Circumstances } from './outcome.js';
import { pauseOfTask, type Pauses } from './pauses.js';
import { isLastStep, isUndecided, mayBegin } from './steps-over.js';
import { evolve, withProgress, type OpenTask, type Step } from './task.js';
import type { AnswerContent, StepAnswered, Waited, WaitingFor } from './waiting-events.js';
import { waitedProgress, type WaitingProgress } from './waiting-state.js';

/** Reminders of one waiting: daily, that is more than a quarter of a year. */
export const REMINDERS_MAX = 100;

export type WaitingStep = { readonly spec: Step['spec']; readonly progress: WaitingProgress };

/** Steps that wait now. */
export const waitingSteps = (task: OpenTask): readonly WaitingStep[] => {
  const waiting: WaitingStep[] = [];
  for (const { spec, progress } of task.steps)
    if (progress.status === 'waiting') waiting.push({ spec, progress });
  return waiting;
};

/** Whether a step waits, or will, for something else than a slot. */
export const isOfWaitingKind = ({ spec }: Pick<Step, 'spec'>): boolean => spec.waits !== undefined;

/** A step whose turn it is begins to wait. Asked again, or too early, it adds nothing. */
export const beginWaiting = (
  task: OpenTask | undefined,
  begin: { readonly stepId: StepId; readonly waiting: WaitingFor; readonly at: string },
  pauses: Pauses,
): readonly TaskEvent[] => {
  const { stepId } = begin;
  const step = task?.steps.find(({ spec }) => spec.id === stepId);
  if (!task || !step || task.ending || step.progress.status !== 'pending' || !isOfWaitingKind(step))
    return [];
  if (isUndecided(step) || !mayBegin(task, step) || pauseOfTask(task, pauses)) return [];
  return [{ type: 'step.waiting', taskId: task.id, ...begin }];
};

/** When there is something to decide about a waiting by itself; Infinity where only an answer can end it. */
export const waitingDueMs = ({
  waiting,
  askedAt,
  reminders,
  escalated,
  answer,
  ended,
}: WaitingProgress): number => {
  if (answer !== null || ended !== undefined) return 0;
  if (waiting.kind === 'delay') return msOf(waiting.until);
  if (waiting.kind === 'task') return waiting.timeoutAt === undefined ? Infinity : msOf(waiting.timeoutAt);
  const { timeout, remindEveryMs, escalation } = waiting;
  return Math.min(
    timeout ? msOf(timeout.at) : Infinity,
    escalation && !escalated ? msOf(escalation.at) : Infinity,
    remindEveryMs === undefined || reminders >= REMINDERS_MAX ? Infinity : msOf(askedAt) + remindEveryMs,
  );
};

/**
 * What is due by now of the steps of a task that wait: an end, an escalation, a reminder, or what follows of an answer of which the log
 * has no consequence. One step at a time: what comes of it may end the task.
 */
export const decideWaiting = (task: OpenTask, given: Omit<Circumstances, 'random'>): readonly TaskEvent[] => {
  const nowMs = msOf(given.at);
  if (task.ending) return [];
  const due = waitingSteps(task).find(
    ({ progress }) => progress.waiting.kind !== 'task' && waitingDueMs(progress) <= nowMs,
  );
  if (due === undefined) return [];
  const { spec, progress } = due;
  const { waiting, seq } = progress;
  // What waits for a child is decided in `child-tasks.ts`.
  if (waiting.kind === 'task') return [];
  const { at } = given;
  const named = { taskId: task.id, stepId: spec.id, waitingSeq: seq };
  if (progress.answer !== null) return concluded(task, due, outcomeOf(due), given);
  if (waiting.kind === 'delay') return concluded(task, due, { output: { until: waiting.until } }, given);
  const { timeout, escalation, assignees, message } = waiting;
  if (timeout && msOf(timeout.at) <= nowMs) return timedOut(task, due, timeout, given);
  if (escalation && !progress.escalated && msOf(escalation.at) <= nowMs)
    return [{ type: 'step.escalated', ...named, to: escalation.to, message, at }];
  const to = progress.escalated ? [...assignees, ...(escalation?.to ?? [])] : assignees;
  return [{ type: 'step.reminded', ...named, nth: progress.reminders + 1, assignees: to, message, at }];
};

export type Ended = { readonly output: unknown } | { readonly failure: Failure };

const timedOut = (
  task: OpenTask,
  step: WaitingStep,
  timeout: { readonly at: string; readonly outcome: string },
  given: Omit<Circumstances, 'random'>,
): readonly TaskEvent[] => {
  const { waiting } = step.progress;
  if (timeout.outcome === 'fail') {
    const message = `Nobody answered step '${step.spec.id}' until ${timeout.at}.`;
    return concluded(task, step, { failure: { code: 'ANSWER_TIMED_OUT', message } }, given);
  }
  const content: AnswerContent =
    waiting.kind === 'human_input'
      ? { kind: 'human_input', data: waiting.fallback ?? null }
      : {
          kind: 'approval',
          choice: timeout.outcome,
          text: waiting.kind === 'approval' ? waiting.text : null,
        };
  return answered(task, step, { ...content, by: null, comment: null }, given);
};

/** The answer, and what follows of it. */
export const answered = (
  task: OpenTask,
  { spec, progress }: WaitingStep,
  answer: StepAnswered['answer'],
  given: Omit<Circumstances, 'random'>,
): readonly TaskEvent[] => {
  const { at } = given;
  const event: StepAnswered = {
    type: 'step.answered',
    taskId: task.id,
    stepId: spec.id,
    waitingSeq: progress.seq,
    answer,
    at,
  };
  const after = evolve(task, event, progress.seq);
  return after.status === 'open' ? [event, ...decideWaiting(after, given)] : [event];
};

/** What an answer makes of its step. */
const outcomeOf = ({ spec, progress: { waiting, answer } }: WaitingStep): Ended => {
  const { by, at, comment } = answer ?? { by: null, at: '', comment: null };
  const who = { by, at, comment, timed_out: by === null };
  if (answer?.kind === 'human_input') return { output: { data: answer.data, ...who } };
  const { choice, text } = answer ?? { choice: '', text: null };
  if (choice === 'reject' && waiting.kind === 'approval' && waiting.onReject === 'fail') {
    const why = comment === null ? '' : `: ${comment}`;
    const message = `Step '${spec.id}' was rejected ${by === null ? 'because nobody answered in time' : `by ${by}`}${why}`;
    return { failure: { code: 'STEP_REJECTED', message, details: { by, at, comment } } };
  }
  return { output: { decision: DECISIONS[choice] ?? 'chosen', choice, text, ...who } };
};

const DECISIONS: Readonly<Record<string, string>> = { approve: 'approved', reject: 'rejected' };

/** The step is over, and the task goes on, is complete, or fails with it. */
export const concluded = (
  task: OpenTask,
  { spec, progress }: WaitingStep,
  ended: Ended,
  given: Omit<Circumstances, 'random'>,
): readonly TaskEvent[] => {
  const { at } = given;
  const taskId = task.id;
  const waited: Waited = { stepId: spec.id, waitingSeq: progress.seq, ...ended };
  if (waited.failure !== undefined && spec.onFailure !== 'continue') {
    const { failure } = waited;
    return underWay(task) === 0
      ? endTask(task, { status: 'failed', failure, waited, stopped: [] }, at)
      : [{ type: 'task.failing', taskId, failure, waited, at }];
  }
  if (!isLastStep(task, spec.id)) return [{ type: 'step.waited', taskId, waited, at }];
  const over = completeTask(
    task,
    { waited },
    withProgress(task, spec.id, waitedProgress(progress, waited)),
    given,
  );
  return 'unmade' in over ? failTask(task, over.unmade, at) : over;
};
