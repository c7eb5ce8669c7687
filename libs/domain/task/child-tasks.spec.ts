import { describe, expect, it } from '@jest/globals';
import type { Failure } from '#libs/domain/errors.js';
import { TASK_DEPTH_MAX } from '#libs/domain/task/child-part.js';
import {
  beginChild,
  decideChild,
  missingWaits,
  stopChildren,
  type WantedChild,
} from '#libs/domain/task/child-tasks.js';
import { withPinnedChildren } from '#libs/domain/task/child-versions.js';
import { cancelTask, failTask, isRefused, submitTask } from '#libs/domain/task/decide.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import { forceCancel } from '#libs/domain/task/force-cancel.js';
import { stepsOver } from '#libs/domain/task/kept-steps.js';
import { recordReport } from '#libs/domain/task/outcome.js';
import { expireTask } from '#libs/domain/task/queue-time.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { applyToBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import {
  dispatched,
  later,
  NOW,
  NOW_MS,
  report,
  stepSpec,
  submission,
  submitted,
  success,
  TEMPLATE,
  templateRegistered,
} from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf } from '#libs/testing/spec.js';

const SUBMITS = { waits: 'task', child: { template: TEMPLATE.name, numCtx: 4096 } } as const;
const A = stepSpec('a', SUBMITS);
const LIMITS = { openTasksMax: 10 };

const parent = (more: Partial<Omit<TaskSubmitted, 'type'>> = {}): TaskSubmitted =>
  submitted({ steps: [A], ...more });
const wanted = (more: Partial<WantedChild> = {}): WantedChild => ({
  step: A,
  attempt: 1,
  childTaskId: 'c1',
  planned: { ok: true, template: TEMPLATE, parameters: { x: 1 }, steps: [stepSpec('s')] },
  priority: null,
  at: later(1_000),
  ...more,
});
const open = (book: TaskBook, id = 't1'): OpenTask => {
  const task = book.open.get(id);
  if (task === undefined) throw new Error(`${id} is not open`);
  return task;
};
const after = (book: TaskBook, ...events: readonly TaskEvent[]): TaskBook => {
  for (const event of events) applyToBook(book, { seq: book.seq + 1, event });
  return book;
};
/** A parent whose step `a` waits for `c1`. */
const waiting = (more: Partial<Omit<TaskSubmitted, 'type'>> = {}, step: StepSpec = A): TaskBook => {
  const book = bookOf([templateRegistered, parent({ steps: [step], ...more })]);
  return after(book, ...beginChild(open(book), wanted({ step }), book, LIMITS));
};
const given = (ms: number) => ({
  at: later(ms),
  random: 1,
  result: () => ({ ok: true, result: 'made' }) as const,
});
const BROKEN: Failure = { code: 'MODEL_ERROR', message: 'broken' };
const childCompleted: TaskEvent = {
  type: 'task.completed',
  taskId: 'c1',
  step: success('s'),
  result: { n: 1 },
  at: later(5_000),
};
const childFailed = (failure = BROKEN): TaskEvent => ({
  type: 'task.failed',
  taskId: 'c1',
  failure,
  stopped: [],
  at: later(5_000),
});
const childCancelled = (ms = 5_000): TaskEvent => ({
  type: 'task.cancelled',
  taskId: 'c1',
  reason: 'not needed',
  stopped: [],
  at: later(ms),
});
const RETRIES = { retry: { attemptsMax: 2, backoffMs: 1_000 } };

