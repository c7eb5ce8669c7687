import { describe, expect, it } from '@jest/globals';
import { byPlace } from '#libs/domain/policy/ordering.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { rankingOf } from '#libs/domain/policy/snapshot.js';
import { emptyLedger } from '#libs/domain/gpu/gpu.js';
import { promiseAgain } from '#libs/domain/policy/promise.js';
import { changePriority, isRefused } from '#libs/domain/task/decide.js';
import type { TaskSubmitted } from '#libs/domain/task/events.js';
import type { MoveTo, TaskMoved } from '#libs/domain/task/move-events.js';
import { moveTask } from '#libs/domain/task/move-task.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import { dispatched, later, NOW_MS, stepSpec, submitted } from '#libs/testing/builders.js';
import { snapshotWith, UNKNOWN_COSTS } from '#libs/testing/snapshots.js';

type Fact = TaskRecord['event'];

/** A scheduler's book and index; one second for each fact. */
class Queue {
  readonly book: TaskBook = emptyBook();
  readonly index = new TaskIndex(this.book, UNKNOWN_COSTS);

  constructor(...facts: readonly Fact[]) {
    for (const fact of facts) this.happens(fact);
  }

  get at(): string {
    return later(this.book.seq * 1_000);
  }

  get nowMs(): number {
    return NOW_MS + this.book.seq * 1_000;
  }

  happens(event: Fact): this {
    applyToBook(this.book, { seq: this.book.seq + 1, event });
    if ('taskId' in event) this.index.refresh(event.taskId, this.nowMs);
    return this;
  }

  decide(taskId: string, to: MoveTo): ReturnType<typeof moveTask> {
    const { book, index, nowMs } = this;
    return moveTask({ taskId, to, reason: 'a demo', by: 'ada' }, book, {
      at: this.at,
      placeOf: (task) => index.placeOf(task),
      promiseAgain: (task) => promiseAgain(task, nowMs, book, index.bounds),
    });
  }

  /** What was recorded; null where nothing was. Throws where it is refused. */
  move(taskId: string, to: MoveTo): TaskMoved | null {
    const decision = this.decide(taskId, to);
    if (isRefused(decision)) throw new Error(decision.refused.message);
    for (const event of decision) this.happens(event);
    return (decision[0] as TaskMoved | undefined) ?? null;
  }

  /** The tasks that are ready, in the order in which they go within one workspace. */
  order(workspace = 'home'): string {
    const ranking = {
      mustRun: () => false,
      someMustRun: false,
      levelOf: () => 0,
      agingMs: this.book.policy.agingMs,
    };
    const steps = this.index.ready.groups(ranking).flatMap((group) => [...group.steps]);
    return steps
      .filter((step) => step.workspace === workspace)
      .toSorted((a, b) => byPlace(a, b, ranking.agingMs))
      .map(({ taskId }) => taskId)
      .join(' ');
  }
}

const task = (taskId: string, more: Partial<TaskSubmitted> = {}): TaskSubmitted =>
  submitted({ taskId, submittedAt: later(0), ...more });

const five = (): Queue => new Queue(...['a', 'b', 'c', 'd', 'e'].map((id) => task(id)));

const before = (taskId: string): MoveTo => ({ kind: 'before', taskId });
const after = (taskId: string): MoveTo => ({ kind: 'after', taskId });
const FRONT: MoveTo = { kind: 'front' };
const BACK: MoveTo = { kind: 'back' };

