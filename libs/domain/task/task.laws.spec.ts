import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { cancelTask, dispatchStep, isRefused } from '#libs/domain/task/decide.js';
import { TASK_STREAM_TYPES } from '#libs/domain/task/stream-types.js';
import type { TaskEvent, TaskSubmitted } from '#libs/domain/task/events.js';
import type { StepSpec } from '#libs/domain/task/step-spec.js';
import { itemRefOf } from './items.js';
import { applyToBook, emptyBook, type TaskBook, type TaskRecord } from '#libs/domain/task/task-book.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import { expiresAtMs } from '#libs/domain/task/queue-time.js';
import { msOf } from '#libs/domain/time.js';
import { waitingDueMs } from '#libs/domain/task/waiting.js';
import type { Waited } from '#libs/domain/task/waiting-events.js';
import { activeSteps, type OpenTask, type Step } from '#libs/domain/task/task.js';
import { openChildren } from '#libs/domain/task/child-state.js';
import { isOfTask, toldApart } from '#libs/domain/task/told-apart.js';
import { cancelWorkflow } from '#libs/domain/task/decide-workflow.js';
import type { WorkflowPart } from '#libs/domain/task/workflow.js';
import { NOW, stepSpec, submission } from '#libs/testing/builders.js';
import {
  OUTCOMES,
  SHAPES,
  STEP_IDS,
  STEPS_AND_ITEMS,
  taskActions,
  ITEM_COUNTS,
  type TaskAction,
} from '#libs/testing/task-actions.js';
import { OPEN_MAX, TaskWorld } from '#libs/testing/task-world.js';

const worldAfter = (made: readonly TaskAction[]): TaskWorld => {
  const world = new TaskWorld();
  for (const action of made) world.act(action);
  return world;
};

const folded = (records: readonly TaskRecord[], from: TaskBook = emptyBook()): TaskBook => {
  for (const record of records) applyToBook(from, record);
  return from;
};

/** What becomes of its artifacts changes no task. */
const taskIdOf = ({ event }: TaskRecord): string | null =>
  'taskId' in event && event.type !== 'artifact.removed' ? event.taskId : null;
const ends = ({ event: { type } }: TaskRecord): boolean =>
  type === 'task.completed' || type === 'task.failed' || type === 'task.cancelled';

/** The attempts that an event says have stopped. */
const stoppedIn = ({ event }: TaskRecord): readonly string[] =>
  isOfTask(event) ? toldApart(event).flatMap(stoppedBy) : [];

const stoppedBy = (event: TaskEvent): readonly string[] => {
  const leases: string[] = [];
  if ('step' in event && event.step) leases.push(event.step.leaseId);
  if ('abandoned' in event && event.abandoned) leases.push(event.abandoned.leaseId);
  if ('stopped' in event) leases.push(...event.stopped.map(({ leaseId }) => leaseId));
  return leases;
};

/** How the waits ended that an event says are over. */
const waitedIn = ({ event }: TaskRecord): readonly Waited[] =>
  isOfTask(event)
    ? toldApart(event).flatMap((told) => ('waited' in told && told.waited ? [told.waited] : []))
    : [];

/** The steps that an event says are over, and how. */
const overIn = ({ event }: TaskRecord): readonly (readonly [stepId: string, how: string])[] =>
  isOfTask(event) ? toldApart(event).flatMap(overBy) : [];

const overBy = (event: TaskEvent): readonly (readonly [stepId: string, how: string])[] => {
  switch (event.type) {
    case 'task.submitted':
      return (event.kept ?? []).map(({ stepId }) => [stepId, 'kept'] as const);
    case 'step.completed':
      return [[event.step.stepId, 'done']];
    case 'step.abandoned':
      return [[event.step.stepId, 'abandoned']];
    case 'step.waited':
      return event.waited.retryAt === undefined ? [[event.waited.stepId, 'waited']] : [];
    case 'step.impossible':
      return [[event.stepId, 'impossible']];
    case 'step.skipped':
      return [[event.stepId, 'skipped']];
    case 'task.completed':
      if (event.step) return [[event.step.stepId, 'done']];
      if (event.waited) return [[event.waited.stepId, 'waited']];
      if (event.abandoned) return [[event.abandoned.stepId, 'abandoned']];
      if (event.impossible) return [[event.impossible.stepId, 'impossible']];
      return event.empty === undefined ? [[event.skipped, 'skipped']] : [[event.empty, 'done']];
    default:
      return [];
  }
};

