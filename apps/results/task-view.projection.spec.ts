import { describe, expect, it } from '@jest/globals';
import type { Failure } from '#libs/domain/errors.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import type { MoveTo } from '#libs/domain/task/move-events.js';
import type { StoredEvent } from '#libs/event-log/event-log.js';
import {
  dispatched,
  failureOf,
  later,
  needsModel,
  NOW,
  NOW_MS,
  stepSpec,
  stoppedAttempt,
  submitted,
  success,
  TEMPLATE,
  templateRegistered,
} from '#libs/testing/builders.js';
import { questionOf } from '#libs/testing/questions.js';
import { remembered, type TaskDoc } from './task-doc.js';
import { foldTaskEvents, taskIdsOf, type TaskChanges } from './task-view.projection.js';

/** These facts as the log holds them, the first at `from`. */
const stored = (facts: readonly (TaskEvent | SchedulerEvent)[], from = 1, version = 1): StoredEvent[] =>
  facts.map(({ type, ...data }, place) => ({
    id: `event-${from + place}`,
    seq: from + place,
    type,
    version,
    subject: `evt.task.t1.${type}`,
    time: NOW,
    data,
    epoch: 1,
    hash: `hash-${from + place}`,
    prevHash: `hash-${from + place - 1}`,
  }));

const NOBODY: ReadonlyMap<string, TaskDoc> = new Map();
const fold = (...facts: readonly (TaskEvent | SchedulerEvent)[]): TaskChanges =>
  foldTaskEvents(stored(facts), NOBODY);

/** What is written of task `t1` when it is submitted. */
const factsOf = (fact: TaskEvent) => fold(fact).submitted.get('t1');

/** Task `t1` after these facts. */
const taskAfter = (...facts: readonly TaskEvent[]): TaskDoc => {
  const doc = fold(...facts).docs.get('t1');
  if (!doc) throw new Error('there is no task t1');
  return doc;
};

const BUSY: Failure = { code: 'SERVER_BUSY', message: 'gpu1 is busy' };
const REFUSED: Failure = { code: 'MODEL_REQUEST_REFUSED', message: 'no' };
const twoSteps = submitted({ steps: [stepSpec('a'), stepSpec('b', { needs: ['a'] })] });
const abreast = submitted({ steps: [stepSpec('a'), stepSpec('b')] });
const retried: TaskEvent = {
  type: 'step.failed',
  taskId: 't1',
  step: failureOf('a', 1, BUSY),
  retryAt: later(1000),
};
const firstDone: TaskEvent = { type: 'step.completed', taskId: 't1', step: success('a') };
const cancelAsked: TaskEvent = {
  type: 'task.cancel-requested',
  taskId: 't1',
  reason: 'enough',
  at: later(5),
};
const mayFail = submitted({
  steps: [stepSpec('a', { onFailure: 'continue' }), stepSpec('b', { needs: ['a'], conditional: true })],
});
const abandoned: TaskEvent = { type: 'step.abandoned', taskId: 't1', step: failureOf('a', 1, REFUSED) };
const done: TaskEvent = {
  type: 'task.completed',
  taskId: 't1',
  step: success('a'),
  result: { text: 'ok' },
  at: later(9),
};

describe('the status of a task', () => {
  it.each<{ name: string; facts: readonly TaskEvent[]; want: string }>([
    { name: 'is queued from its submission', facts: [submitted()], want: 'queued' },
    { name: 'is running from its first dispatch', facts: [submitted(), dispatched()], want: 'running' },
    {
      name: 'is queued again while its first step waits for another try',
      facts: [submitted(), dispatched(), retried],
      want: 'queued',
    },
    {
      name: 'is running again with that try',
      facts: [submitted(), dispatched(), retried, dispatched('a', 2)],
      want: 'running',
    },
    { name: 'stays running between two steps', facts: [twoSteps, dispatched(), firstDone], want: 'running' },
    {
      name: 'stays running while a later step waits for another try',
      facts: [
        twoSteps,
        dispatched(),
        firstDone,
        dispatched('b'),
        { ...retried, step: failureOf('b', 1, BUSY) },
      ],
      want: 'running',
    },
    {
      name: 'stays running while it is asked to stop',
      facts: [submitted(), dispatched(), cancelAsked],
      want: 'running',
    },
    { name: 'ends completed', facts: [submitted(), dispatched(), done], want: 'completed' },
  ])('$name', ({ facts, want }) => expect(taskAfter(...facts).state.status).toBe(want));
});

