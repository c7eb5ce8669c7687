import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { itemRefOf } from './items.js';
import { OUTCOMES, SHAPES, taskActions, type TaskAction } from '#libs/testing/task-actions.js';
import { TaskWorld } from '#libs/testing/task-world.js';
import type { TaskCancelled, TaskEvent, TaskFailed, TaskFinishing, TaskSubmitted } from './events.js';
import { isOfTask, toldApart } from './told-apart.js';

const AT_END = [...SHAPES.entries()].flatMap(([place, steps]) =>
  steps.some(({ atEnd }) => atEnd) ? [place] : [],
);

const DONE = OUTCOMES.filter(({ kind }) => kind === 'completed');

/** A task with steps at its end of which some run, and then anything. */
const turn = fc.constantFrom(...OUTCOMES, ...DONE, ...DONE, ...DONE).map((outcome): readonly TaskAction[] => [
  { do: 'dispatch', task: 't0', step: 'all', attemptOff: 0 },
  { do: 'report', back: 0, outcome, forged: false },
]);
const histories = fc
  .tuple(fc.constantFrom(...AT_END), fc.array(turn, { maxLength: 5 }), taskActions)
  .map(([shape, begun, made]): readonly TaskAction[] => [{ ...SUBMITTED, shape }, ...begun.flat(), ...made]);
const SUBMITTED: Omit<Extract<TaskAction, { readonly do: 'submit' }>, 'shape'> = {
  do: 'submit',
  task: 't0',
  dependsOn: [],
  skip: [],
  items: 3,
  key: null,
  ttlMs: null,
  dueInMs: null,
};

const law = (runs: number, check: (world: TaskWorld) => void): void =>
  fc.assert(
    fc.property(histories, (made) => {
      const world = new TaskWorld();
      for (const action of made) world.act(action);
      check(world);
    }),
    { numRuns: runs },
  );

type Known = {
  readonly submitted: TaskSubmitted;
  finishing: TaskFinishing | null;
  begun: boolean;
  readonly failed: Set<string>;
};

const isAtEnd = ({ submitted }: Known, stepId: string): boolean => {
  const id = itemRefOf(stepId)?.of ?? stepId;
  return submitted.steps.some((step) => step.id === id && step.atEnd !== undefined);
};

const tasksOf = function* ({ log }: TaskWorld): Generator<readonly [TaskEvent, Known]> {
  const known = new Map<string, Known>();
  for (const { event } of log) {
    if (event.type === 'task.submitted')
      known.set(event.taskId, { submitted: event, finishing: null, begun: false, failed: new Set() });
    const task = isOfTask(event) ? known.get(event.taskId) : undefined;
    if (!isOfTask(event) || task === undefined) continue;
    for (const told of toldApart(event)) {
      if (told.type === 'step.dispatched' || told.type === 'step.waiting') task.begun = true;
      if (told.type === 'step.abandoned') task.failed.add(told.step.stepId);
      if (told.type === 'step.impossible') task.failed.add(told.stepId);
      if (told.type === 'task.completed' && told.abandoned) task.failed.add(told.abandoned.stepId);
      if (told.type === 'task.completed' && told.impossible) task.failed.add(told.impossible.stepId);
    }
    yield [event, task];
    if (event.type === 'task.finishing') task.finishing = event;
  }
};

describe('in any history, steps at the end of a task', () => {
  it('begin when all others have ended, and no other begins then', () => {
    let begun = 0;
    law(600, (world) => {
      for (const [event, task] of tasksOf(world)) {
        if (
          event.type !== 'step.dispatched' &&
          event.type !== 'step.expanded' &&
          event.type !== 'step.admitted'
        )
          continue;
        expect(isAtEnd(task, event.stepId)).toBe(task.finishing !== null);
        if (task.finishing !== null) begun += 1;
      }
    });
    expect(begun).toBeGreaterThan(50);
  });

  it('have ended when their task does, unless nothing had begun, somebody forced it, or their time was over', () => {
    const seen = { whole: 0, idle: 0, forced: 0, time: 0 };
    law(800, (world) => {
      for (const [event, task] of tasksOf(world)) {
        if (
          event.type !== 'task.completed' &&
          event.type !== 'task.failed' &&
          event.type !== 'task.cancelled'
        )
          continue;
        if (!task.submitted.steps.some(({ atEnd }) => atEnd)) continue;
        const cut = event.type === 'task.completed' ? undefined : event.cut;
        if (cut === 'time')
          expect(Date.parse(event.at)).toBeGreaterThanOrEqual(Date.parse(task.finishing?.until ?? ''));
        expect(task.finishing !== null || cut === 'forced' || !task.begun).toBe(true);
        seen[cut ?? (task.finishing === null ? 'idle' : 'whole')] += 1;
      }
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(3);
  });

  it('change nothing of how it ends, but that what was complete has failed with one of them', () => {
    const seen = { kept: 0, failed: 0 };
    law(800, (world) => {
      for (const [event, task] of tasksOf(world)) {
        if (task.finishing === null) continue;
        const { end } = task.finishing;
        if (event.type === 'task.completed') {
          expect([end.status, event.result]).toEqual(['completed', 'result' in end ? end.result : null]);
          seen.kept += 1;
        }
        if (event.type === 'task.failed') failedAs(event, task, end);
        if (event.type === 'task.cancelled') cancelledAs(event, end);
        if (event.type === 'task.failed' && end.status === 'completed') seen.failed += 1;
      }
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(5);
  });
});

const failedAs = ({ failure, cut }: TaskFailed, { failed }: Known, end: TaskFinishing['end']): void => {
  if (end.status === 'failed') return expect(failure).toEqual(end.failure);
  expect([end.status, failure.code]).toEqual([
    'completed',
    cut === 'time' ? 'FINALLY_TIMED_OUT' : 'FINALLY_FAILED',
  ]);
  if (cut === undefined) expect(failed.size).toBeGreaterThan(0);
};

const cancelledAs = ({ reason, cut }: TaskCancelled, end: TaskFinishing['end']): void => {
  if (end.status === 'cancelled') expect(reason).toBe(end.reason);
  else expect([end.status, cut]).toEqual(['completed', 'forced']);
};
