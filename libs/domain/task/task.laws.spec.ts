import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { cancelTask, dispatchStep, isRefused } from '#libs/domain/task/decide.js';
import {
  TASK_STREAM_TYPES,
  type StepSpec,
  type TaskEvent,
  type TaskSubmitted,
} from '#libs/domain/task/events.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import { expiresAtMs } from '#libs/domain/task/queue-time.js';
import { msOf } from '#libs/domain/time.js';
import { activeSteps } from '#libs/domain/task/task.js';
import { stepSpec, submission } from '#libs/testing/builders.js';
import { OUTCOMES, STEP_IDS, taskActions, TaskWorld, type TaskAction } from '#libs/testing/task-world.js';

const worldAfter = (made: readonly TaskAction[]): TaskWorld => {
  const world = new TaskWorld();
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

const law = (runs: number, check: (world: TaskWorld, extra: number) => void): void =>
  fc.assert(
    fc.property(taskActions, fc.nat(), (made, extra) => check(worldAfter(made), extra)),
    { numRuns: runs },
  );

describe('the histories that are tried here', () => {
  it('contain every fact about a task, and tasks that end in each way', () => {
    const worlds = fc.sample(taskActions, { numRuns: 2_000, seed: 1 }).map(worldAfter);
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
        if (event.type === 'task.submitted') {
          specs.set(event.taskId, event.steps);
          for (const { stepId } of event.kept ?? []) done.add(`${event.taskId}/${stepId}`);
        }
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

describe('a pause', () => {
  it('lets nothing start in its scope, and is the only one that counts there', () => {
    let paused = 0;
    law(600, ({ log, book }) => {
      const scopes = new Set<PauseScope>();
      const tasks = new Map<string, TaskSubmitted>();
      for (const { event } of log) {
        if (event.type === 'task.submitted') tasks.set(event.taskId, event);
        if (event.type === 'scheduling.paused') scopes.add(event.scope);
        if (event.type === 'scheduling.resumed') expect(scopes.delete(event.scope)).toBe(true);
        if (event.type !== 'step.dispatched') continue;
        const { workspace, template } = tasks.get(event.taskId) ?? submission();
        const own = [
          'queue',
          `workspace:${workspace}`,
          `template:${template.name}`,
          `server:${event.lease.serverId}`,
        ];
        expect(own.filter((scope) => scopes.has(scope as PauseScope))).toEqual([]);
      }
      paused += scopes.size;
      expect([...book.pauses.keys()].toSorted()).toEqual([...scopes].toSorted());
    });
    expect(paused).toBeGreaterThan(0);
  });
});

describe('a time in the queue', () => {
  it('ends only tasks of which nothing has started, never before it is over, and always once it is', () => {
    let expired = 0;
    law(600, (world) => {
      const begun = new Set<string>();
      for (const record of world.log) {
        const taskId = taskIdOf(record) ?? '';
        if (record.event.type === 'step.dispatched') begun.add(taskId);
        if (record.event.type !== 'task.failed' || record.event.failure.code !== 'QUEUE_TTL_EXPIRED')
          continue;
        expired += 1;
        expect(begun).not.toContain(taskId);
        const submitted = world.log.find((other) => taskIdOf(other) === taskId)?.event;
        const { submittedAt = '', queueTtlMs = 0 } = submitted?.type === 'task.submitted' ? submitted : {};
        expect(msOf(record.event.at)).toBeGreaterThanOrEqual(msOf(submittedAt) + queueTtlMs);
      }
      world.act({ do: 'expire' });
      const left = [...world.book.open.values()].flatMap((task) => expiresAtMs(task) ?? []);
      expect(left.filter((atMs) => atMs <= world.nowMs - 1_000)).toEqual([]);
    });
    expect(expired).toBeGreaterThan(0);
  });
});

describe('after any history', () => {
  it('every open task can be brought to its end by running its steps', () =>
    law(600, (world) => {
      world.act({ do: 'resume' });
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
          const again = dispatchStep(
            book.open.get(event.taskId),
            { stepId, attempt, lease, input, at },
            book.pauses,
          );
          expect(again).toEqual([]);
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
        const world = new TaskWorld();
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