describe('moving a task that waits', () => {
  it.each<{ readonly moves: readonly (readonly [string, MoveTo])[]; readonly order: string }>([
    { moves: [['d', FRONT]], order: 'd a b c e' },
    { moves: [['b', BACK]], order: 'a c d e b' },
    { moves: [['e', before('b')]], order: 'a e b c d' },
    { moves: [['a', after('c')]], order: 'b c a d e' },
    // The last one said is the nearest, as somebody who says it twice would mean it.
    { moves: [['d', before('b')], ['e', before('b')]], order: 'a d e b c' }, // prettier-ignore
    {
      moves: [
        ['d', after('a')],
        ['e', after('a')],
      ],
      order: 'a e d b c',
    },
    {
      moves: [
        ['d', FRONT],
        ['e', FRONT],
      ],
      order: 'e d a b c',
    },
    {
      moves: [
        ['a', BACK],
        ['b', BACK],
      ],
      order: 'c d e a b',
    },
    // Beside one that was moved itself; and that one goes on without it.
    {
      moves: [
        ['e', before('b')],
        ['d', before('e')],
      ],
      order: 'a d e b c',
    },
    {
      moves: [
        ['e', before('b')],
        ['d', after('e')],
      ],
      order: 'a e d b c',
    },
    {
      moves: [
        ['e', before('b')],
        ['d', after('e')],
        ['e', BACK],
      ],
      order: 'a d b c e',
    },
    {
      moves: [
        ['e', FRONT],
        ['e', BACK],
        ['e', after('a')],
      ],
      order: 'a e b c d',
    },
    {
      moves: [
        ['a', after('b')],
        ['b', after('a')],
        ['a', after('b')],
      ],
      order: 'b a c d e',
    },
  ])('gives $order', ({ moves, order }) => {
    const queue = five();
    for (const [taskId, to] of moves) queue.move(taskId, to);
    expect(queue.order()).toBe(order);
  });

  it('says who, why, next to whom and where that is', () => {
    expect(five().move('e', before('b'))).toEqual({
      type: 'task.moved',
      taskId: 'e',
      to: before('b'),
      place: { priority: 5, seq: 2, from: later(0), nth: [-(2 ** 32)] },
      reason: 'a demo',
      by: 'ada',
      at: later(5_000),
    });
  });

  it.each<[string, MoveTo]>([
    ['a', FRONT],
    ['e', BACK],
    ['b', before('c')],
    ['c', after('b')],
  ])('records nothing where %s is there already (%j)', (taskId, to) => {
    expect(five().move(taskId, to)).toBeNull();
  });

  it('records nothing when the same is said twice, and a task alone in its workspace is first and last', () => {
    const queue = five();
    queue.move('e', before('b'));
    expect(queue.move('e', before('b'))).toBeNull();
    const alone = new Queue(task('a'), task('x', { workspace: 'lab' }));
    expect([alone.move('x', FRONT), alone.move('x', BACK)]).toEqual([null, null]);
  });

  it('counts priorities and waiting of what is there, and tasks that wait for others', () => {
    const queue = new Queue(
      task('low', { priority: 1 }),
      task('high', { priority: 10, dependsOn: ['low'] }),
      task('mid'),
      task('late', { priority: 1 }),
    );
    queue.move('late', FRONT);
    expect(queue.order()).toBe('late low mid');
    expect(queue.book.open.get('late')?.moved?.place).toMatchObject({ priority: 10, seq: 1 });
  });

  it('keeps the place among the others when a level of priority is worth something else', () => {
    const queue = new Queue(
      task('high', { priority: 9 }),
      task('a'),
      task('b'),
      task('low', { priority: 2 }),
    );
    queue.move('a', after('low'));
    queue.move('b', before('high'));
    expect(queue.order()).toBe('b high low a');
    queue.happens({ type: 'policy.changed', policy: { ...queue.book.policy, agingMs: 1 }, at: queue.at });
    expect(queue.order()).toBe('b high low a');
  });

  it('holds against an inherited priority, and what comes later with a higher one still goes first by what that is worth', () => {
    const queue = new Queue(task('a'), task('b'), task('c'));
    queue.move('a', BACK);
    queue.happens(task('d', { priority: 10, dependsOn: ['a'] }));
    queue.happens(task('e', { priority: 6 }));
    expect(queue.order()).toBe('e b c a');
  });

  it('ends with a new priority, also with the one that it has', () => {
    const queue = five();
    queue.move('e', FRONT);
    for (const fact of changePriority('e', 5, queue.book, queue.at) as readonly Fact[]) queue.happens(fact);
    expect([queue.order(), queue.book.open.get('e')?.moved]).toEqual(['a b c d e', null]);
    queue.move('a', BACK);
    for (const fact of changePriority('a', 9, queue.book, queue.at) as readonly Fact[]) queue.happens(fact);
    expect(queue.order()).toBe('a b c d e');
    expect(changePriority('a', 9, queue.book, queue.at)).toEqual([]);
  });

  it('is not handed on to a task that repeats it', () => {
    const queue = five();
    queue.move('e', FRONT);
    queue.happens({ type: 'task.cancelled', taskId: 'e', reason: 'x', stopped: [], at: queue.at });
    queue.happens(task('again', { rerunOf: 'e' }));
    expect(queue.order()).toBe('a b c d again');
  });

  it('leaves room beside a task that runs and may wait again', () => {
    const queue = five();
    const first = queue.move('d', after('a'));
    queue.happens(dispatched('a', 1, { taskId: 'd' }));
    const second = queue.move('e', after('a'));
    expect(second?.place.nth).not.toEqual(first?.place.nth);
    expect(second?.place.seq).toBe(first?.place.seq);
  });
});

