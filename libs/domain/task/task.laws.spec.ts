import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import {
  cancelTask,
  changePriority,
  dispatchStep,
  failTask,
  isRefused,
  submitTask,
} from '#libs/domain/task/decide.js';
import {
  dependencyEnded,
  loseLease,
  recordReport,
  type Outcome,
  type Report,
} from '#libs/domain/task/outcome.js';
import {
  TASK_STREAM_TYPES,
  type StepSpec,
  type TaskEvent,
  type TaskSubmitted,
} from '#libs/domain/task/events.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import { activeSteps } from '#libs/domain/task/task.js';
import { later, stepSpec, submission, templateRegistered } from '#libs/testing/builders.js';

/** Every way in which steps can hang together: alone, in a row, side by side, and a diamond. */
const SHAPES: readonly (readonly StepSpec[])[] = [
  [stepSpec('a')],
  [stepSpec('a', { retry: { attemptsMax: 3, backoffMs: 100 } }), stepSpec('b', { needs: ['a'] })],
  [stepSpec('a', { retry: { attemptsMax: 2, backoffMs: 100 } }), stepSpec('b'), stepSpec('c')],
  [
    stepSpec('a'),
    stepSpec('b', { needs: ['a'], retry: { attemptsMax: 2, backoffMs: 100 } }),
    stepSpec('c', { needs: ['a'] }),
    stepSpec('d', { needs: ['b', 'c'] }),
  ],
];
const OUTCOMES: readonly Outcome[] = [
  { kind: 'completed', output: { text: 'done' } },
  { kind: 'failed', failure: { code: 'MODEL_ERROR', message: 'broken' } },
  { kind: 'failed', failure: { code: 'STEP_INPUT_INVALID', message: 'wrong' } },
  { kind: 'failed', failure: { code: 'SERVER_UNREACHABLE', message: 'gone' } },
  { kind: 'cancelled', confirmed: true },
  { kind: 'cancelled', confirmed: false },
];
const STEP_IDS = ['a', 'b', 'c', 'd'] as const;

const task = fc.integer({ min: 0, max: 4 });
const anything = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      task,
      shape: fc.nat(SHAPES.length - 1),
      dependsOn: fc.uniqueArray(task, { maxLength: 2 }),
      key: fc.option(fc.constantFrom('k1', 'k2')),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constant('dispatch' as const),
      task,
      step: fc.constantFrom(...STEP_IDS, 'all' as const),
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
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), back: fc.nat(5) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('cancel' as const), task }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('impossible' as const), task }) },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('priority' as const),
      task,
      priority: fc.integer({ min: 1, max: 10 }),
    }),
  },
);
type Action = typeof anything extends fc.Arbitrary<infer A> ? A : never;
const actions = fc.array(anything, { maxLength: 70, size: 'max' });

type Attempt = { readonly taskId: string; readonly report: Omit<Report, 'outcome'> };

/** The shell around the deciders, without its streams: it keeps the log and folds what it appends. */
class World {
  readonly book: TaskBook = emptyBook();
  readonly log: TaskRecord[] = [];
  readonly attempts: Attempt[] = [];
  #leases = 0;

  constructor() {
    this.append([templateRegistered]);
  }

