import { describe, expect, it } from '@jest/globals';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { answerStep } from '#libs/domain/task/answer-step.js';
import { cancelTask, dispatchStep, failTask, isRefused } from '#libs/domain/task/decide.js';
import { expiresAtMs } from '#libs/domain/task/queue-time.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { applyToBook, emptyBook, type TaskBook } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import type { OpenTask } from '#libs/domain/task/task.js';
import { beginWaiting, decideWaiting, REMINDERS_MAX, waitingDueMs } from '#libs/domain/task/waiting.js';
import type { Answer, ApprovalWaiting, InputWaiting, WaitingFor } from '#libs/domain/task/waiting-events.js';
import { dispatched, later, NOW, NOW_MS, stepSpec, submitted, success } from '#libs/testing/builders.js';
import { UNKNOWN_COSTS } from '#libs/testing/snapshots.js';

const approval = (more: Partial<ApprovalWaiting> = {}): ApprovalWaiting => ({
  kind: 'approval',
  message: 'Is it right?',
  assignees: ['ada'],
  text: 'a draft',
  edit: true,
  choices: ['approve', 'reject', 'later'],
  onReject: 'fail',
  ...more,
});
const form = (more: Partial<InputWaiting> = {}): InputWaiting => ({
  kind: 'human_input',
  message: 'How many?',
  assignees: [],
  schema: {},
  initial: null,
  ...more,
});
const delay: WaitingFor = { kind: 'delay', until: later(10_000) };

const ASKS = stepSpec('a', { waits: 'approval' });
const THEN_B = [ASKS, stepSpec('b', { needs: ['a'] })];

const begins = (waiting: WaitingFor, at = NOW): TaskEvent => ({
  type: 'step.waiting',
  taskId: 't1',
  stepId: 'a',
  waiting,
  at,
});
const bookAfter = (...facts: readonly TaskEvent[]): TaskBook => {
  const book = emptyBook();
  for (const [place, event] of facts.entries()) applyToBook(book, { seq: place + 1, event });
  return book;
};
const taskAfter = (...facts: readonly TaskEvent[]): OpenTask => {
  const task = bookAfter(...facts).open.get('t1');
  if (task === undefined) throw new Error('t1 is not open');
  return task;
};
/** A task whose step `a` waits so, and what else there is of it. */
const asked = (waiting: WaitingFor, steps: readonly StepSpec[] = THEN_B): readonly TaskEvent[] => [
  submitted({ steps }),
  begins(waiting),
];
const given = (at: string) => ({ at, result: () => ({ ok: true, result: 'made' }) as const });
const dueAt = (inMs: number, facts: readonly TaskEvent[]) =>
  decideWaiting(taskAfter(...facts), given(later(inMs)));

const says = (
  choice: string,
  more: { readonly comment?: string } = {},
): Answer & { readonly by: string } => ({
  kind: 'approval',
  choice,
  text: 'edited',
  comment: null,
  ...more,
  by: 'grace',
});
const answering = (facts: readonly TaskEvent[], answer = says('approve'), waitingSeq = 2) =>
  answerStep({ taskId: 't1', stepId: 'a', waitingSeq, answer }, bookAfter(...facts), given(later(5_000)));
const made = (
  facts: readonly TaskEvent[],
  answer?: Answer & { readonly by: string },
): readonly TaskEvent[] => {
  const decision = answering(facts, answer);
  if (isRefused(decision)) throw new Error(decision.refused.message);
  return decision;
};
const refusal = (
  facts: readonly TaskEvent[],
  answer?: Answer & { readonly by: string },
  waitingSeq?: number,
) => {
  const decision = answering(facts, answer, waitingSeq);
  return isRefused(decision) ? decision.refused : null;
};
const typesOf = (events: readonly TaskEvent[]): readonly string[] => events.map(({ type }) => type);