describe('the promise of a task that is moved', () => {
  const promised = (): Queue => {
    const queue = new Queue();
    const promise = { startBy: later(600_000), allowanceMs: 1, aheadMs: 0, attemptMs: 1, swapMs: 1 };
    for (const id of ['a', 'b', 'c']) queue.happens(task(id, { promise }));
    return queue;
  };

  it('is given up by one that goes back, for that of a task that comes now', () => {
    const queue = promised();
    const workMs = queue.index.bounds.workAheadMs('none', 'cpu');
    const event = queue.move('a', after('b'));
    const fresh = new Queue(task('b'), task('c'));
    expect(event?.promise?.aheadMs).toBe(fresh.index.bounds.workAheadMs('none', 'cpu'));
    expect(event?.promise?.aheadMs).toBeLessThan(workMs);
    expect(queue.index.bounds.boundOf('a', 'a')).toMatchObject({ readyAtMs: NOW_MS + 3_000 });
    expect(queue.book.open.get('a')?.promise).toEqual(event?.promise);
  });

  it('counts no more for those that were behind it, and theirs count for it', () => {
    const queue = promised();
    const { bounds } = queue.index;
    const one = bounds.workAheadMs('b', 'cpu');
    queue.move('a', BACK);
    expect(['b', 'c', 'a'].map((id) => bounds.workAheadMs(id, 'cpu'))).toEqual([0, one, 2 * one]);
    queue.happens(task('d'));
    expect(bounds.workAheadMs('d', 'cpu')).toBe(3 * one);
  });

  it('stays with one that goes forward, and with those that it passes', () => {
    const queue = promised();
    const before = ['a', 'b', 'c'].map((id) => queue.index.bounds.boundOf(id, 'a'));
    expect(queue.move('c', FRONT)).not.toHaveProperty('promise');
    expect(['a', 'b', 'c'].map((id) => queue.index.bounds.boundOf(id, 'a'))).toEqual(before);
  });

  it.each<{ readonly what: string; readonly facts: readonly Fact[]; readonly at?: string }>([
    {
      what: 'waits for another task',
      facts: [task('x'), task('a', { dependsOn: ['x'] }), task('b')],
    },
    {
      what: 'has begun',
      facts: [
        task('a', { steps: [stepSpec('a'), stepSpec('b')] }),
        dispatched('a', 1, { taskId: 'a' }),
        task('b'),
      ],
    },
  ])('is followed by no other one where the task $what', ({ facts }) => {
    expect(new Queue(...facts).move('a', BACK)).toMatchObject({ promise: null });
  });

  it('is kept whole by a scheduler that starts anew', () => {
    const queue = promised();
    queue.move('a', BACK);
    queue.happens(task('d'));
    const anew = new TaskIndex(queue.book, UNKNOWN_COSTS);
    anew.rebuild(queue.nowMs);
    for (const id of ['a', 'b', 'c', 'd'])
      expect(anew.bounds.workAheadMs(id, 'cpu')).toBe(queue.index.bounds.workAheadMs(id, 'cpu'));
    expect(anew.bounds.boundOf('a', 'a')).toEqual(queue.index.bounds.boundOf('a', 'a'));
  });
});

