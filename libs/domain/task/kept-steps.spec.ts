import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { hasBegun } from './begun.js';
import { submitTask } from '#libs/domain/task/decide.js';
import type { LastStep, TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { keptProblem, stepsOver, stepsToKeep } from '#libs/domain/task/kept-steps.js';
import { stepOutcomes } from '#libs/domain/task/step-outcomes.js';
import { isLastStep, needsDone } from '#libs/domain/task/steps-over.js';
import {
  dispatched,
  failureOf,
  NOW,
  stepSpec,
  submission,
  submitted,
  success,
  templateRegistered,
} from '#libs/testing/builders.js';
import { bookOf, given } from '#libs/testing/spec.js';

/** a, then b and c side by side, then d; e hangs on nothing. */
const DIAMOND: readonly StepSpec[] = [
  stepSpec('d', { needs: ['b', 'c'] }),
  stepSpec('a'),
  stepSpec('b', { needs: ['a'] }),
  stepSpec('c', { needs: ['a'] }),
  stepSpec('e'),
];
const ALL = ['a', 'b', 'c', 'd', 'e'];
const keep = (from: string, done: readonly string[] = ALL): readonly string[] =>
  stepsToKeep(DIAMOND, from, new Set(done)).toSorted();

describe('a rerun from a step', () => {
  it.each([
    ['a', ['e']],
    ['b', ['a', 'c', 'e']],
    ['d', ['a', 'b', 'c', 'e']],
    ['e', ['a', 'b', 'c', 'd']],
  ])('from %s keeps what does not depend on it', (from, kept) => expect(keep(from)).toEqual(kept));

  it('keeps only what was done', () => expect(keep('c', ['a'])).toEqual(['a']));

  it('keeps as it ended what was left out or had failed, from events and into the new task', () => {
    const failure = { code: 'MODEL_ERROR', message: 'broken' } as const;
    const steps = [
      stepSpec('a', { onFailure: 'continue' }),
      stepSpec('b', { needs: ['a'], conditional: true }),
      stepSpec('c', { needs: ['b'] }),
    ];
    const facts: readonly TaskEvent[] = [
      submitted({ steps }),
      dispatched('a'),
      { type: 'step.abandoned', taskId: 't1', step: failureOf('a', 1, failure) },
      { type: 'step.skipped', taskId: 't1', stepId: 'b', at: NOW },
      dispatched('c'),
      { type: 'task.completed', taskId: 't1', step: success('c', 1, 'C'), result: null, at: NOW },
    ];
    const over = stepsOver(facts);
    expect([...over.values()]).toEqual([
      { stepId: 'a', output: null, failure },
      { stepId: 'b', output: null, skipped: true },
      { stepId: 'c', output: 'C' },
    ]);
    const kept = stepsToKeep(steps, 'c', new Set(over.keys())).flatMap((id) => over.get(id) ?? []);
    const task = bookOf([submitted({ taskId: 't2', steps, kept })]).open.get('t2');
    if (task === undefined) throw new Error('t2 is not open');
    expect(stepOutcomes(task)).toEqual({
      a: { status: 'failed', output: null, error: failure },
      b: { status: 'skipped', output: null, error: null },
    });
    expect([needsDone(task, ['b']), isLastStep(task, 'c'), hasBegun(task)]).toEqual([true, true, false]);
    // What was kept is handed on, and how the last step ended stands in the end of the task.
    expect([...stepsOver([submitted({ steps, kept })]).values()]).toEqual(kept);
    const ended = (last: LastStep): TaskEvent => ({
      type: 'task.completed',
      taskId: 't1',
      result: null,
      at: NOW,
      ...last,
    });
    expect([...stepsOver([ended({ skipped: 'b' })]).values()]).toEqual([kept[1]]);
    expect([...stepsOver([ended({ abandoned: failureOf('a', 1, failure) })]).values()]).toEqual([kept[0]]);
  });

  it('never keeps a step without what it needs, whatever the steps and wherever it begins', () =>
    fc.assert(
      fc.property(
        fc.array(fc.uniqueArray(fc.nat(7), { maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        fc.nat(),
        fc.nat(),
        (wanted, from, ended) => {
          // A step needs only such as come before it in some order, so that there is no cycle.
          const steps = wanted.map((needs, n) =>
            stepSpec(`s${n}`, { needs: needs.filter((need) => need < n).map((need) => `s${need}`) }),
          );
          const done = new Set(steps.slice(0, 1 + (ended % steps.length)).map(({ id }) => id));
          const first = `s${from % steps.length}`;
          const kept = stepsToKeep(steps.toReversed(), first, done);
          expect(
            keptProblem(
              steps,
              kept.map((stepId) => ({ stepId, output: 1 })),
            ),
          ).toBeNull();
          expect(kept).not.toContain(first);
        },
      ),
      { numRuns: 500 },
    ));
});

describe('a submission that repeats a task', () => {
  const steps = [stepSpec('a'), stepSpec('b', { needs: ['a'] })];
  const again: Omit<TaskSubmitted, 'type'> = {
    ...submission({ taskId: 't2', steps }),
    rerunOf: 't1',
    kept: [{ stepId: 'a', output: { text: 'old' } }],
  };
  const over = { type: 'task.cancelled', taskId: 't1', reason: 'x', stopped: [], at: NOW } as const;
  const submit = (wanted: Omit<TaskSubmitted, 'type'>) => (book: ReturnType<typeof bookOf>) =>
    submitTask(wanted, book, { openTasksMax: 10 });

  it('is accepted when that one is over, with what it keeps', () =>
    given(templateRegistered, submitted({ steps }), over)
      .when(submit(again))
      .then({ type: 'task.submitted', ...again }));

  it('is refused while that one is open, and where it never was', () => {
    given(templateRegistered, submitted({ steps })).when(submit(again)).thenRefused('TASK_NOT_OVER', /t1/);
    given(templateRegistered).when(submit(again)).thenRefused('TASK_UNKNOWN', /'t1'/);
  });

  it.each([
    [[{ stepId: 'c', output: 1 }], /'c'; accepted: a, b/],
    [[{ stepId: 'b', output: 1 }], /'b' without 'a'/],
    [
      [
        { stepId: 'a', output: 1 },
        { stepId: 'b', output: 1 },
      ],
      /every step/,
    ],
  ])('is refused where it keeps %j', (kept, says) =>
    given(templateRegistered, submitted({ steps }), over)
      .when(submit({ ...again, kept }))
      .thenRefused('VALIDATION_FAILED', says),
  );

  it('begins with the kept steps done, and has not begun', () => {
    const task = bookOf([submitted({ ...again, taskId: 't2' })]).open.get('t2');
    if (task === undefined) throw new Error('t2 is not open');
    expect(stepOutcomes(task)).toEqual({
      a: { status: 'completed', output: { text: 'old' }, error: null },
    });
    expect([needsDone(task, ['a']), isLastStep(task, 'b'), hasBegun(task)]).toEqual([true, true, false]);
    const running = bookOf([submitted(again), dispatched('b', 1, { taskId: 't2' })]).open.get('t2');
    expect(running && hasBegun(running)).toBe(true);
  });
});