describe('a step that is a task', () => {
  it('submits its child, which has what its parent has, and then waits for it', () => {
    const of = { labels: { team: 'a' }, priority: 7, deadlineAt: later(60_000), queueTtlMs: 10_000 };
    const book = bookOf([templateRegistered, parent(of)]);
    expect(beginChild(open(book), wanted(), book, LIMITS)).toEqual([
      submitted({
        taskId: 'c1',
        parameters: { x: 1 },
        steps: [stepSpec('s')],
        submittedAt: later(1_000),
        labels: of.labels,
        priority: 7,
        deadlineAt: later(60_000),
        queueTtlMs: 9_000,
        parent: { taskId: 't1', stepId: 'a', attempt: 1, depth: 1 },
      }),
      {
        type: 'step.waiting',
        taskId: 't1',
        stepId: 'a',
        waiting: { kind: 'task', childTaskId: 'c1', template: TEMPLATE, attempt: 1 },
        at: later(1_000),
      },
    ]);
    expect(beginChild(open(book), wanted({ priority: 2 }), book, LIMITS)[0]).toMatchObject({ priority: 2 });
  });

  it('submits none before its turn, while it is held back, and none again', () => {
    const book = bookOf([templateRegistered, parent({ steps: [stepSpec('b'), { ...A, needs: ['b'] }] })]);
    expect(beginChild(open(book), wanted(), book, LIMITS)).toEqual([]);
    const waits = waiting();
    expect(beginChild(open(waits), wanted({ attempt: 2, childTaskId: 'c2' }), waits, LIMITS)).toEqual([]);
    const paused = bookOf([
      templateRegistered,
      parent(),
      { type: 'scheduling.paused', scope: 'workspace:home', reason: 'x', by: 'ada', at: NOW },
    ]);
    expect(beginChild(open(paused), wanted(), paused, LIMITS)).toEqual([]);
  });

  it('waits for the one child that there is when who submitted it died in between', () => {
    const book = bookOf([templateRegistered, parent()]);
    const [child, wait] = beginChild(open(book), wanted(), book, LIMITS);
    if (!child || !wait) throw new Error('nothing has begun');
    expect(missingWaits(after(book, child))).toEqual([wait]);
    expect(missingWaits(after(book, wait))).toEqual([]);
    expect(missingWaits(after(book, childCompleted))).toEqual([]);
  });

  it('fails its task where the child is refused, and says which step and why', () => {
    const book = bookOf([templateRegistered, parent()]);
    const failed = (more: Partial<WantedChild>, limits = LIMITS) =>
      beginChild(open(book), wanted(more), book, limits);
    const failure: Failure = { code: 'PARAMETERS_INVALID', message: 'parameters.x: is missing' };
    expect(failed({ planned: { ok: false, failure } })).toMatchObject([
      {
        type: 'task.failed',
        failure: {
          code: 'PARAMETERS_INVALID',
          message: "Step 'a' cannot submit its task: parameters.x: is missing",
        },
      },
    ]);
    expect(failed({}, { openTasksMax: 1 })).toMatchObject([{ failure: { code: 'QUEUE_FULL' } }]);
    expect(failed({ childTaskId: 't1' })).toMatchObject([{ failure: { code: 'TASK_EXISTS' } }]);
  });

  it('submits none below as many tasks as are allowed', () => {
    const above = (depth: number) => ({ taskId: 't0', stepId: 'a', attempt: 1, depth });
    const at = (depth: number) => {
      const book = bookOf([templateRegistered, parent({ parent: above(depth) })]);
      return beginChild(open(book), wanted(), book, LIMITS);
    };
    expect(at(TASK_DEPTH_MAX - 1)).toMatchObject([{ parent: { depth: TASK_DEPTH_MAX } }, {}]);
    expect(at(TASK_DEPTH_MAX)).toMatchObject([{ type: 'task.failed', failure: { code: 'TASK_TOO_DEEP' } }]);
  });
});