describe('a task that repeats another one', () => {
  const again = submitted({
    steps: [stepSpec('a'), stepSpec('b', { needs: ['a'] })],
    rerunOf: 't0',
    kept: [{ stepId: 'a', output: { text: 'old' } }],
  });

  it('has what it keeps from the beginning, and is queued until something of it runs', () => {
    expect([factsOf(submitted())?.rerunOf, factsOf(again)?.rerunOf]).toEqual([null, 't0']);
    const raised: TaskEvent = { type: 'task.priority-changed', taskId: 't1', priority: 9, at: NOW };
    expect(taskAfter(again, raised)).toMatchObject({
      state: { status: 'queued', startedAt: null },
      steps: [
        { stepId: 'a', status: 'kept', output: '{"text":"old"}' },
        { stepId: 'b', status: 'pending' },
      ],
    });
    expect(taskAfter(again, dispatched('b')).state.status).toBe('running');
  });

  it('still has it when it is over', () => {
    const gone: TaskEvent = { type: 'task.cancelled', taskId: 't1', reason: 'x', stopped: [], at: NOW };
    expect(taskAfter(again, gone).steps.map(({ status }) => status)).toEqual(['kept', 'cancelled']);
  });
});

describe('a task that was moved', () => {
  const moved = (to: MoveTo): TaskEvent => ({
    type: 'task.moved',
    taskId: 't1',
    to,
    place: { priority: 5, from: NOW, seq: 1, nth: [1] },
    reason: 'a demo',
    by: 'ada',
    at: NOW,
  });
  const said = { reason: 'a demo', by: 'ada', at: NOW };

  it('says where to, by whom, when and why, until it has another priority', () => {
    const view = (...facts: readonly TaskEvent[]) =>
      JSON.parse(taskAfter(submitted(), ...facts).state.moved ?? 'null') as unknown;
    expect(view()).toBeNull();
    expect(view(moved({ kind: 'front' }))).toEqual({ to: 'front', task: null, ...said });
    const after = moved({ kind: 'after', taskId: 't0' });
    expect(view(moved({ kind: 'front' }), after)).toEqual({ to: 'after', task: 't0', ...said });
    expect(view(after, { type: 'task.priority-changed', taskId: 't1', priority: 5, at: NOW })).toBeNull();
  });
});

describe('the times of a task', () => {
  it('are those that were asked for, and null where none were', () => {
    expect(factsOf(submitted())).toMatchObject({ runAt: null, deadlineAt: null, queueTtlMs: null });
    const times = { runAt: later(1), deadlineAt: later(2), queueTtlMs: 3 };
    expect(factsOf(submitted(times))).toMatchObject(times);
  });
});

describe('a task with a step that waits', () => {
  const asks = submitted({ steps: [stepSpec('a', { waits: 'approval' }), stepSpec('b', { needs: ['a'] })] });
  const waiting = questionOf('approval', NOW_MS);
  const about = { taskId: 't1', stepId: 'a', waitingSeq: 2, at: later(3_000) } as const;
  const facts: readonly TaskEvent[] = [
    asks,
    { type: 'step.waiting', taskId: 't1', stepId: 'a', waiting, at: NOW },
    { type: 'step.reminded', ...about, nth: 1, assignees: ['ada'], message: 'ok?' },
    { type: 'step.escalated', ...about, to: ['grace'], message: 'ok?' },
    {
      type: 'step.answered',
      ...about,
      answer: { kind: 'approval', choice: 'approve', text: null, by: 'grace', comment: null },
    },
    {
      type: 'step.waited',
      taskId: 't1',
      waited: { stepId: 'a', waitingSeq: 2, output: 1 },
      at: later(4_000),
    },
  ];
  const after = (count: number) => {
    const { state, steps } = taskAfter(...facts.slice(0, count));
    const view = steps[0]?.waiting ?? null;
    return { status: state.status, step: steps[0]?.status, waiting: view && (JSON.parse(view) as object) };
  };

  it('waits with it, and shows what has happened', () => {
    expect(after(1)).toEqual({ status: 'queued', step: 'pending', waiting: null });
    expect(after(2)).toMatchObject({
      status: 'waiting',
      step: 'waiting',
      waiting: { kind: 'approval', seq: 2, since: NOW, assignees: ['ada'], reminders: 0, answered_by: null },
    });
    expect(after(4)).toMatchObject({ waiting: { reminders: 1, assignees: ['ada', 'grace'] } });
    expect(after(6)).toMatchObject({
      status: 'running',
      step: 'completed',
      waiting: { answered_by: 'grace', answered_at: later(3_000) },
    });
  });

  it('runs while another step of it does', () =>
    expect(
      taskAfter(
        submitted({ steps: [stepSpec('a', { waits: 'delay' }), stepSpec('b')] }),
        { type: 'step.waiting', taskId: 't1', stepId: 'a', waiting, at: NOW },
        dispatched('b'),
      ).state.status,
    ).toBe('running'));

  it('leaves no step waiting when it is cancelled', () =>
    expect(
      taskAfter(...facts.slice(0, 3), {
        type: 'task.cancelled',
        taskId: 't1',
        reason: 'x',
        stopped: [],
        at: NOW,
      }).steps.map(({ status }) => status),
    ).toEqual(['cancelled', 'cancelled']));
});

