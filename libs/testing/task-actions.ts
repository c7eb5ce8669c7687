import fc from 'fast-check';
import type { Outcome } from '#libs/domain/task/outcome.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { ON_FAILURE } from '#libs/domain/task/workflow.js';
import { stepSpec, TEMPLATE } from './builders.js';
import { scheduleAction } from './schedule-actions.js';

/** A step that is a task. */
const SUBMITS = { waits: 'task', child: { template: TEMPLATE.name, numCtx: 4096 } } as const;

/** Facts are a second apart in the world of these: some steps at the end run out of their time. */
const AT_END = { limitMs: 12_000 };

/** Every way in which steps can hang together: alone, in a row, side by side, and a diamond; with conditions, such as may fail, such as are tasks, and such as run at the end. */
export const SHAPES: readonly (readonly StepSpec[])[] = [
  [stepSpec('a')],
  [stepSpec('a', { retry: { attemptsMax: 3, backoffMs: 100 } }), stepSpec('b', { needs: ['a'] })],
  [stepSpec('a', { retry: { attemptsMax: 2, backoffMs: 100 } }), stepSpec('b'), stepSpec('c')],
  [
    stepSpec('a'),
    stepSpec('b', { needs: ['a'], retry: { attemptsMax: 2, backoffMs: 100 } }),
    stepSpec('c', { needs: ['a'] }),
    stepSpec('d', { needs: ['b', 'c'] }),
  ],
  [
    stepSpec('a', { conditional: true, onFailure: 'continue' }),
    stepSpec('b', { needs: ['a'], conditional: true, onFailure: 'continue' }),
  ],
  [stepSpec('a', { waits: 'delay' }), stepSpec('b', { needs: ['a'] })],
  [
    stepSpec('a'),
    stepSpec('b', { needs: ['a'], waits: 'approval', onFailure: 'continue' }),
    stepSpec('c', { waits: 'human_input' }),
  ],
  [
    stepSpec('a', { waits: 'approval' }),
    stepSpec('b', { needs: ['a'], waits: 'human_input', conditional: true }),
  ],
  [stepSpec('a', { onFailure: 'continue' }), stepSpec('b', { onFailure: 'continue' }), stepSpec('c')],
  [
    stepSpec('a', { onFailure: 'continue', retry: { attemptsMax: 2, backoffMs: 100 } }),
    stepSpec('b', { needs: ['a'], conditional: true, onFailure: 'continue' }),
    stepSpec('c', { onFailure: 'continue' }),
    stepSpec('d', { needs: ['b', 'c'], conditional: true }),
  ],
  [stepSpec('a', { forEach: { concurrency: 2 }, retry: { attemptsMax: 2, backoffMs: 100 } })],
  [
    stepSpec('a'),
    stepSpec('b', { needs: ['a'], forEach: { concurrency: 2 }, conditional: true, onFailure: 'continue' }),
    stepSpec('c', { needs: ['b'] }),
  ],
  [stepSpec('a'), stepSpec('b', { atEnd: AT_END })],
  [
    stepSpec('a', { retry: { attemptsMax: 2, backoffMs: 100 } }),
    stepSpec('b'),
    stepSpec('c', { atEnd: AT_END, conditional: true, onFailure: 'continue' }),
    stepSpec('d', { atEnd: AT_END, needs: ['c'], retry: { attemptsMax: 2, backoffMs: 100 } }),
  ],
  [
    stepSpec('a', { conditional: true }),
    stepSpec('b', { atEnd: AT_END, forEach: { concurrency: 2 } }),
    stepSpec('c', { atEnd: AT_END }),
  ],
  [
    stepSpec('a', { ...SUBMITS, retry: { attemptsMax: 2, backoffMs: 100 } }),
    stepSpec('b'),
    stepSpec('c', { needs: ['a', 'b'] }),
  ],
  [
    stepSpec('a', { ...SUBMITS, onFailure: 'continue', timeoutMs: 9_000 }),
    stepSpec('b', { ...SUBMITS, needs: ['a'], conditional: true }),
  ],
  [stepSpec('a', { ...SUBMITS, forEach: { concurrency: 2 }, onFailure: 'continue' })],
  [stepSpec('a', { ...SUBMITS, forEach: { concurrency: 2 }, retry: { attemptsMax: 2, backoffMs: 100 } })],
  [stepSpec('a', SUBMITS), stepSpec('b')],
  [
    stepSpec('a', { ...SUBMITS, forEach: { concurrency: 2 } }),
    stepSpec('b'),
    stepSpec('c', { atEnd: AT_END }),
  ],
  [
    stepSpec('a', SUBMITS),
    stepSpec('b', { onFailure: 'continue' }),
    stepSpec('c', { atEnd: AT_END, retry: { attemptsMax: 2, backoffMs: 100 } }),
  ],
];
/** What a step that is a task submits: a step that runs, and one more such step. */
export const CHILD_STEPS: readonly StepSpec[] = [stepSpec('a'), stepSpec('b', { ...SUBMITS, needs: ['a'] })];
/** What the latter submits. */
export const DEEP_STEPS: readonly StepSpec[] = [stepSpec('a'), stepSpec('b', { atEnd: AT_END })];
export const childIdOf = (taskId: string, stepId: string, attempt: number): string =>
  `${taskId}-${stepId.replaceAll(/[[\]]/g, '')}-${attempt}`;