describe('a child that has ended', () => {
  it('is what its step gives, and ends a task of which that was the last', () => {
    const book = after(waiting(), childCompleted);
    const output = { output: { n: 1 }, task_id: 'c1', status: 'completed' };
    expect(decideChild(open(book), given(5_000))).toEqual([
      {
        type: 'task.completed',
        taskId: 't1',
        waited: { stepId: 'a', waitingSeq: 4, output },
        result: 'made',
        at: later(5_000),
      },
    ]);
    expect(decideChild(open(waiting()), given(5_000))).toEqual([]);
  });

  it('fails its step, which says which task failed and why, and what was wrong in the first place', () => {
    const book = after(waiting(), childFailed());
    const [failed] = decideChild(open(book), given(5_000));
    expect(failed).toMatchObject({
      type: 'task.failed',
      failure: {
        code: 'CHILD_TASK_FAILED',
        message: "Task c1 (summarize) of step 'a' has failed: MODEL_ERROR: broken",
        details: { taskId: 'c1', cause: 'MODEL_ERROR' },
      },
    });
    const deep = { code: 'CHILD_TASK_FAILED', message: 'm', details: { cause: 'SCRIPT_FAILED' } } as const;
    const outer = after(waiting(), childFailed(deep));
    expect(decideChild(open(outer), given(5_000))).toMatchObject([
      { failure: { details: { cause: 'SCRIPT_FAILED' } } },
    ]);
  });

  it('goes on without it where the step says so', () => {
    const steps = [{ ...A, onFailure: 'continue' as const }, stepSpec('b')];
    const book = after(waiting({ steps }), childFailed());
    expect(decideChild(open(book), given(5_000))).toMatchObject([
      { type: 'step.waited', waited: { failure: { code: 'CHILD_TASK_FAILED' } } },
    ]);
  });

  it('is followed by another one where its step retries, until the tries are over', () => {
    const step = { ...A, ...RETRIES };
    const book = after(waiting({}, step), childFailed());
    const [again] = decideChild(open(book), given(5_000));
    expect(again).toMatchObject({ type: 'step.waited', waited: { retryAt: later(6_000) } });
    if (again === undefined) throw new Error('nothing follows');
    after(book, again);
    expect(open(book).steps[0]?.progress).toMatchObject({
      status: 'pending',
      attempts: 1,
      notBefore: later(6_000),
    });
    const second = wanted({ step, attempt: 2, childTaskId: 'c2', at: later(6_000) });
    after(book, ...beginChild(open(book), second, book, LIMITS), { ...childFailed(), taskId: 'c2' });
    expect(decideChild(open(book), given(7_000))).toMatchObject([{ type: 'task.failed' }]);
    expect(stepsOver([again])).toEqual(new Map());
  });

  it.each([
    ['is final', { code: 'STEP_INPUT_INVALID', message: 'wrong' }, undefined, false],
    ['is not named', BROKEN, ['SCRIPT_FAILED'], false],
    ['is named', BROKEN, ['MODEL_ERROR'], true],
    ['was an interruption', { code: 'LEASE_LOST', message: 'gone' }, ['MODEL_ERROR'], true],
  ] as const)('is retried by its own failure: it %s', (_, failure, on, isRetried) => {
    const step = { ...A, retry: { attemptsMax: 2, backoffMs: 1_000, ...(on ? { on } : {}) } };
    const [next] = decideChild(open(after(waiting({}, step), childFailed(failure))), given(5_000));
    expect(next?.type).toBe(isRetried ? 'step.waited' : 'task.failed');
  });

  it('fails its step when somebody cancelled it, and is not made again', () => {
    const book = after(waiting({}, { ...A, ...RETRIES }), childCancelled());
    expect(decideChild(open(book), given(5_000))).toMatchObject([
      {
        type: 'task.failed',
        failure: {
          code: 'CHILD_TASK_CANCELLED',
          message: "Task c1 (summarize) of step 'a' was cancelled: not needed",
        },
      },
    ]);
  });
});