describe('a task that completes', () => {
  const task = taskAfter(submitted(), dispatched('a', 1, { at: later(2) }), done);

  it('has its times and its result', () =>
    expect(task.state).toMatchObject({
      startedAt: later(2),
      endedAt: later(9),
      result: '{"text":"ok"}',
      error: null,
      lastSeq: 3,
    }));
  it('has its step done, with the output', () =>
    expect(task.steps).toEqual([
      {
        position: 0,
        stepId: 'a',
        status: 'completed',
        output: '"a done"',
        items: null,
        waiting: null,
        atEnd: null,
      },
    ]));
  it('has its attempt ended', () =>
    expect(task.attempts).toMatchObject([
      { seq: 2, attempt: 1, leaseId: 'lease-a-1', outcome: 'completed', endedAt: NOW },
    ]));
});

describe('an attempt', () => {
  it('names the model that its step asked for', () =>
    expect(
      taskAfter(submitted(), dispatched('a', 1, { requirement: needsModel('smol') })).attempts[0]?.model,
    ).toBe('smol'));

  it('that failed stays failed beside the one that follows', () =>
    expect(taskAfter(submitted(), dispatched(), retried, dispatched('a', 2)).attempts).toMatchObject([
      { attempt: 1, outcome: 'failed', error: JSON.stringify(BUSY) },
      { attempt: 2, outcome: 'running', error: null },
    ]));

  it('that another one follows leaves its step to be run', () =>
    expect(taskAfter(submitted(), dispatched(), retried).steps[0]?.status).toBe('pending'));

  it('keeps the time of the first start', () =>
    expect(
      taskAfter(submitted(), dispatched(), retried, dispatched('a', 2, { at: later(2000) })).state.startedAt,
    ).toBe(NOW));
});

describe('steps that are left out, or fail and may', () => {
  const statuses = (doc: TaskDoc) => doc.steps.map(({ status }) => status);

  it('show how they ended, and the task goes on', () => {
    const open = taskAfter(mayFail, dispatched(), abandoned);
    expect([open.state.status, ...statuses(open)]).toEqual(['running', 'failed', 'pending']);
    expect(open.attempts).toMatchObject([{ outcome: 'failed', error: JSON.stringify(REFUSED) }]);
    const skipped: TaskEvent = { type: 'task.completed', taskId: 't1', skipped: 'b', result: 1, at: NOW };
    const over = taskAfter(mayFail, dispatched(), abandoned, skipped);
    expect([over.state.status, over.state.error, ...statuses(over)]).toEqual([
      'completed',
      null,
      'failed',
      'skipped',
    ]);
  });

  it('end a task that is completed without its last one', () => {
    const end: TaskEvent = {
      type: 'task.completed',
      taskId: 't1',
      abandoned: failureOf('a', 1, REFUSED),
      result: 1,
      at: NOW,
    };
    const { state, steps, attempts } = taskAfter(
      submitted({ steps: [stepSpec('a', { onFailure: 'continue' })] }),
      dispatched(),
      end,
    );
    expect([state.status, state.result, steps[0]?.status, attempts[0]?.outcome]).toEqual([
      'completed',
      '1',
      'failed',
      'failed',
    ]);
  });

  it('leave a task queued of which nothing has run', () => {
    const skipped: TaskEvent = { type: 'step.skipped', taskId: 't1', stepId: 'a', at: NOW };
    const doc = taskAfter(abreast, { type: 'step.admitted', taskId: 't1', stepId: 'b', at: NOW }, skipped);
    expect([doc.state.status, ...statuses(doc)]).toEqual(['queued', 'skipped', 'pending']);
  });

  it('are kept by a task that repeats this one', () => {
    const kept = [
      { stepId: 'a', output: null, failure: REFUSED },
      { stepId: 'b', output: null, skipped: true },
    ] as const;
    const doc = taskAfter(submitted({ steps: [...mayFail.steps, stepSpec('c')], rerunOf: 't0', kept }));
    expect([doc.state.status, ...statuses(doc)]).toEqual(['queued', 'kept', 'skipped', 'pending']);
  });
});