describe('a step that waits', () => {
  const waiting = approval();
  const begin = (facts: readonly TaskEvent[], pauses: TaskBook['pauses'] = new Map()) =>
    beginWaiting(bookAfter(...facts).open.get('t1'), { stepId: 'a', waiting, at: NOW }, pauses);

  it('begins once, when its turn has come, and without a lease', () => {
    expect(begin([submitted({ steps: THEN_B })])).toEqual([begins(waiting)]);
    expect(begin(asked(waiting))).toEqual([]);
    const behind = [stepSpec('z'), { ...ASKS, needs: ['z'] }];
    expect(begin([submitted({ steps: behind })])).toEqual([]);
    expect(begin([submitted({ steps: [{ ...ASKS, conditional: true }] })])).toEqual([]);
    const paused = { scope: 'queue', reason: 'r', by: 'ada', since: NOW } as const;
    expect(begin([submitted({ steps: THEN_B })], new Map([['queue', paused]]))).toEqual([]);
  });

  it('is never dispatched, and what does not wait never begins to', () => {
    const lease = { leaseId: 'l', token: 1, serverId: 'gpu1' };
    const task = taskAfter(submitted({ steps: THEN_B }));
    const dispatch = { stepId: 'a', attempt: 1, lease, input: {}, at: NOW };
    expect(dispatchStep(task, dispatch, new Map())).toEqual([]);
    expect(beginWaiting(taskAfter(submitted()), { stepId: 'a', waiting, at: NOW }, new Map())).toEqual([]);
  });

  it('is not ready, holds nobody up, and is told of when it is due', () => {
    const book = bookAfter(submitted({ steps: THEN_B, queueTtlMs: 1_000 }));
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    expect([index.ready.size, index.isIdle, index.waiting.toBegin.take()]).toEqual([0, true, ['t1']]);
    applyToBook(book, { seq: 2, event: begins(delay) });
    index.refresh('t1', NOW_MS);
    expect([index.waiting.toBegin.take(), index.nextWakeMs(), [...index.waiting.tasks]]).toEqual([
      [],
      NOW_MS + 10_000,
      ['t1'],
    ]);
    expect([index.waiting.takeDue(NOW_MS + 9_999), index.waiting.takeDue(NOW_MS + 10_000)]).toEqual([
      [],
      ['t1'],
    ]);
    // It has begun, so its time in the queue is over.
    expect(expiresAtMs(taskAfter(...asked(delay)))).toBeNull();
  });

  it('ends with its task, which a cancel ends at once', () => {
    const book = bookAfter(...asked(waiting));
    const events = cancelTask('t1', 'enough', book, NOW);
    expect(isRefused(events) ? events : typesOf(events)).toEqual(['task.cancelled']);
    const index = new TaskIndex(book, UNKNOWN_COSTS);
    index.rebuild(NOW_MS);
    for (const event of isRefused(events) ? [] : events) applyToBook(book, { seq: 3, event });
    index.refresh('t1', NOW_MS);
    expect([index.waiting.tasks.size, index.nextWakeMs()]).toEqual([0, null]);
  });

  it('asks nobody any more while its task is ending', () => {
    const steps = [ASKS, stepSpec('b')];
    const failing = {
      type: 'task.failing',
      taskId: 't1',
      failure: { code: 'MODEL_ERROR', message: 'x' },
      at: NOW,
    } as const;
    const facts = [submitted({ steps }), begins(waiting), dispatched('b'), failing];
    expect(refusal(facts)).toMatchObject({ code: 'STEP_NOT_WAITING' });
    expect(dueAt(1e9, facts)).toEqual([]);
    expect(failTask(taskAfter(...facts), failing.failure, NOW)).toEqual([]);
  });
});

describe('a delay', () => {
  it('is over at its time and not before, and the next step may run', () => {
    const facts = asked(delay);
    expect(dueAt(9_999, facts)).toEqual([]);
    const waited = { stepId: 'a', waitingSeq: 2, output: { until: later(10_000) } };
    const events = dueAt(10_000, facts);
    expect(events).toEqual([{ type: 'step.waited', taskId: 't1', waited, at: later(10_000) }]);
    expect(taskAfter(...facts, ...events).steps[0]?.progress).toEqual({
      status: 'done',
      attempt: 1,
      output: { until: later(10_000) },
    });
  });

  it('completes its task where it is the last step', () => {
    expect(dueAt(10_000, asked(delay, [ASKS]))).toMatchObject([
      { type: 'task.completed', result: 'made', waited: { stepId: 'a', waitingSeq: 2 } },
    ]);
  });

  it('cannot be answered', () =>
    expect(refusal(asked(delay))).toMatchObject({
      code: 'STEP_NOT_WAITING',
      message: "Step 'a' of task t1 waits for a time, and nobody is asked.",
    }));
});