describe('a parent that ends', () => {
  const cancelled = (book: TaskBook): readonly TaskEvent[] => {
    const decision = cancelTask('t1', 'enough', book, later(2_000));
    if (isRefused(decision)) throw new Error(decision.refused.message);
    return decision;
  };

  it('stops its child first, and is cancelled when that has stopped', () => {
    const book = after(waiting(), dispatched('s', 1, { taskId: 'c1' }));
    const asked = cancelled(book);
    expect(asked).toMatchObject([{ type: 'task.cancel-requested' }]);
    after(book, ...asked);
    const stops = stopChildren(open(book), book, later(2_000));
    expect(stops).toMatchObject([
      { type: 'task.cancel-requested', taskId: 'c1', reason: "task t1, whose step 'a' it is, was cancelled" },
    ]);
    after(book, ...stops);
    expect(stopChildren(open(book), book, later(2_000))).toEqual([]);
    expect(decideChild(open(book), given(3_000))).toEqual([]);
    after(book, childCancelled());
    expect(decideChild(open(book), given(5_000))).toEqual([
      { type: 'task.cancelled', taskId: 't1', reason: 'enough', stopped: [], at: later(5_000) },
    ]);
  });

  it('fails for what it failed, behind its child', () => {
    const book = waiting({ steps: [A, stepSpec('b')] });
    after(book, ...failTask(open(book), BROKEN, later(2_000)));
    after(book, ...stopChildren(open(book), book, later(2_000)));
    expect(decideChild(open(book), given(2_000))).toEqual([
      { type: 'task.failed', taskId: 't1', failure: BROKEN, stopped: [], at: later(2_000) },
    ]);
  });

  it('fails for its child though another step completes before it was stopped', () => {
    const book = waiting({ steps: [A, stepSpec('b')] });
    after(book, dispatched('b'), childFailed());
    const failing = decideChild(open(book), given(5_000));
    expect(failing).toMatchObject([{ type: 'task.failing', failure: { code: 'CHILD_TASK_FAILED' } }]);
    after(book, ...failing);
    expect(
      recordReport(open(book), report({ kind: 'completed', output: 1 }, 'b'), given(6_000)),
    ).toMatchObject([
      {
        type: 'task.failed',
        failure: { code: 'CHILD_TASK_FAILED' },
        stopped: [{ stepId: 'b', how: 'ended-first' }],
      },
    ]);
  });

  it('runs the steps at its end behind its child, and those of the child behind what that ran', () => {
    const end = stepSpec('end', { atEnd: { limitMs: 60_000 } });
    const book = bookOf([templateRegistered, parent({ steps: [A, end] })]);
    const planned = { ok: true, template: TEMPLATE, parameters: {}, steps: [stepSpec('s'), end] } as const;
    after(book, ...beginChild(open(book), wanted({ planned }), book, LIMITS));
    after(book, dispatched('s', 1, { taskId: 'c1' }), ...cancelled(book));
    after(book, ...stopChildren(open(book), book, later(2_000)));
    const stopped = recordReport(
      open(book, 'c1'),
      report({ kind: 'cancelled', confirmed: true }, 's'),
      given(3_000),
    );
    expect(stopped).toMatchObject([{ type: 'task.finishing', taskId: 'c1', end: { status: 'cancelled' } }]);
    after(book, ...stopped);
    expect(stopChildren(open(book), book, later(3_000))).toEqual([]);
    expect(decideChild(open(book), given(3_000))).toEqual([]);
    after(book, childCancelled());
    const finishing = decideChild(open(book), given(5_000));
    expect(finishing).toEqual([
      {
        type: 'task.finishing',
        taskId: 't1',
        end: { status: 'cancelled', reason: 'enough', stopped: [] },
        until: later(65_000),
        at: later(5_000),
      },
    ]);
    after(book, ...finishing);
    expect(open(book).steps.map(({ progress }) => progress.status)).toEqual(['stopped', 'pending']);
    expect(decideChild(open(book), given(6_000))).toEqual([]);
    expect(stopChildren(open(book), book, later(6_000))).toEqual([]);
  });

  it('comes to its end by a child once, however many others of its list had to be stopped', () => {
    const step = { ...A, forEach: { concurrency: 2 } };
    const steps = [step, stepSpec('end', { atEnd: { limitMs: 60_000 } })];
    const book = bookOf([templateRegistered, parent({ steps })]);
    after(book, { type: 'step.expanded', taskId: 't1', stepId: 'a', items: 2, at: NOW });
    for (const [n, childTaskId] of ['c1', 'c2'].entries()) {
      const item = { ...A, id: `a[${n}]` };
      after(book, ...beginChild(open(book), wanted({ step: item, childTaskId }), book, LIMITS));
    }
    after(book, childFailed());
    const failing = decideChild(open(book), given(5_000));
    expect(failing).toMatchObject([{ type: 'task.failing', waited: { stepId: 'a[0]' } }]);
    after(book, ...failing);
    after(book, ...stopChildren(open(book), book, later(5_000)));
    const finishing = decideChild(open(book), given(5_000));
    expect(finishing).toMatchObject([
      { type: 'task.finishing', end: { status: 'failed', waited: { stepId: 'a[0]' }, stopped: [] } },
    ]);
    after(book, ...finishing);
    const { finishing: end, steps: left } = open(book);
    expect(end?.end).toMatchObject({ status: 'failed', stepId: 'a' });
    expect(left.map(({ progress: { status } }) => status)).toEqual(['failed', 'pending']);
  });

  it('has its child cancelled with force where it is, and neither waits for steps at an end', () => {
    const end = stepSpec('end', { atEnd: { limitMs: 60_000 } });
    const book = bookOf([templateRegistered, parent({ steps: [A, end] })]);
    const planned = { ok: true, template: TEMPLATE, parameters: {}, steps: [stepSpec('s'), end] } as const;
    after(book, ...beginChild(open(book), wanted({ planned }), book, LIMITS));
    const asked = forceCancel('t1', 'enough', book, later(2_000));
    if (isRefused(asked)) throw new Error(asked.refused.message);
    expect(asked).toMatchObject([{ type: 'task.cancel-requested', force: true }]);
    after(book, ...asked);
    const stops = stopChildren(open(book), book, later(2_000));
    expect(stops).toMatchObject([{ type: 'task.cancelled', taskId: 'c1' }]);
    after(book, ...stops);
    expect(decideChild(open(book), given(2_000))).toMatchObject([
      { type: 'task.cancelled', taskId: 't1', cut: 'forced' },
    ]);
  });

  it('does not expire while its child waits', () => {
    const book = waiting({ queueTtlMs: 2_000 });
    expect(expireTask(open(book), NOW_MS + 60_000)).toEqual([]);
    expect(expireTask(open(book, 'c1'), NOW_MS + 60_000)).toMatchObject([{ type: 'task.failed' }]);
  });
});