describe('a task that fails while another step runs', () => {
  const facts: readonly TaskEvent[] = [
    abreast,
    dispatched('a'),
    dispatched('b'),
    { type: 'task.failing', taskId: 't1', failure: REFUSED, step: failureOf('a', 1, REFUSED), at: later(1) },
  ];
  const failed: TaskEvent = {
    type: 'task.failed',
    taskId: 't1',
    failure: REFUSED,
    step: failureOf('a', 1, REFUSED),
    stopped: [stoppedAttempt('confirmed', 'b')],
    at: later(3),
  };

  it('says why at once and runs on until the other has stopped', () =>
    expect(taskAfter(...facts).state).toMatchObject({
      status: 'running',
      error: JSON.stringify(REFUSED),
      endedAt: null,
    }));
  it('then has one step failed and the other cancelled', () => {
    const task = taskAfter(...facts, failed);
    expect(task.state).toMatchObject({ status: 'failed', endedAt: later(3) });
    expect(task.steps.map(({ status }) => status)).toEqual(['failed', 'cancelled']);
    expect(task.attempts.map(({ outcome, endedAt }) => [outcome, endedAt])).toEqual([
      ['failed', NOW],
      ['cancelled', later(3)],
    ]);
  });
});

describe('a task with steps at its end', () => {
  const steps = [stepSpec('a'), stepSpec('b'), stepSpec('report', { atEnd: { limitMs: 1_000 } })];
  const why = { code: 'MODEL_ERROR', message: 'broken' } as const;
  const finishing: TaskEvent = {
    type: 'task.finishing',
    taskId: 't1',
    end: { status: 'failed', failure: why, step: failureOf('a', 1, why), stopped: [] },
    until: later(1_000),
    at: NOW,
  };
  const begun = [submitted({ steps }), dispatched('a'), finishing] as const;
  const statuses = (task: ReturnType<typeof taskAfter>) => task.steps.map(({ status }) => status);

  it('runs while these do, with how all others have ended', () => {
    const task = taskAfter(...begun);
    expect(task.state).toMatchObject({
      status: 'running',
      error: JSON.stringify(why),
      finishing: JSON.stringify({ status: 'failed', since: NOW, until: later(1_000) }),
    });
    expect(statuses(task)).toEqual(['failed', 'cancelled', 'pending']);
    expect(task.attempts).toMatchObject([{ outcome: 'failed', error: JSON.stringify(why) }]);
  });

  it('counts a child of a list once that has failed the step, however often that is told', () => {
    const list = stepSpec('a', { waits: 'task', forEach: { concurrency: 2 } });
    const waiting = (n: number): TaskEvent => ({
      type: 'step.waiting',
      taskId: 't1',
      stepId: `a[${n}]`,
      waiting: { kind: 'task', childTaskId: `c${n}`, template: TEMPLATE, attempt: 1 },
      at: NOW,
    });
    const waited = { stepId: 'a[0]', waitingSeq: 3, failure: why } as const;
    const end = { status: 'failed', failure: why, waited, stopped: [] } as const;
    const first = [
      submitted({ steps: [list, ...steps.slice(2)] }),
      { type: 'step.expanded', taskId: 't1', stepId: 'a', items: 2, at: NOW } as const,
      waiting(0),
    ];
    const told = { type: 'task.failing', taskId: 't1', failure: why, waited, at: NOW } as const;
    for (const events of [first, [...first, waiting(1), told]]) {
      const task = taskAfter(...events, { ...finishing, end });
      expect(statuses(task)).toEqual(['failed', 'pending']);
      expect(task.steps[0]?.items).toMatchObject({ total: 2, completed: 0, failed: 1 });
      expect(task.state.finishing).not.toBeNull();
    }
  });

  it('ends with the last of them, which the same event tells of', () => {
    const last = { step: success('report') };
    const end: TaskEvent = { type: 'task.failed', taskId: 't1', failure: why, stopped: [], last, at: NOW };
    const task = taskAfter(...begun, dispatched('report'), end);
    expect(task.state).toMatchObject({ status: 'failed', error: JSON.stringify(why), finishing: null });
    expect(statuses(task)).toEqual(['failed', 'cancelled', 'completed']);
  });

  it('shows why one of them could not begin', () => {
    const impossible = { stepId: 'report', failure: why };
    const end = {
      type: 'task.failed',
      taskId: 't1',
      failure: why,
      stopped: [],
      last: { impossible },
      at: NOW,
    } as const;
    const task = taskAfter(...begun, end);
    expect(task.steps.at(-1)).toMatchObject({ status: 'failed', atEnd: JSON.stringify({ error: why }) });
  });
});