  get #at(): string {
    return later(this.log.length * 1000);
  }

  append(events: readonly TaskRecord['event'][]): void {
    for (const event of events) {
      const record = { seq: this.log.length + 1, event };
      this.log.push(record);
      applyToBook(this.book, record);
      if (event.type !== 'task.completed' && event.type !== 'task.failed' && event.type !== 'task.cancelled')
        continue;
      for (const open of this.book.open.values()) {
        if (open.dependsOn.includes(event.taskId)) {
          this.append(dependencyEnded(open, event.taskId, this.book, this.#at));
        }
      }
    }
  }

  submit(wanted: Omit<TaskSubmitted, 'type'>): ReturnType<typeof submitTask> {
    const outcome = submitTask(wanted, this.book, { openTasksMax: 4 });
    if (Array.isArray(outcome)) this.append(outcome);
    return outcome;
  }

  /** As the scheduler asks for it: only what waits for no other task. */
  dispatch(taskId: string, stepId: string, attemptOff = 0): readonly TaskEvent[] {
    const open = this.book.open.get(taskId);
    if (!open?.dependsOn.every((id) => this.book.closed.get(id) === 'completed')) return [];
    const progress = open.steps.find(({ spec }) => spec.id === stepId)?.progress;
    const due =
      progress === undefined ? 1 : progress.status === 'pending' ? progress.attempts + 1 : progress.attempt;
    const attempt = due + attemptOff;
    this.#leases += 1;
    const lease = { leaseId: `lease-${this.#leases}`, token: 1000 + this.#leases, serverId: 'gpu1' };
    const at = this.#at;
    const events = dispatchStep(open, { stepId, attempt, lease, input: { n: this.#leases }, at });
    if (events.length > 0) {
      const { leaseId, token } = lease;
      this.attempts.push({ taskId, report: { stepId, attempt, leaseId, token, startedAt: at, endedAt: at } });
    }
    this.append(events);
    return events;
  }

  report({ taskId, report }: Attempt, outcome: Outcome): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: () => ({ result: taskId }) };
    const events = recordReport(this.book.open.get(taskId), { ...report, outcome }, given);
    this.append(events);
    return events;
  }

  lose({ taskId, report }: Attempt): readonly TaskEvent[] {
    const given = { at: this.#at, random: 0.5, result: () => null };
    const events = loseLease(this.book.open.get(taskId), report, given);
    this.append(events);
    return events;
  }

  cancel(taskId: string): void {
    const decision = cancelTask(taskId, 'not needed', this.book, this.#at);
    if (!isRefused(decision)) this.append(decision);
  }

  act(action: Action): void {
    switch (action.do) {
      case 'submit':
        this.submit(
          submission({
            taskId: `t${action.task}`,
            steps: SHAPES[action.shape] ?? [],
            dependsOn: action.dependsOn.map((id) => `t${id}`),
            submittedAt: this.#at,
            ...(action.key === null
              ? {}
              : { idempotency: { key: action.key, requestHash: `h${action.shape}` } }),
          }),
        );
        return;
      case 'dispatch':
        for (const stepId of action.step === 'all' ? STEP_IDS : [action.step]) {
          this.dispatch(`t${action.task}`, stepId, action.attemptOff);
        }
        return;
      case 'report': {
        const attempt = this.attempts.at(-1 - action.back);
        if (attempt === undefined) return;
        const report = action.forged
          ? { ...attempt.report, token: attempt.report.token + 1 }
          : attempt.report;
        this.report({ ...attempt, report }, action.outcome);
        return;
      }
      case 'lose': {
        const attempt = this.attempts.at(-1 - action.back);
        if (attempt) this.lose(attempt);
        return;
      }
      case 'cancel':
        return this.cancel(`t${action.task}`);
      case 'impossible': {
        const open = this.book.open.get(`t${action.task}`);
        if (open) this.append(failTask(open, { code: 'NO_SERVER_FITS', message: 'too large' }, this.#at));
        return;
      }
      case 'priority': {
        const decision = changePriority(`t${action.task}`, action.priority, this.book, this.#at);
        if (!isRefused(decision)) this.append(decision);
        return;
      }
    }
  }
}

const worldAfter = (made: readonly Action[]): World => {
  const world = new World();
  for (const action of made) world.act(action);
  return world;
};

const folded = (records: readonly TaskRecord[], from: TaskBook = emptyBook()): TaskBook => {
  for (const record of records) applyToBook(from, record);
  return from;
};

const taskIdOf = ({ event }: TaskRecord): string | null => ('taskId' in event ? event.taskId : null);
const ends = ({ event: { type } }: TaskRecord): boolean =>
  type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled';

/** The attempts that an event says have stopped. */
const stoppedIn = ({ event }: TaskRecord): readonly string[] => {
  const leases: string[] = [];
  if ('step' in event && event.step) leases.push(event.step.leaseId);
  if ('stopped' in event) leases.push(...event.stopped.map(({ leaseId }) => leaseId));
  return leases;
};

const law = (runs: number, check: (world: World, extra: number) => void): void =>
  fc.assert(
    fc.property(actions, fc.nat(), (made, extra) => check(worldAfter(made), extra)),
    { numRuns: runs },
  );

describe('the histories that are tried here', () => {
  it('contain every fact about a task, and tasks that end in each way', () => {
    const worlds = fc.sample(actions, { numRuns: 300, seed: 1 }).map(worldAfter);
    const types = new Set(worlds.flatMap(({ log }) => log.map(({ event }) => event.type)));
    const aboutTasks = [...TASK_STREAM_TYPES].filter(
      (type) => type.startsWith('task.') || type.startsWith('step.'),
    );
    expect(aboutTasks.filter((type) => !types.has(type as TaskEvent['type']))).toEqual([]);
    const over = new Set(worlds.flatMap(({ book }) => [...book.closed.values()]));
    expect([...over].toSorted()).toEqual(['cancelled', 'completed', 'failed']);
  });
});

describe('the fold of any history', () => {
  it('is the live state, byte for byte', () =>
    law(500, ({ book, log }) => {
      expect(canonicalJson(folded(log))).toBe(canonicalJson(book));
    }));

  it('is the fold of its tail over a snapshot of its head', () =>
    law(500, ({ book, log }, extra) => {
      const cut = extra % (log.length + 1);
      const snapshot = structuredClone(folded(log.slice(0, cut)));
      expect(canonicalJson(folded(log.slice(cut), snapshot))).toBe(canonicalJson(book));
    }));

  it('survives being written and read, event by event', () =>
    law(250, ({ book, log }) => {
      const read = log.map((record) => JSON.parse(JSON.stringify(record)) as TaskRecord);
      expect(canonicalJson(folded(read))).toBe(canonicalJson(book));
    }));

  it('changes no event that it folds', () =>
    law(100, ({ log }) => {
      const before = canonicalJson(log);
      folded(log);
      expect(canonicalJson(log)).toBe(before);
    }));
});

describe('in any history', () => {
  it('a task that is over never changes again and ends once', () =>
    law(600, ({ log }) => {
      const over = new Set<string>();
      for (const record of log) {
        const taskId = taskIdOf(record);
        if (taskId === null) continue;
        expect(over.has(taskId)).toBe(false);
        if (ends(record)) over.add(taskId);
      }
    }));

  it('a task is submitted once, under the first of its requests', () =>
    law(250, ({ log, book }) => {
      const submitted = log.filter(({ event }) => event.type === 'task.submitted').map(taskIdOf);
      expect(new Set(submitted).size).toBe(submitted.length);
      expect(book.open.size + book.closed.size).toBe(submitted.length);
    }));

  it('at most one attempt of a step is current, and attempts count up without a gap', () =>
    law(600, ({ log }) => {
      const book = emptyBook();
      const made = new Map<string, number>();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'step.dispatched') {
          const open = book.open.get(event.taskId);
          expect(open && activeSteps(open).map(({ spec }) => spec.id)).not.toContain(event.stepId);
          const key = `${event.taskId}/${event.stepId}`;
          expect(event.attempt).toBe((made.get(key) ?? 0) + 1);
          made.set(key, event.attempt);
        }
        applyToBook(book, record);
      }
    }));

  it('a step starts only when all that it needs is done', () =>
    law(600, ({ log }) => {
      const done = new Set<string>();
      const specs = new Map<string, readonly StepSpec[]>();
      for (const { event } of log) {
        if (event.type === 'task.submitted') specs.set(event.taskId, event.steps);
        if (event.type === 'step.completed') done.add(`${event.taskId}/${event.step.stepId}`);
        if (event.type !== 'step.dispatched') continue;
        const spec = specs.get(event.taskId)?.find(({ id }) => id === event.stepId);
        for (const need of spec?.needs ?? []) expect(done).toContain(`${event.taskId}/${need}`);
      }
    }));

  it('a task that is over has said of each of its attempts how it ended', () =>
    law(600, ({ log }) => {
      const running = new Map<string, string>();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'step.dispatched') running.set(event.lease.leaseId, event.taskId);
        for (const leaseId of stoppedIn(record)) running.delete(leaseId);
        if (ends(record)) expect([...running.values()]).not.toContain(taskIdOf(record));
      }
    }));

  it('a completed task has all its steps done', () =>
    law(500, ({ log }) => {
      const done = new Map<string, Set<string>>();
      const all = new Map<string, readonly string[]>();
      for (const { event } of log) {
        if (event.type === 'task.submitted')
          all.set(
            event.taskId,
            event.steps.map(({ id }) => id),
          );
        if (event.type !== 'step.completed' && event.type !== 'task.completed') continue;
        const steps = done.get(event.taskId) ?? new Set();
        done.set(event.taskId, steps.add(event.step.stepId));
        if (event.type === 'task.completed') expect([...steps].toSorted()).toEqual(all.get(event.taskId));
      }
    }));

  it('no step is tried more often than its template and five interruptions allow', () =>
    law(500, ({ log, book }) => {
      for (const { event } of log) {
        if (event.type !== 'step.dispatched') continue;
        const submitted = log.find(
          (record) => record.event.type === 'task.submitted' && taskIdOf(record) === event.taskId,
        );
        const steps = submitted?.event.type === 'task.submitted' ? submitted.event.steps : [];
        const most = (steps.find(({ id }) => id === event.stepId)?.retry.attemptsMax ?? 0) + 5;
        expect(event.attempt).toBeLessThanOrEqual(most);
      }
      expect(book.open.size).toBeLessThanOrEqual(4);
    }));
});

describe('after any history', () => {
  it('every open task can be brought to its end by running its steps', () =>
    law(600, (world) => {
      for (let round = 0; round < 50 && world.book.open.size > 0; round += 1) {
        for (const { taskId, report } of world.attempts) {
          world.report({ taskId, report }, { kind: 'completed', output: 1 });
        }
        for (const taskId of world.book.open.keys()) {
          for (const stepId of STEP_IDS) world.dispatch(taskId, stepId);
        }
      }
      expect([...world.book.open.keys()]).toEqual([]);
    }));

  it('every open task can be brought to its end by cancelling it, whatever its executor does then', () =>
    law(500, (world, extra) => {
      for (const taskId of world.book.open.keys()) world.cancel(taskId);
      for (const [place, attempt] of world.attempts.entries()) {
        const outcome = OUTCOMES[(extra + place) % (OUTCOMES.length + 1)];
        if (outcome) world.report(attempt, outcome);
        else world.lose(attempt);
      }
      expect([...world.book.open.keys()]).toEqual([]);
    }));

  it('whatever is delivered again changes nothing', () =>
    law(500, (world) => {
      const { book, log } = world;
      const before = canonicalJson(book);
      const reported = new Set(
        log.flatMap((record) => (record.event.type === 'step.dispatched' ? [] : stoppedIn(record))),
      );
      for (const attempt of world.attempts.filter(({ report }) => reported.has(report.leaseId))) {
        for (const outcome of OUTCOMES) expect(world.report(attempt, outcome)).toEqual([]);
        expect(world.lose(attempt)).toEqual([]);
      }
      for (const { event } of log) {
        if (event.type === 'task.submitted') {
          const { type: _, ...wanted } = event;
          expect(world.submit(wanted)).toEqual({ repeatedOf: event.taskId });
          if (event.idempotency) {
            expect(world.submit({ ...wanted, taskId: 'another' })).toEqual({ repeatedOf: event.taskId });
          }
        }
        if (event.type === 'step.dispatched') {
          const { stepId, attempt, lease, input, at } = event;
          expect(dispatchStep(book.open.get(event.taskId), { stepId, attempt, lease, input, at })).toEqual(
            [],
          );
        }
        if (event.type === 'task.cancel-requested') {
          const again = cancelTask(event.taskId, event.reason, book, event.at);
          expect(isRefused(again) || again).toEqual(isRefused(again) ? true : []);
        }
      }
      expect(canonicalJson(book)).toBe(before);
    }));

  it('a report with a token that was never given changes nothing', () =>
    law(250, (world) => {
      const before = world.log.length;
      for (const { taskId, report } of world.attempts) {
        for (const outcome of OUTCOMES) world.report({ taskId, report: { ...report, token: 1 } }, outcome);
      }
      expect(world.log.length).toBe(before);
    }));
});

describe('the order of reports', () => {
  it('of steps that run side by side does not change whether the task completes', () => {
    const steps = STEP_IDS.map((id) => stepSpec(id));
    const order = fc.shuffledSubarray([...STEP_IDS], { minLength: STEP_IDS.length });
    fc.assert(
      fc.property(order, fc.array(fc.nat(3)), (reports, repeated) => {
        const world = new World();
        world.submit(submission({ steps }));
        for (const stepId of STEP_IDS) world.dispatch('t1', stepId);
        for (const [place, stepId] of reports.entries()) {
          const attempt = world.attempts.find(({ report }) => report.stepId === stepId);
          if (attempt) world.report(attempt, { kind: 'completed', output: stepId });
          const again = world.attempts[repeated[place] ?? 0];
          if (
            again &&
            repeated[place] !== undefined &&
            reports.indexOf(again.report.stepId as 'a') <= place
          ) {
            world.report(again, { kind: 'failed', failure: { code: 'STEP_INPUT_INVALID', message: 'late' } });
          }
        }
        expect([...world.book.closed]).toEqual([['t1', 'completed']]);
      }),
    );
  });
});