describe('a step that is a task and has a time', () => {
  const step = { ...A, timeoutMs: 10_000 };

  it('has its child cancelled then, and has run out of time', () => {
    const book = waiting({}, step);
    expect(stopChildren(open(book), book, later(10_999))).toEqual([]);
    const stops = stopChildren(open(book), book, later(11_000));
    expect(stops).toMatchObject([{ type: 'task.cancelled', taskId: 'c1' }]);
    after(book, ...stops);
    expect(decideChild(open(book), given(11_000))).toMatchObject([
      { failure: { code: 'STEP_TIMED_OUT', details: { taskId: 'c1' } } },
    ]);
  });

  it('is done all the same when its child completes before it has stopped', () => {
    const book = after(waiting({}, step), { ...childCompleted, at: later(12_000) });
    expect(decideChild(open(book), given(12_000))).toMatchObject([{ type: 'task.completed' }]);
  });
});

describe('the index', () => {
  const indexOf = (book: TaskBook) => {
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS + 1_000);
    return index;
  };

  it('tells of a parent whose child has ended, however it ended', () => {
    for (const end of [childCompleted, childFailed(), childCancelled()]) {
      const book = waiting();
      const index = indexOf(book);
      expect(index.waiting.children.take()).toEqual([]);
      after(book, end);
      index.refresh('c1', NOW_MS + 5_000);
      // Of one that did not complete its dependents are told, and refreshed by who is told.
      if (end.type !== 'task.completed') expect(index.takeDependents('c1')).toEqual(['t1']);
      index.refresh('t1', NOW_MS + 5_000);
      expect(index.waiting.children.take()).toEqual(['t1']);
    }
  });

  it('hands the priority of a parent on to its child, as long as it waits, and raises it with the parent', () => {
    const book = waiting({ priority: 3 });
    const index = indexOf(book);
    const priority = () => index.ready.find('c1', 's')?.priority;
    expect(priority()).toBe(3);
    after(book, { type: 'task.priority-changed', taskId: 't1', priority: 9, at: later(2_000) });
    index.refresh('t1', NOW_MS + 2_000);
    expect(priority()).toBe(9);
  });
});

describe('the versions that a submission pins', () => {
  const versions = (...hashes: readonly string[]) =>
    bookOf(
      hashes.map((version) => ({
        type: 'template.registered' as const,
        template: { name: 'child', version },
        definition: {},
        at: NOW,
      })),
    );
  const pinned = (version: string | undefined, book: TaskBook) =>
    withPinnedChildren(
      [
        stepSpec('a', {
          ...SUBMITS,
          child: { template: 'child', numCtx: 1, ...(version ? { version } : {}) },
        }),
      ],
      book,
    );

  it.each([
    [undefined, 'h1'],
    ['2', 'h2'],
    ['h1', 'h1'],
  ])('of %s is %s, where the first came back last', (version, hash) => {
    expect(pinned(version, versions('h1', 'h2', 'h1'))).toMatchObject({
      steps: [{ child: { template: 'child', version: hash } }],
    });
  });

  it('are refused where there are none, with the place and what there is', () => {
    const message = (version: string | undefined, book: TaskBook) => {
      const made = pinned(version, book);
      return 'refused' in made ? made.refused.message : '';
    };
    expect(message('7', versions('h1', 'h2'))).toBe(
      "steps.a.with.template: 'child@7' is not a version of its template; accepted: 1 (h1), 2 (h2).",
    );
    expect(message(undefined, bookOf([]))).toBe(
      "steps.a.with.template: 'child' is not a template that is registered.",
    );
    const steps = [stepSpec('a', { ...SUBMITS, child: { template: 'nobody', numCtx: 1 } })];
    expect(submitTask(submission({ steps }), bookOf([templateRegistered]), LIMITS)).toMatchObject({
      refused: { code: 'TEMPLATE_VERSION_UNKNOWN' },
    });
  });
});
