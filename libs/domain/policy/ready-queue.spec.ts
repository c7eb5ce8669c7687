import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { compareSteps, type Ranking } from '#libs/domain/policy/ordering.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { requirementKey, type Requirement } from '#libs/domain/task/requirement.js';
import { CPU, needsModel, NOW_MS, readyStep } from '#libs/testing/builders.js';
import { PLAIN } from '#libs/testing/snapshots.js';

/** The same queue as it would be written if nobody cared how fast it is. */
class NaiveQueue {
  #steps: ReadyStep[] = [];

  put(step: ReadyStep): void {
    this.remove(step.taskId, step.stepId);
    this.#steps.push(step);
  }

  remove(taskId: string, stepId: string): void {
    this.#steps = this.#steps.filter((step) => step.taskId !== taskId || step.stepId !== stepId);
  }

  has(taskId: string, stepId: string): boolean {
    return this.#steps.some((step) => step.taskId === taskId && step.stepId === stepId);
  }

  groups(ranking: Ranking): Record<string, readonly ReadyStep[]> {
    const groups: Record<string, ReadyStep[]> = {};
    for (const step of this.#steps.toSorted(compareSteps(ranking)))
      (groups[requirementKey(step.requirement)] ??= []).push(step);
    return groups;
  }
}

const groupsOf = (queue: ReadyQueue, ranking: Ranking): Record<string, readonly ReadyStep[]> =>
  Object.fromEntries(queue.groups(ranking).map(({ key, steps }) => [key, [...steps]]));

/** Two workspaces, one of which has had too much; and whoever is as old as a task that must run. */
const RANKINGS: readonly Ranking[] = [
  PLAIN,
  { ...PLAIN, agingMs: 1 },
  { ...PLAIN, levelOf: (workspace) => (workspace === 'w1' ? 1 : 0) },
  { ...PLAIN, someMustRun: true, mustRun: ({ submittedAtMs }) => submittedAtMs <= NOW_MS + 3 },
  {
    ...PLAIN,
    someMustRun: true,
    mustRun: ({ seq }) => seq <= 2,
    levelOf: (workspace) => (workspace === 'w0' ? 2 : 0),
  },
];

const REQUIREMENTS: readonly Requirement[] = [CPU, needsModel('llama3'), needsModel('qwen')];

/** By hand: the task that it is beside, on which side, and whether it gave up its turn. */
type Moved = { readonly beside: number; readonly nth: number; readonly again: boolean } | null;

type Action =
  | {
      readonly kind: 'put';
      readonly task: number;
      readonly step: string;
      readonly priority: number;
      readonly attempt: number;
      readonly urgentIn: number | null;
      readonly moved: Moved;
    }
  | { readonly kind: 'remove'; readonly task: number; readonly step: string };

const actionsOf = (tasks: number, maxLength: number): fc.Arbitrary<readonly Action[]> => {
  const task = fc.integer({ min: 1, max: tasks });
  const step = fc.constantFrom('a', 'b');
  const put = fc.record({
    kind: fc.constant('put' as const),
    task,
    step,
    priority: fc.integer({ min: 1, max: 10 }),
    attempt: fc.integer({ min: 1, max: 3 }),
    urgentIn: fc.constantFrom(null, null, 1, 2),
    moved: fc.option(
      fc.record({ beside: task, nth: fc.constantFrom(-2, -1, 0, 1, 2), again: fc.boolean() }),
      { freq: 1 },
    ),
  });
  const remove = fc.record({ kind: fc.constant('remove' as const), task, step });
  return fc.array(fc.oneof({ weight: 3, arbitrary: put }, { weight: 2, arbitrary: remove }), {
    maxLength,
    size: 'max',
  });
};

/** What a step needs and how old its task is never change; its priority and its attempt do. */
const stepOf = (action: Extract<Action, { kind: 'put' }>): ReadyStep =>
  readyStep(`t${action.task}`, {
    stepId: action.step,
    seq: action.task,
    submittedAtMs: NOW_MS + action.task,
    workspace: `w${action.task % 3}`,
    priority: action.priority,
    attempt: action.attempt,
    urgentByMs: action.urgentIn === null ? null : NOW_MS + action.urgentIn,
    ...movedTo(action),
    requirement: REQUIREMENTS[action.task % REQUIREMENTS.length] ?? CPU,
  });

/** Without a place it is one that was moved back, and then given a priority. */
const movedTo = ({ moved, priority }: Extract<Action, { kind: 'put' }>): Partial<ReadyStep> => {
  if (moved === null) return {};
  const { beside: seq, nth, again } = moved;
  return {
    place: nth === 0 ? null : { priority, fromMs: NOW_MS + seq, seq, nth: [nth] },
    line: again ? { sinceMs: NOW_MS + seq, seq: 1_000 + seq } : null,
  };
};

const play = (actions: readonly Action[], check: (queue: ReadyQueue, naive: NaiveQueue) => void): void => {
  const queue = new ReadyQueue();
  const naive = new NaiveQueue();
  for (const action of actions) {
    if (action.kind === 'put') {
      queue.put(stepOf(action));
      naive.put(stepOf(action));
    } else {
      queue.remove(`t${action.task}`, action.step);
      naive.remove(`t${action.task}`, action.step);
    }
    check(queue, naive);
  }
};

describe('the queue of ready steps', () => {
  it('is a sorted list per requirement after each of any puts, replacements and removals', () => {
    fc.assert(
      fc.property(actionsOf(6, 40), (actions) => {
        play(actions, (queue, naive) => {
          for (const ranking of RANKINGS) expect(groupsOf(queue, ranking)).toEqual(naive.groups(ranking));
        });
      }),
      { numRuns: 120 },
    );
  });

  it('counts how many of the same go first: exactly, where nothing was removed in between', () => {
    fc.assert(
      fc.property(actionsOf(12, 40), (actions) => {
        const queue = new ReadyQueue();
        for (const action of actions)
          if (action.kind === 'put' && !queue.find(`t${action.task}`, action.step)) queue.put(stepOf(action));
        const ranking = PLAIN;
        for (const { steps } of queue.groups(ranking))
          for (const [place, step] of [...steps].entries())
            expect(queue.aheadOfSame(step, ranking)).toBe(place);
      }),
      { numRuns: 100 },
    );
  });

  it('counts them by their share where some were removed', () => {
    const queue = new ReadyQueue();
    const all = Array.from({ length: 100 }, (_, n) =>
      readyStep(`t${n}`, { seq: n, submittedAtMs: NOW_MS + n }),
    );
    for (const step of all) queue.put(step);
    for (const { taskId, stepId } of all.filter((_, n) => n % 2 === 1)) queue.remove(taskId, stepId);
    const [last] = all.filter(({ taskId }) => taskId === 't98');
    expect(last && queue.aheadOfSame(last, PLAIN)).toBe(49);
  });

  it('is a sorted list per requirement when it has grown large and been swept', () => {
    fc.assert(
      fc.property(actionsOf(400, 1500), (actions) => {
        const queue = new ReadyQueue();
        const naive = new NaiveQueue();
        // Enough of one lane for its dead entries to be swept.
        for (let task = 1; task <= 400; task += 1) {
          const step = stepOf({
            kind: 'put',
            task,
            step: 'a',
            priority: 5,
            attempt: 1,
            urgentIn: null,
            moved: null,
          });
          queue.put(step);
          naive.put(step);
        }
        const removed = actions.length % 3 === 0 ? 380 : 300;
        for (let task = 1; task <= removed; task += 1) {
          const victim = actions.length % 2 === 0 ? task : 400 - task;
          queue.remove(`t${victim}`, 'a');
          naive.remove(`t${victim}`, 'a');
        }
        for (const ranking of RANKINGS) expect(groupsOf(queue, ranking)).toEqual(naive.groups(ranking));
        for (const action of actions) {
          if (action.kind === 'put') {
            queue.put(stepOf(action));
            naive.put(stepOf(action));
          } else {
            queue.remove(`t${action.task}`, action.step);
            naive.remove(`t${action.task}`, action.step);
          }
        }
        for (const ranking of RANKINGS) expect(groupsOf(queue, ranking)).toEqual(naive.groups(ranking));
      }),
      { numRuns: 30 },
    );
  });

  it('knows its size, the size of each group, and what is in it', () => {
    fc.assert(
      fc.property(actionsOf(5, 30), (actions) => {
        play(actions, (queue, naive) => {
          const groups = naive.groups(PLAIN);
          expect(queue.size).toBe(Object.values(groups).flat().length);
          for (const { key, size, sinceMs, first } of queue.groups(PLAIN)) {
            const steps = groups[key] ?? [];
            expect([size, first]).toEqual([steps.length, steps[0]]);
            expect(sinceMs).toBeCloseTo(
              steps.reduce((sum, step) => sum + step.submittedAtMs, 0) / steps.length,
              2,
            );
          }
          const workspaces = Object.values(groups)
            .flat()
            .map(({ workspace }) => workspace);
          expect(new Set(queue.workspaces())).toEqual(new Set(workspaces));
          for (let task = 1; task <= 5; task += 1) {
            for (const step of ['a', 'b'])
              expect(queue.find(`t${task}`, step) !== undefined).toBe(naive.has(`t${task}`, step));
          }
        });
      }),
      { numRuns: 50 },
    );
  });

  it('has no group for what nobody waits for', () => {
    const queue = new ReadyQueue();
    queue.put(readyStep('t1'));
    queue.remove('t1', 'a');
    expect(queue.groups(PLAIN)).toEqual([]);
    queue.remove('t1', 'a');
    expect([queue.size, queue.groups(PLAIN)]).toEqual([0, []]);
  });

  it('can be walked twice', () => {
    const queue = new ReadyQueue();
    queue.put(readyStep('t1'));
    const [group] = queue.groups(PLAIN);
    expect([[...(group?.steps ?? [])].length, [...(group?.steps ?? [])].length]).toEqual([1, 1]);
  });

  it('takes steps of 100,000 tasks and gives them back in order within seconds', () => {
    const queue = new ReadyQueue();
    for (let seq = 1; seq <= 100_000; seq += 1)
      queue.put(readyStep(`t${seq}`, { seq, priority: 1 + (seq % 10) }));
    let last: ReadyStep | null = null;
    let wrong = 0;
    for (let taken = 0; taken < 100_000; taken += 1) {
      const [group] = queue.groups(PLAIN);
      for (const step of group?.steps ?? []) {
        if (last !== null && compareSteps(PLAIN)(last, step) > 0) wrong += 1;
        last = step;
        queue.remove(step.taskId, step.stepId);
        break;
      }
    }
    expect([wrong, queue.size]).toEqual([0, 0]);
  });
});