describe('an answer', () => {
  it('says who, what and when, and the step has it as its output', () => {
    const events = made(asked(approval()), says('approve', { comment: 'fine' }));
    expect(typesOf(events)).toEqual(['step.answered', 'step.waited']);
    expect(events[1]).toMatchObject({
      waited: {
        output: {
          decision: 'approved',
          choice: 'approve',
          text: 'edited',
          by: 'grace',
          at: later(5_000),
          comment: 'fine',
          timed_out: false,
        },
      },
    });
  });

  it('may be another choice that the template names', () =>
    expect(made(asked(approval()), says('later'))[1]).toMatchObject({
      waited: { output: { decision: 'chosen', choice: 'later' } },
    }));

  it('that rejects fails the task, unless that is an output or the task may go on', () => {
    const [answered, failed] = made(asked(approval()), says('reject', { comment: 'too long' }));
    expect([answered?.type, failed]).toMatchObject([
      'step.answered',
      {
        type: 'task.failed',
        failure: { code: 'STEP_REJECTED', message: "Step 'a' was rejected by grace: too long" },
        waited: { stepId: 'a', failure: { code: 'STEP_REJECTED' } },
      },
    ]);
    expect(made(asked(approval({ onReject: 'continue' })), says('reject'))[1]).toMatchObject({
      waited: { output: { decision: 'rejected' } },
    });
    const dispensable = [{ ...ASKS, onFailure: 'continue' } as const, ...THEN_B.slice(1)];
    const events = made(asked(approval(), dispensable), says('reject'));
    expect(events[1]).toMatchObject({ type: 'step.waited', waited: { failure: { code: 'STEP_REJECTED' } } });
    const after = taskAfter(...asked(approval(), dispensable), ...events);
    expect(after.steps[0]?.progress).toMatchObject({ status: 'failed', answered: { by: 'grace' } });
  });

  it('that rejects stops what else runs first', () => {
    const facts = [...asked(approval(), [ASKS, stepSpec('b')]), dispatched('b')];
    const events = made(facts, says('reject'));
    expect(typesOf(events)).toEqual(['step.answered', 'task.failing']);
    expect(taskAfter(...facts, ...events).ending).toMatchObject({ waited: { stepId: 'a' } });
  });

  it('completes the task where the step is the last', () =>
    expect(typesOf(made(asked(approval(), [ASKS])))).toEqual(['step.answered', 'task.completed']));

  it('counts once: whoever comes later is told who was first, and when', () => {
    const facts = asked(approval());
    const later = [...facts, ...made(facts)];
    const first = {
      code: 'STEP_ALREADY_ANSWERED',
      details: { answeredBy: 'grace', answeredAt: '2026-01-01T12:00:05.000Z' },
    };
    expect(refusal(later)).toMatchObject(first);
    // Also between the two facts, where a leader may have died.
    expect(refusal(later.slice(0, -1))).toMatchObject(first);
    // The next leader makes of it what the dead one would have made.
    expect(dueAt(6_000, later.slice(0, -1))).toMatchObject([{ type: 'step.waited' }]);
    expect(waitingDueMs(taskAfter(...later.slice(0, -1)).steps[0]?.progress as never)).toBe(0);
  });

  it('is refused where nothing is asked, something else is, or it is none of the choices', () => {
    expect(refusal([submitted({ steps: THEN_B })])).toMatchObject({ code: 'STEP_NOT_WAITING' });
    expect(refusal([submitted()])).toMatchObject({ code: 'STEP_NOT_WAITING' });
    expect(refusal([submitted({ steps: [stepSpec('z')] })])).toMatchObject({ code: 'STEP_UNKNOWN' });
    expect(refusal([])).toMatchObject({ code: 'TASK_UNKNOWN' });
    expect(refusal(asked(approval()), says('approve'), 1)).toMatchObject({ code: 'STEP_NOT_WAITING' });
    expect(refusal(asked(approval()), says('never'))).toMatchObject({
      code: 'ANSWER_INVALID',
      message: "'never' is not a choice here; accepted: approve, reject, later.",
    });
    expect(refusal(asked(form()), says('approve'))).toMatchObject({ code: 'ANSWER_INVALID' });
    const over: TaskEvent = { type: 'task.completed', taskId: 't1', step: success(), result: null, at: NOW };
    expect(refusal([submitted(), dispatched(), over])).toMatchObject({ code: 'TASK_ALREADY_OVER' });
  });

  it('fills in a form', () => {
    const answer = { kind: 'human_input', data: { count: 3 }, by: 'ada', comment: null } as const;
    const output = { data: { count: 3 }, by: 'ada', at: later(5_000), comment: null, timed_out: false };
    expect(made(asked(form()), answer)[1]).toMatchObject({ waited: { output } });
  });
});