export const OUTCOMES: readonly Outcome[] = [
  { kind: 'completed', output: { text: 'done' } },
  { kind: 'failed', failure: { code: 'MODEL_ERROR', message: 'broken' } },
  { kind: 'failed', failure: { code: 'STEP_INPUT_INVALID', message: 'wrong' } },
  { kind: 'failed', failure: { code: 'SERVER_UNREACHABLE', message: 'gone' } },
  { kind: 'cancelled', confirmed: true },
  { kind: 'cancelled', confirmed: false },
];
export const STEP_IDS = ['a', 'b', 'c', 'd'] as const;
export const ITEM_COUNTS = [3, 2, 1, 0] as const;
/** Items of the steps that have some in a shape: no submission has more of them. */
const ITEM_IDS = ['b[0]', 'b[1]', 'b[2]', 'a[0]', 'a[1]', 'a[2]'] as const;
export const STEPS_AND_ITEMS = [...STEP_IDS, ...ITEM_IDS] as const;

const single = fc.integer({ min: 0, max: 4 }).map((n) => `t${n}`);
const inWorkflow = fc.tuple(fc.nat(1), fc.nat(3)).map(([w, n]) => `w${w}-${n}`);
const child = fc
  .tuple(single, fc.constantFrom('a', 'a', 'b', 'a0', 'a1'), fc.constantFrom(1, 1, 2), fc.boolean())
  .map(([of, stepId, attempt, isDeep]) => {
    const id = childIdOf(of, stepId, attempt);
    return isDeep ? childIdOf(id, 'b', 1) : id;
  });
const task = fc.oneof(
  { weight: 9, arbitrary: single },
  { weight: 6, arbitrary: inWorkflow },
  { weight: 2, arbitrary: child },
);

/** Edges of a workflow of four tasks, each to an earlier one: what an end means there, or no edge, and whether its result is read. */
const edge = fc.record({ onFailure: fc.constantFrom(null, ...ON_FAILURE), isRead: fc.boolean() });
const edges = fc.array(edge, { minLength: 6, maxLength: 6 });