describe('a task that is cancelled', () => {
  it('remembers when that was asked for, once', () =>
    expect(
      taskAfter(submitted(), dispatched(), cancelAsked, { ...cancelAsked, at: later(7) }).state
        .cancelRequestedAt,
    ).toBe(later(5)));

  it('leaves no step open', () => {
    const cancelled: TaskEvent = {
      type: 'task.cancelled',
      taskId: 't1',
      reason: 'enough',
      stopped: [stoppedAttempt('confirmed')],
      at: later(6),
    };
    const task = taskAfter(twoSteps, dispatched(), cancelAsked, cancelled);
    expect(task.state).toMatchObject({ status: 'cancelled', endedAt: later(6), error: null });
    expect(task.steps.map(({ status }) => status)).toEqual(['cancelled', 'cancelled']);
  });
});

describe('the fold of a batch', () => {
  const facts = [abreast, dispatched('a'), dispatched('b'), firstDone, cancelAsked];

  it('gives the same wherever the batch is cut', () => {
    const events = stored(facts);
    const whole = foldTaskEvents(events, NOBODY).docs.get('t1');
    for (let cut = 1; cut < events.length; cut += 1) {
      const first = foldTaskEvents(events.slice(0, cut), NOBODY).docs;
      expect(foldTaskEvents(events.slice(cut), first).docs.get('t1')).toEqual(whole);
    }
  });

  it('passes over what a task already includes', () => {
    const events = stored(facts);
    const known = foldTaskEvents(events, NOBODY).docs;
    const again = foldTaskEvents(events, known);
    expect([again.docs.size, again.submitted.size, again.ignored]).toEqual([0, 0, []]);
  });

  it('goes on from a task of which only the running attempts are remembered', () => {
    const known = new Map([
      ['t1', remembered(taskAfter(submitted(), dispatched(), retried, dispatched('a', 2)))],
    ]);
    const next = foldTaskEvents(stored([{ ...done, step: success('a', 2) }], 5), known);
    expect(next.docs.get('t1')?.attempts).toMatchObject([{ attempt: 2, outcome: 'completed' }]);
    expect(next.before.get('t1')).toBe(known.get('t1'));
  });

  it('says which tasks it is about', () =>
    expect([
      ...taskIdsOf(stored([templateRegistered, submitted(), dispatched(), submitted({ taskId: 't2' })])),
    ]).toEqual(['t1', 't2']));

  it('knows facts that belong to no task', () =>
    expect(fold(templateRegistered, { type: 'leader.elected', node: 's', at: NOW })).toMatchObject({
      ignored: [],
    }));
});

describe('an event that fits nothing', () => {
  it('of a type that is not known yet is passed over, and said', () => {
    const unheard = { ...submitted(), type: 'task.paused' } as unknown as TaskEvent;
    const { docs, ignored } = fold(submitted(), unheard, dispatched());
    expect(docs.get('t1')?.state).toMatchObject({ status: 'running', lastSeq: 3 });
    expect(ignored).toEqual([{ seq: 2, type: 'task.paused', why: 'unknown type or version 1' }]);
  });

  it('of a later version is not guessed at', () =>
    expect(foldTaskEvents(stored([submitted()], 1, 2), NOBODY).ignored).toMatchObject([
      { seq: 1, why: 'unknown type or version 2' },
    ]));

  it('for a task that was never submitted changes nothing', () =>
    expect(fold(dispatched())).toMatchObject({
      docs: new Map(),
      ignored: [{ why: 'task t1 was never submitted' }],
    }));

  it('for a task that is over changes nothing', () => {
    const { docs, ignored } = fold(submitted(), dispatched(), done, dispatched('a', 2));
    expect(docs.get('t1')?.state.lastSeq).toBe(3);
    expect(ignored).toMatchObject([{ seq: 4, why: 'task t1 is completed' }]);
  });
});