describe('a task that was overtaken for as long as it may be', () => {
  it('goes before what people have moved before it, and that before what only came later', () => {
    const queue = five();
    queue.move('e', FRONT);
    queue.move('c', BACK);
    const nowMs = NOW_MS + 24 * 3_600_000;
    const overtaken = { cpu: queue.index.overtaken('cpu', nowMs), model: null };
    expect(overtaken.cpu?.taskId).toBe('a');
    const ordered = (last: ReadyStep | null) => {
      const { ready } = queue.index;
      const snapshot = snapshotWith({ ready, ledger: emptyLedger(), overtaken: { cpu: last, model: null } });
      const [group] = ready.groups(rankingOf(snapshot));
      return [...(group?.steps ?? [])].map(({ taskId }) => taskId).join(' ');
    };
    expect(ordered(null)).toBe('e a b d c');
    expect(ordered(overtaken.cpu)).toBe('a e b d c');
    // It stands behind all others in the line of promises since it was moved back.
    expect(ordered(queue.index.ready.find('d', 'a') ?? null)).toBe('a b d e c');
    expect(ordered(queue.index.ready.find('c', 'a') ?? null)).toBe('e a b d c');
  });
});

describe('a move', () => {
  const refused = (queue: Queue, taskId: string, to: MoveTo) => {
    const decision = queue.decide(taskId, to);
    return isRefused(decision) ? `${decision.refused.code}: ${decision.refused.message}` : decision;
  };
  const ended: Fact = { type: 'task.cancelled', taskId: 'b', reason: 'x', stopped: [], at: later(0) };
  const failing: Fact = {
    type: 'task.failing',
    taskId: 'b',
    failure: { code: 'MODEL_ERROR', message: 'x' },
    at: later(0),
  };
  const asked: Fact = { type: 'task.cancel-requested', taskId: 'b', reason: 'x', at: later(0) };
  const tomorrow = later(86_400_000);

  it.each<{ readonly what: string; readonly facts: readonly Fact[]; readonly says: RegExp }>([
    { what: 'that nobody submitted', facts: [], says: /^TASK_UNKNOWN: .*'b'/ },
    { what: 'that is over', facts: [task('b'), ended], says: /^TASK_ALREADY_OVER: .*cancelled; .*move/ },
    {
      what: 'of which all runs',
      facts: [task('b'), dispatched('a', 1, { taskId: 'b' })],
      says: /^TASK_NOT_QUEUED: .*running or done/,
    },
    { what: 'that has failed', facts: [task('b'), failing], says: /^TASK_NOT_QUEUED: .*failed/ },
    { what: 'that is asked to stop', facts: [task('b'), asked], says: /^TASK_NOT_QUEUED: .*cancelled/ },
    {
      what: 'whose time has not come',
      facts: [task('b', { runAt: tomorrow })],
      says: new RegExp(`^TASK_NOT_QUEUED: .*${tomorrow}`),
    },
  ])('of a task $what is refused', ({ facts, says }) => {
    expect(refused(new Queue(task('a'), ...facts), 'b', FRONT)).toMatch(says);
  });

  it.each<{ readonly what: string; readonly facts: readonly Fact[]; readonly says: RegExp }>([
    { what: 'that nobody submitted', facts: [], says: /'after' names b: there is no such task/ },
    { what: 'that is over', facts: [task('b'), ended], says: /it has cancelled; name one that waits/ },
    {
      what: 'of which all runs',
      facts: [task('b'), dispatched('a', 1, { taskId: 'b' })],
      says: /running or done; name one/,
    },
    { what: 'of another workspace', facts: [task('b', { workspace: 'lab' })], says: /'lab'.*'home'/ },
    { what: 'whose time has not come', facts: [task('b', { runAt: tomorrow })], says: /not to run before/ },
  ])('behind a task $what is refused', ({ facts, says }) => {
    const queue = new Queue(task('a'), ...facts);
    expect(refused(queue, 'a', after('b'))).toMatch(/^MOVE_REFERENCE_INVALID: /);
    expect(refused(queue, 'a', after('b'))).toMatch(says);
  });

  it('next to itself is refused', () => {
    expect(refused(five(), 'a', before('a'))).toMatch(/^MOVE_REFERENCE_INVALID: .*itself/);
  });

  it('of a running task is accepted while a later step of it waits', () => {
    const steps = [stepSpec('a'), stepSpec('b', { needs: ['a'] })];
    const queue = new Queue(task('x'), task('b', { steps }), dispatched('a', 1, { taskId: 'b' }));
    expect(queue.move('b', FRONT)).toMatchObject({ type: 'task.moved' });
  });
});