const scope = fc.constantFrom<PauseScope>(
  'queue',
  'workspace:home',
  'workspace:lab',
  'template:other',
  'server:gpu1',
  'server:gpu2',
);
const anything = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      task: single,
      shape: fc.nat(SHAPES.length - 1),
      dependsOn: fc.uniqueArray(single, { maxLength: 2 }),
      /** Steps whose condition is false. */
      skip: fc.subarray([...STEP_IDS]),
      items: fc.constantFrom(...ITEM_COUNTS),
      key: fc.option(fc.constantFrom('k1', 'k2')),
      // Facts are a second apart here, so that some expire and some start before.
      ttlMs: fc.constantFrom(null, null, null, 2_000, 6_000),
      // A step takes 15 s as far as is known: some are urgent at once, some later, some too late.
      dueInMs: fc.constantFrom(null, null, 20_000, 75_000, 110_000),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('workflow' as const),
      workflow: fc.nat(1),
      size: fc.integer({ min: 1, max: 4 }),
      edges,
      key: fc.option(fc.constantFrom('k1', 'k2')),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('dispatch' as const),
      task,
      step: fc.oneof(
        { weight: 3, arbitrary: fc.constantFrom(...STEP_IDS) },
        { weight: 1, arbitrary: fc.constantFrom(...ITEM_IDS) },
        { weight: 2, arbitrary: fc.constant('all' as const) },
      ),
      // Mostly the attempt that is due; else one that was made, or is not due yet.
      attemptOff: fc.constantFrom(0, 0, 0, 0, -1, 1),
    }),
  },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('report' as const),
      // Counted back from the newest attempt, so that late and repeated reports are common.
      back: fc.nat(5),
      outcome: fc.constantFrom(...OUTCOMES),
      forged: fc.constantFrom(false, false, false, true),
    }),
  },
  {
    // Step by step, each of which ends like this: without it few histories come to the later steps of a task.
    weight: 8,
    arbitrary: fc.record({ do: fc.constant('work' as const), task, outcome: fc.constantFrom(...OUTCOMES) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), back: fc.nat(5) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('cancel' as const),
      task,
      force: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('rerun' as const),
      task,
      again: single,
      from: fc.constantFrom(...STEP_IDS),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('pause' as const), scope }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('resume' as const) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('expire' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      task: single,
      step: fc.constantFrom<(typeof STEP_IDS)[number]>('a', 'a', 'b', 'c'),
      choice: fc.constantFrom('approve', 'approve', 'reject', 'later', 'none of them'),
      stale: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('time' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('impossible' as const),
      task,
      // Only of steps at the end do the others go on, and those are behind the first.
      step: fc.constantFrom<(typeof STEP_IDS)[number]>('a', 'b', 'c', 'c', 'd'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('remove' as const),
      task,
      /** By somebody who knows nothing of earlier removals. */
      stale: fc.constantFrom(false, false, true),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('schedule' as const), act: scheduleAction }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('priority' as const),
      task,
      priority: fc.integer({ min: 1, max: 10 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('move' as const),
      task,
      to: fc.oneof(
        fc.record({ kind: fc.constantFrom('front' as const, 'back' as const) }),
        fc.record({ kind: fc.constantFrom('before' as const, 'after' as const), taskId: task }),
      ),
    }),
  },
);
export type TaskAction = typeof anything extends fc.Arbitrary<infer A> ? A : never;

/** Much of what happens is about tasks that are not there; histories that begin with some come further. */
const first = fc.record({
  do: fc.constant('submit' as const),
  task: single,
  shape: fc.nat(SHAPES.length - 1),
  dependsOn: fc.constant<string[]>([]),
  skip: fc.constant<(typeof STEP_IDS)[number][]>([]),
  items: fc.constantFrom(...ITEM_COUNTS),
  key: fc.constant(null),
  ttlMs: fc.constant(null),
  dueInMs: fc.constant(null),
});
const firstDone = (submit: Extract<TaskAction, { readonly do: 'submit' }>): readonly TaskAction[] => [
  submit,
  { do: 'dispatch', task: submit.task, step: 'a', attemptOff: 0 },
  { do: 'report', back: 0, outcome: { kind: 'completed', output: 1 }, forged: false },
];
export const taskActions = fc
  .tuple(
    fc.array(fc.tuple(first, fc.boolean()), { maxLength: 2 }),
    fc.array<TaskAction>(anything, { maxLength: 70, size: 'max' }),
  )
  .map(([begun, made]) => [
    ...begun.flatMap(([submit, runs]) => (runs ? firstDone(submit) : [submit])),
    ...made,
  ]);
