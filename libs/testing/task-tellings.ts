import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import type { MainEnd, TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { failureOf, later, NOW_MS, stepSpec, stoppedAttempt, success } from './builders.js';
import { questionOf } from './questions.js';

export const MODEL = 'smollm2:135m';

/** What tells of one task. */
export type Teller = {
  readonly taskId: string;
  readonly at: string;
  readonly opening: (steps: readonly StepSpec[]) => TaskSubmitted;
  readonly dispatch: (stepId: string, attempt?: number) => TaskEvent;
  readonly leaseId: (stepId: string, attempt: number) => string;
};

const A = [stepSpec('a')];
const A_THEN_B = [stepSpec('a'), stepSpec('b', { needs: ['a'] })];
const A_OR_B = [stepSpec('a', { onFailure: 'continue' }), stepSpec('b', { needs: ['a'], conditional: true })];
const EACH_A_THEN_B = [
  stepSpec('a', { forEach: { concurrency: 2 }, onFailure: 'continue' }),
  stepSpec('b', { needs: ['a'] }),
];
const ASKED_THEN_B = [stepSpec('a', { waits: 'approval' }), stepSpec('b', { needs: ['a'] })];
const APPROVED = { kind: 'approval', choice: 'approve', text: 'it is', by: 'grace', comment: null } as const;
const A_AT_ITS_END_B = [stepSpec('a'), stepSpec('b', { atEnd: { limitMs: 60_000 } })];
const A_AND_B = [stepSpec('a'), stepSpec('b')];
const A_B_AND_C = [stepSpec('a'), stepSpec('b'), stepSpec('c')];
const BUSY = { code: 'SERVER_BUSY', message: "gpu1 is 'busy'" } as const;

const usage = {
  model: MODEL,
  loadMs: 12,
  promptMs: 30,
  generationMs: 400.5,
  totalMs: 450,
  tokensIn: 20,
  tokensOut: 100,
};

const succeeded = (teller: Teller, stepId: string, attempt = 1) => ({
  ...success(stepId, attempt, { text: `answer of ${teller.taskId}` }),
  leaseId: teller.leaseId(stepId, attempt),
  usage,
});
const completed = (teller: Teller, stepId: string, attempt = 1): TaskEvent => ({
  type: 'task.completed',
  taskId: teller.taskId,
  step: succeeded(teller, stepId, attempt),
  result: { text: `answer of ${teller.taskId}` },
  at: teller.at,
});
const failed = (teller: Teller, stepId: string, attempt = 1) => ({
  ...failureOf(stepId, attempt, BUSY),
  leaseId: teller.leaseId(stepId, attempt),
});
const stopped = (teller: Teller, stepId: string) => ({
  ...stoppedAttempt('confirmed', stepId),
  leaseId: teller.leaseId(stepId, 1),
});

const finishing = ({ taskId, at }: Teller, end: MainEnd): TaskEvent => ({
  type: 'task.finishing',
  taskId,
  end,
  until: later(3_600_000),
  at,
});

const waiting = ({ taskId, at }: Teller, kind: Exclude<WaitingKind, 'task'>): TaskEvent => ({
  type: 'step.waiting',
  taskId,
  stepId: 'a',
  waiting: questionOf(kind, NOW_MS),
  at,
});
const ofWaiting = ({ taskId, at }: Teller) => ({ taskId, stepId: 'a', waitingSeq: 7, at });

/** One of each kind. */
export const TELLINGS: readonly ((teller: Teller) => readonly TaskEvent[])[] = [
  (t) => [t.opening(A), t.dispatch('a'), completed(t, 'a')],
  (t) => [
    t.opening(A_THEN_B),
    t.dispatch('a'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'a') },
    t.dispatch('b'),
    completed(t, 'b'),
  ],
  (t) => [
    t.opening(A),
    t.dispatch('a'),
    { type: 'step.failed', taskId: t.taskId, step: failed(t, 'a'), retryAt: t.at },
    t.dispatch('a', 2),
    completed(t, 'a', 2),
  ],
  (t) => [
    t.opening(A),
    t.dispatch('a'),
    { type: 'task.failed', taskId: t.taskId, failure: BUSY, step: failed(t, 'a'), stopped: [], at: t.at },
  ],
  (t) => [
    t.opening(A),
    { type: 'task.cancelled', taskId: t.taskId, reason: 'enough', stopped: [], at: t.at },
  ],
  (t) => [
    t.opening(A),
    t.dispatch('a'),
    { type: 'task.cancel-requested', taskId: t.taskId, reason: 'enough', at: t.at },
    { type: 'task.cancelled', taskId: t.taskId, reason: 'enough', stopped: [stopped(t, 'a')], at: t.at },
  ],
  (t) => [
    t.opening(A),
    { type: 'task.priority-changed', taskId: t.taskId, priority: 10, at: t.at },
    {
      type: 'task.moved',
      taskId: t.taskId,
      to: { kind: 'back' },
      place: { priority: 5, from: t.at, seq: 1, nth: [1] },
      promise: null,
      reason: 'it can wait',
      by: 'ada',
      at: t.at,
    },
  ],
  (t) => [
    t.opening(A_AND_B),
    t.dispatch('a'),
    t.dispatch('b'),
    { type: 'task.failing', taskId: t.taskId, failure: BUSY, step: failed(t, 'a'), at: t.at },
    {
      type: 'task.failed',
      taskId: t.taskId,
      failure: BUSY,
      step: failed(t, 'a'),
      stopped: [stopped(t, 'b')],
      at: t.at,
    },
  ],
  (t) => [t.opening(A), t.dispatch('a')],
  (t) => [
    t.opening(A_B_AND_C),
    t.dispatch('a'),
    t.dispatch('b'),
    t.dispatch('c'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'c') },
    { type: 'task.failing', taskId: t.taskId, failure: BUSY, step: failed(t, 'a'), at: t.at },
    { type: 'task.priority-changed', taskId: t.taskId, priority: 9, at: t.at },
  ],
  (t) => [
    t.opening(A_OR_B),
    t.dispatch('a'),
    { type: 'step.abandoned', taskId: t.taskId, step: failed(t, 'a') },
    { type: 'step.admitted', taskId: t.taskId, stepId: 'b', at: t.at },
    t.dispatch('b'),
    completed(t, 'b'),
  ],
  (t) => [
    t.opening(A_OR_B),
    t.dispatch('a'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'a') },
    { type: 'task.completed', taskId: t.taskId, skipped: 'b', result: null, at: t.at },
  ],
  (t) => [
    t.opening([stepSpec('a', { conditional: true }), ...A_AND_B.slice(1)]),
    { type: 'step.skipped', taskId: t.taskId, stepId: 'a', at: t.at },
  ],
  (t) => [
    t.opening(EACH_A_THEN_B),
    { type: 'step.expanded', taskId: t.taskId, stepId: 'a', items: 3, at: t.at },
    t.dispatch('a[1]'),
    t.dispatch('a[0]'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'a[1]') },
    { type: 'step.abandoned', taskId: t.taskId, step: failed(t, 'a[0]') },
    t.dispatch('a[2]'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'a[2]') },
    t.dispatch('b'),
    completed(t, 'b'),
  ],
  (t) => [
    t.opening(ASKED_THEN_B),
    waiting(t, 'approval'),
    { type: 'step.reminded', ...ofWaiting(t), nth: 1, assignees: ['ada'], message: 'Is it right?' },
    { type: 'step.escalated', ...ofWaiting(t), to: ['grace'], message: 'Is it right?' },
  ],
  (t) => [
    t.opening(ASKED_THEN_B),
    waiting(t, 'approval'),
    { type: 'step.answered', ...ofWaiting(t), answer: APPROVED },
    {
      type: 'step.waited',
      taskId: t.taskId,
      waited: { stepId: 'a', waitingSeq: 7, output: APPROVED },
      at: t.at,
    },
    t.dispatch('b'),
    completed(t, 'b'),
  ],
  (t) => [
    t.opening(EACH_A_THEN_B),
    { type: 'step.expanded', taskId: t.taskId, stepId: 'a', items: 3, at: t.at },
    t.dispatch('a[1]'),
    { type: 'step.completed', taskId: t.taskId, step: succeeded(t, 'a[1]') },
    t.dispatch('a[2]'),
  ],
  (t) => [
    t.opening([stepSpec('a', { waits: 'delay' })]),
    waiting(t, 'delay'),
    {
      type: 'task.completed',
      taskId: t.taskId,
      waited: { stepId: 'a', waitingSeq: 7, output: { until: t.at } },
      result: null,
      at: t.at,
    },
  ],
  (t) => [
    t.opening(A_AT_ITS_END_B),
    t.dispatch('a'),
    finishing(t, { status: 'failed', failure: BUSY, step: failed(t, 'a'), stopped: [] }),
    t.dispatch('b'),
  ],
  (t) => [
    t.opening(A_AT_ITS_END_B),
    t.dispatch('a'),
    finishing(t, { status: 'completed', result: 'a', last: { step: succeeded(t, 'a') } }),
    t.dispatch('b'),
    {
      type: 'task.failed',
      taskId: t.taskId,
      failure: { code: 'FINALLY_FAILED', message: "step 'b'" },
      stopped: [],
      last: { abandoned: failed(t, 'b') },
      at: t.at,
    },
  ],
  (t) => [
    t.opening([...A_AT_ITS_END_B, stepSpec('c', { atEnd: { limitMs: 60_000 } })]),
    t.dispatch('a'),
    { type: 'task.cancel-requested', taskId: t.taskId, reason: 'enough', at: t.at },
    finishing(t, { status: 'cancelled', reason: 'enough', stopped: [stopped(t, 'a')] }),
    { type: 'step.impossible', taskId: t.taskId, stepId: 'b', failure: BUSY, at: t.at },
  ],
];
