import type { WaitingKind } from '#libs/domain/task/waiting-events.js';
import { questionOf } from './questions.js';
import type { GpuEvent } from '#libs/domain/gpu/events.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import {
  failureOf,
  gib,
  later,
  loaded,
  loadStarted,
  NOW_MS,
  needsModel,
  profileOf,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
} from './builders.js';

/** What happened to many tasks, as the two truth streams tell it. */
export type Stories = { readonly tasks: readonly TaskEvent[]; readonly leases: readonly GpuEvent[] };

/** Numbers from 0 to 1, the same for the same seed (mulberry32). */
export const seeded = (seed: number): (() => number) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const RESIDENCY = 'res-1';
const MODEL = 'smollm2:135m';

/** `count` tasks with every kind of ending and of none, their facts shuffled together as a scheduler would write them. */
export const taskStories = (count: number, seed = 1): Stories => {
  const random = seeded(seed);
  const tellings = Array.from({ length: count }, (_, index) => tellingOf(index));
  const leases: GpuEvent[] = [
    loadStarted('gpu1', RESIDENCY, profileOf(MODEL)),
    loaded('gpu1', RESIDENCY, { vramBytes: gib(2) }),
  ];
  const tasks: TaskEvent[] = [];
  const open = tellings.map((facts) => ({ facts, told: 0 }));
  while (open.length > 0) {
    // Mostly the older ones go on, so that tasks overlap without all being open at once.
    const place = Math.floor(random() ** 2 * Math.min(open.length, 40));
    const one = open[place];
    const fact = one?.facts[one.told];
    if (!one || !fact) {
      open.splice(place, 1);
      continue;
    }
    one.told += 1;
    tasks.push(fact);
    leases.push(...leasesOf(fact));
  }
  return { tasks, leases };
};

const leasesOf = (fact: TaskEvent): readonly GpuEvent[] => {
  if (fact.type === 'step.dispatched') {
    const { leaseId } = fact.lease;
    const lease = {
      leaseId,
      taskId: fact.taskId,
      stepId: fact.stepId,
      attempt: fact.attempt,
      residencyId: RESIDENCY,
    };
    return [{ type: 'lease.granted', serverId: 'gpu1', leases: [lease], at: fact.at }];
  }
  if (fact.type === 'step.failed') {
    return [
      { type: 'lease.expired', serverId: 'gpu1', leaseIds: [fact.step.leaseId], ttlMs: 10_000, at: later(9) },
    ];
  }
  if ('step' in fact && fact.step) {
    return [{ type: 'lease.released', serverId: 'gpu1', leaseIds: [fact.step.leaseId], at: later(9) }];
  }
  return [];
};

const tellingOf = (index: number): readonly TaskEvent[] => {
  const taskId = `task-${index}`;
  const kind = TELLINGS[index % TELLINGS.length] ?? (() => []);
  const opening = (steps: readonly StepSpec[]): TaskSubmitted =>
    submitted({
      taskId,
      workspace: index % 3 === 0 ? 'lab' : 'home',
      template: { name: `template-${index % 4}`, version: 'v1' },
      parameters: { index, text: `it's "task" ${index}?` },
      priority: 1 + (index % 10),
      dependsOn: index % 7 === 6 ? [`task-${index - 1}`] : [],
      labels: { team: index % 2 === 0 ? 'red' : 'blue', slice: String(index % 5) },
      steps,
      submittedAt: later(index * 1000),
    });
  const at = later(index * 1000 + 500);
  const dispatch = (stepId: string, attempt = 1): TaskEvent => ({
    type: 'step.dispatched',
    taskId,
    stepId,
    stepType: 'ollama_generate',
    attempt,
    lease: { leaseId: leaseId(stepId, attempt), token: index, serverId: 'gpu1' },
    requirement: needsModel(MODEL),
    input: {},
    at,
  });
  const leaseId = (stepId: string, attempt: number): string => `${taskId}-${stepId}-${attempt}`;
  return kind({ taskId, at, opening, dispatch, leaseId });
};

type Teller = {
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

const waiting = ({ taskId, at }: Teller, kind: Exclude<WaitingKind, 'task'>): TaskEvent => ({
  type: 'step.waiting',
  taskId,
  stepId: 'a',
  waiting: questionOf(kind, NOW_MS),
  at,
});
const ofWaiting = ({ taskId, at }: Teller) => ({ taskId, stepId: 'a', waitingSeq: 7, at });

/** One of each kind. */
const TELLINGS: readonly ((teller: Teller) => readonly TaskEvent[])[] = [
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
];