const SHAPES_WITH_ITEMS = [...SHAPES.entries()].flatMap(([place, steps]) =>
  steps.some(({ forEach }) => forEach) ? [place] : [],
);

const SHAPES_WITH_CHILDREN = [...SHAPES.entries()].flatMap(([place, steps]) =>
  steps.some(({ child }) => child) ? [place] : [],
);

const waitsForTask = ({ progress }: Step): boolean =>
  progress.status === 'waiting' && progress.waiting.kind === 'task';

const submits = (
  given: Pick<Extract<TaskAction, { readonly do: 'submit' }>, 'task' | 'shape' | 'items'>,
): TaskAction => ({ do: 'submit', dependsOn: [], skip: [], key: null, ttlMs: null, dueInMs: null, ...given });

/** Tells, fact by fact, which steps are over: one with items is so with the last of them. */
const overTeller = (): typeof overIn => {
  const left = new Map<string, number>();
  return (record) => {
    const { event } = record;
    if (event.type === 'step.expanded') left.set(`${event.taskId}/${event.stepId}`, event.items);
    if (event.type === 'step.expanded' && event.items === 0) return [[event.stepId, 'done']];
    return overIn(record).flatMap(([stepId, how]): ReturnType<typeof overIn> => {
      const item = itemRefOf(stepId);
      if (item === null) return [[stepId, how]];
      const key = `${taskIdOf(record)}/${item.of}`;
      left.set(key, (left.get(key) ?? 0) - 1);
      return left.get(key) === 0 ? [[item.of, 'done']] : [];
    });
  };
};

/** The step that an attempt is of: for an item that of its list. */
const stepOf = (stepId: string): string => itemRefOf(stepId)?.of ?? stepId;

const law = (runs: number, check: (world: TaskWorld, extra: number) => void): void =>
  fc.assert(
    fc.property(taskActions, fc.nat(), (made, extra) => check(worldAfter(made), extra)),
    { numRuns: runs },
  );