describe('a question that nobody answers', () => {
  const timeout = (outcome: string) => ({ at: later(10_000), outcome });

  it('fails its step at its time, or is answered as the template says', () => {
    expect(dueAt(9_999, asked(approval({ timeout: timeout('fail') })))).toEqual([]);
    expect(dueAt(10_000, asked(approval({ timeout: timeout('fail') })))).toMatchObject([
      { type: 'task.failed', failure: { code: 'ANSWER_TIMED_OUT' } },
    ]);
    expect(dueAt(10_000, asked(approval({ timeout: timeout('later') })))).toMatchObject([
      { type: 'step.answered', answer: { choice: 'later', by: null, text: 'a draft' } },
      { waited: { output: { decision: 'chosen', by: null, timed_out: true } } },
    ]);
    expect(dueAt(10_000, asked(approval({ timeout: timeout('reject') })))[1]).toMatchObject({
      failure: { code: 'STEP_REJECTED', message: "Step 'a' was rejected because nobody answered in time" },
    });
    expect(dueAt(10_000, asked(form({ timeout: timeout('default'), fallback: 7 })))[0]).toMatchObject({
      answer: { data: 7, by: null },
    });
  });

  it('is asked again, so often and no more', () => {
    let facts = asked(approval({ remindEveryMs: 1_000 }));
    const before = facts.length;
    for (let nth = 1; nth <= REMINDERS_MAX; nth += 1) {
      expect(dueAt(nth * 1_000 - 1, facts)).toEqual([]);
      facts = [...facts, ...dueAt(nth * 1_000, facts)];
    }
    expect(facts.slice(before).map((fact) => (fact.type === 'step.reminded' ? fact.nth : 0))).toEqual(
      Array.from({ length: REMINDERS_MAX }, (_, n) => n + 1),
    );
    expect(dueAt(1e9, facts)).toEqual([]);
  });

  it('that was due several times while nobody led is asked again once', () => {
    const facts = asked(approval({ remindEveryMs: 1_000 }));
    const late = [...facts, ...dueAt(60_500, facts)];
    expect(dueAt(61_000, late)).toEqual([]);
    expect(dueAt(61_500, late)).toMatchObject([{ type: 'step.reminded', nth: 2 }]);
  });

  it('is asked of others, who are reminded too', () => {
    const escalation = { at: later(5_000), to: ['grace'] };
    const facts = asked(approval({ escalation, remindEveryMs: 4_000 }));
    const reminded = [...facts, ...dueAt(4_000, facts)];
    const escalated = [...reminded, ...dueAt(5_000, reminded)];
    expect(escalated.at(-1)).toMatchObject({ type: 'step.escalated', to: ['grace'], waitingSeq: 2 });
    expect(dueAt(8_000, escalated)).toMatchObject([
      { type: 'step.reminded', nth: 2, assignees: ['ada', 'grace'] },
    ]);
  });
});