describe('the histories that are tried here', () => {
  it('contain every fact about a task or a schedule, and tasks that end in each way', () => {
    const worlds = fc.sample(taskActions, { numRuns: 6_000, seed: 1 }).map(worldAfter);
    const types = new Set(worlds.flatMap(({ log }) => log.map(({ event }) => event.type)));
    const aboutTasks = [...TASK_STREAM_TYPES].filter(
      (type) => type.startsWith('task.') || type.startsWith('step.') || type.startsWith('schedule.'),
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

  it('a question is answered once, while it waits, and nothing of it comes before its time', () => {
    let answered = 0;
    law(2_000, ({ log }) => {
      const book = emptyBook();
      for (const record of log) {
        const { event } = record;
        if (
          event.type === 'step.answered' ||
          event.type === 'step.reminded' ||
          event.type === 'step.escalated'
        ) {
          const step = book.open.get(event.taskId)?.steps.find(({ spec }) => spec.id === event.stepId);
          const progress = step?.progress;
          if (progress?.status !== 'waiting') throw new Error(`${event.type} of a step that does not wait`);
          expect([progress.seq, progress.answer]).toEqual([event.waitingSeq, null]);
          const isByItself = event.type !== 'step.answered' || event.answer.by === null;
          if (isByItself) expect(waitingDueMs(progress)).toBeLessThanOrEqual(msOf(event.at));
          if (event.type === 'step.answered') answered += 1;
        }
        applyToBook(book, record);
      }
    });
    expect(answered).toBeGreaterThan(0);
  });

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

  it('a step starts, or is decided about, only when all that it needs is over', () =>
    law(600, ({ log }) => {
      const over = new Set<string>();
      const overOf = overTeller();
      const specs = new Map<string, readonly StepSpec[]>();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'task.submitted') specs.set(event.taskId, event.steps);
        const begun = 'stepId' in event ? event.stepId : 'skipped' in event ? event.skipped : undefined;
        if ('taskId' in event && typeof begun === 'string') {
          const spec = specs.get(event.taskId)?.find(({ id }) => id === stepOf(begun));
          for (const need of spec?.needs ?? []) expect(over).toContain(`${event.taskId}/${need}`);
        }
        for (const [stepId] of overOf(record)) over.add(`${taskIdOf(record)}/${stepId}`);
      }
    }));

  it('items begin once it was said how many there are, each in its list, and no more at once than may be', () => {
    const seen = { empty: 0, full: 0 };
    const check = ({ log }: TaskWorld): void => {
      const book = emptyBook();
      const totals = new Map<string, number>();
      for (const record of log) {
        const { event } = record;
        applyToBook(book, record);
        if (event.type === 'step.expanded') {
          const key = `${event.taskId}/${event.stepId}`;
          expect(totals.has(key)).toBe(false);
          totals.set(key, event.items);
          if (event.items === 0) seen.empty += 1;
        }
        const item = event.type === 'step.dispatched' ? itemRefOf(event.stepId) : null;
        if (event.type !== 'step.dispatched' || item === null) continue;
        expect(item.index).toBeLessThan(totals.get(`${event.taskId}/${item.of}`) ?? 0);
        const active = activeSteps(book.open.get(event.taskId) as OpenTask);
        const open = active.filter(({ spec }) => itemRefOf(spec.id)?.of === item.of).length;
        expect(open).toBeLessThanOrEqual(2);
        if (open === 2) seen.full += 1;
      }
    };
    const begun = fc
      .tuple(fc.constantFrom(...SHAPES_WITH_ITEMS), fc.constantFrom(...ITEM_COUNTS))
      .map(([shape, items]): TaskAction[] => [
        submits({ task: 't0', shape, items }),
        { do: 'dispatch', task: 't0', step: 'a', attemptOff: 0 },
        { do: 'report', back: 0, outcome: { kind: 'completed', output: 1 }, forged: false },
        { do: 'dispatch', task: 't0', step: 'all', attemptOff: 0 },
      ]);
    fc.assert(
      fc.property(begun, taskActions, (first, made) => check(worldAfter([...first, ...made]))),
      { numRuns: 400 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });

  it('a child is submitted once for each try of its step, one at a time, and ends before the step and the task do', () => {
    const seen = { done: 0, failed: 0, again: 0, deep: 0, stopped: 0, finishing: 0 };
    const check = ({ log }: TaskWorld): void => {
      const book = emptyBook();
      const tries = new Map<string, number>();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'task.submitted' && event.parent) {
          const { taskId, stepId, attempt, depth } = event.parent;
          const key = `${taskId}/${stepId}`;
          expect([key, book.open.has(taskId), attempt]).toEqual([key, true, (tries.get(key) ?? 0) + 1]);
          tries.set(key, attempt);
          if (depth > 1) seen.deep += 1;
        }
        const task = 'taskId' in event ? book.open.get(event.taskId) : undefined;
        if (task && (ends(record) || event.type === 'task.finishing')) {
          expect([event.type, openChildren(task)]).toEqual([event.type, []]);
          if (event.type === 'task.cancelled' && task.steps.some(waitsForTask)) seen.stopped += 1;
          if (event.type === 'task.finishing' && task.steps.some(waitsForTask)) seen.finishing += 1;
        }
        for (const waited of waitedIn(record)) {
          const step = task?.steps.find(({ spec }) => spec.id === waited.stepId);
          if (!step || !waitsForTask(step)) continue;
          const how = step.progress.status === 'waiting' ? step.progress.ended?.status : undefined;
          expect([event.type, how === 'completed', how !== undefined]).toEqual([
            event.type,
            waited.failure === undefined,
            true,
          ]);
          seen[waited.retryAt === undefined ? (waited.failure ? 'failed' : 'done') : 'again'] += 1;
        }
        applyToBook(book, record);
      }
    };
    const begun = fc
      .tuple(fc.constantFrom(...SHAPES_WITH_CHILDREN), fc.constantFrom(...ITEM_COUNTS))
      .map(([shape, items]): TaskAction[] => [submits({ task: 't0', shape, items })]);
    const next = fc.oneof(
      {
        weight: 6,
        arbitrary: fc.record({
          do: fc.constant('work' as const),
          task: fc.constant('t0'),
          outcome: fc.constantFrom(...OUTCOMES),
        }),
      },
      {
        weight: 1,
        arbitrary: fc.constantFrom<TaskAction>(
          { do: 'cancel', task: 't0', force: false },
          { do: 'cancel', task: 't0', force: true },
          { do: 'time' },
        ),
      },
    );
    const worked = fc.array(next, { minLength: 2, maxLength: 12 });
    fc.assert(
      fc.property(begun, worked, taskActions, (first, then, made) =>
        check(worldAfter([...first, ...then, ...made])),
      ),
      { numRuns: 600 },
    );
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });

  it('a step with a condition starts once it was admitted, is decided about once, and never when it was left out', () => {
    const seen = { admitted: 0, skipped: 0 };
    law(1_000, ({ log }) => {
      const decided = new Map<string, string>();
      const conditional = new Set<string>();
      const decide = (key: string, how: 'admitted' | 'skipped'): void => {
        expect([key, conditional.has(key), decided.get(key)]).toEqual([key, true, undefined]);
        decided.set(key, how);
        seen[how] += 1;
      };
      for (const { event } of log) {
        if (event.type === 'task.submitted')
          for (const spec of event.steps) if (spec.conditional) conditional.add(`${event.taskId}/${spec.id}`);
        if (event.type === 'step.admitted') decide(`${event.taskId}/${event.stepId}`, 'admitted');
        if (event.type === 'step.skipped') decide(`${event.taskId}/${event.stepId}`, 'skipped');
        if (event.type === 'task.completed' && event.skipped)
          decide(`${event.taskId}/${event.skipped}`, 'skipped');
        const started = event.type === 'step.dispatched' ? `${event.taskId}/${stepOf(event.stepId)}` : '';
        if (conditional.has(started)) expect(decided.get(started)).toBe('admitted');
      }
    });
    expect(Math.min(...Object.values(seen))).toBeGreaterThan(10);
  });

  it('a task goes on without a step that failed only where its template says that it may', () => {
    let abandoned = 0;
    law(600, ({ log }) => {
      const specs = new Map<string, readonly StepSpec[]>();
      for (const record of log) {
        if (record.event.type === 'task.submitted') specs.set(record.event.taskId, record.event.steps);
        for (const [stepId, how] of overIn(record)) {
          if (how !== 'abandoned') continue;
          abandoned += 1;
          const spec = specs.get(taskIdOf(record) ?? '')?.find(({ id }) => id === stepOf(stepId));
          expect(spec?.onFailure === 'continue' || spec?.atEnd !== undefined).toBe(true);
        }
      }
    });
    expect(abandoned).toBeGreaterThan(0);
  });

  it('a task of a workflow starts only when its edges allow it, and all that it reads is over', () =>
    law(800, ({ log }) => {
      const ended = new Map<string, string>();
      const parts = new Map<string, WorkflowPart>();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'task.submitted' && event.workflow) parts.set(event.taskId, event.workflow);
        if (ends(record) && 'taskId' in event) ended.set(event.taskId, event.type);
        if (event.type !== 'step.dispatched') continue;
        const { needs, uses } = parts.get(event.taskId) ?? { needs: [], uses: [] };
        for (const { taskId, onFailure } of needs)
          expect([onFailure, ended.get(taskId)]).toEqual([
            onFailure,
            onFailure === 'continue' ? expect.any(String) : 'task.completed',
          ]);
        for (const { taskId } of uses) expect(ended.has(taskId)).toBe(true);
      }
    }));

  it('the result of a task is kept exactly as long as an open task reads it', () =>
    law(800, ({ log }) => {
      const book = emptyBook();
      const results = new Map<string, unknown>();
      for (const record of log) {
        applyToBook(book, record);
        if (record.event.type === 'task.completed') results.set(record.event.taskId, record.event.result);
        const read = new Set(
          [...book.open.values()].flatMap(({ workflow }) => workflow?.uses ?? []).map(({ taskId }) => taskId),
        );
        expect([...book.results.keys()].toSorted()).toEqual([...read].toSorted());
        for (const [taskId, { result }] of book.results) expect(result).toEqual(results.get(taskId) ?? null);
      }
    }));

  it('a workflow is accepted with all of its tasks or none, and is over when they are', () =>
    law(500, ({ log, book }) => {
      for (const [place, { event }] of log.entries()) {
        if (event.type !== 'workflow.submitted') continue;
        const following = log.slice(place + 1, place + 1 + event.tasks.length).map(taskIdOf);
        expect(following).toEqual(event.tasks.map(({ taskId }) => taskId));
        const open = event.tasks.filter(({ taskId }) => book.open.has(taskId)).length;
        const workflow = book.workflows.get(event.workflowId);
        expect(workflow && workflow.taskIds.length - workflow.over).toBe(open === 0 ? null : open);
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

  it('a completed task has all its steps over', () =>
    law(500, ({ log }) => {
      const over = new Map<string, Set<string>>();
      const all = new Map<string, readonly string[]>();
      const overOf = overTeller();
      for (const record of log) {
        const { event } = record;
        if (event.type === 'task.submitted')
          all.set(
            event.taskId,
            event.steps.map(({ id }) => id),
          );
        const taskId = taskIdOf(record) ?? '';
        const steps = over.get(taskId) ?? new Set();
        over.set(taskId, steps);
        for (const [stepId] of overOf(record)) steps.add(stepId);
        if (event.type === 'task.completed') expect([...steps].toSorted()).toEqual(all.get(taskId));
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
        const most = (steps.find(({ id }) => id === stepOf(event.stepId))?.retry.attemptsMax ?? 0) + 5;
        expect(event.attempt).toBeLessThanOrEqual(most);
      }
      expect(book.open.size).toBeLessThanOrEqual(OPEN_MAX);
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
  it('every open task can be brought to its end by running its steps and answering what they ask', () =>
    law(600, (world) => {
      world.act({ do: 'resume' });
      for (let round = 0; round < 50 && world.book.open.size > 0; round += 1) {
        for (const { taskId, report } of world.attempts) {
          world.report({ taskId, report }, { kind: 'completed', output: 1 });
        }
        for (const taskId of world.book.open.keys()) {
          for (const stepId of STEPS_AND_ITEMS) world.dispatch(taskId, stepId);
          for (const step of STEP_IDS)
            world.act({ do: 'answer', task: taskId, step, choice: 'approve', stale: false });
        }
        world.act({ do: 'time' });
      }
      expect([...world.book.open.keys()]).toEqual([]);
    }));

  it('a workflow that is cancelled leaves nothing that waits, and no task of it fails by that', () =>
    law(500, (world) => {
      for (const [workflowId, workflow] of world.book.workflows) {
        const before = world.log.length;
        const decision = cancelWorkflow(workflowId, 'enough', world.book, NOW);
        expect(isRefused(decision)).toBe(workflow === null);
        if (isRefused(decision)) continue;
        world.append(decision);
        // A rerun of a task of it is none of its tasks, and does fail with what it needs.
        const failed = world.log
          .slice(before)
          .filter(({ event }) => event.type === 'task.failed' && workflow?.taskIds.includes(event.taskId));
        expect(failed).toEqual([]);
        for (const taskId of workflow?.taskIds ?? []) {
          const open = world.book.open.get(taskId);
          expect(
            open === undefined ||
              open.finishing !== undefined ||
              (open.ending !== null && activeSteps(open).length > 0),
          ).toBe(true);
        }
      }
    }));

  it('every open task can be brought to its end by cancelling it with force, whatever its executor does then', () =>
    law(500, (world, extra) => {
      for (const taskId of world.book.open.keys()) world.cancel(taskId, true);
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
        if (event.type === 'workflow.submitted') {
          const { type: _, ...wanted } = event;
          expect(world.submitWorkflow(wanted)).toEqual({ repeatedOf: event.workflowId });
        }
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
