import { describe, expect, it } from '@jest/globals';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { explainTask, type StepExplanation } from '#libs/domain/policy/explain.js';
import { forecastOf } from '#libs/domain/policy/forecast.js';
import { ledgerForPlan } from '#libs/domain/policy/paused-servers.js';
import type { PauseScope } from '#libs/domain/task/pauses.js';
import type { Snapshot } from '#libs/domain/policy/snapshot.js';
import type { TaskRecord } from '#libs/domain/task/task-book.js';
import { TaskIndex } from '#libs/domain/task/task-index.js';
import {
  configured,
  cpuSpec,
  dispatched,
  failureOf,
  gib,
  later,
  loadStarted,
  needsModel,
  NOW,
  NOW_MS,
  profileOf,
  resident,
  serverState,
  serverUp,
  stepSpec,
  submitted,
  success,
} from '#libs/testing/builders.js';
import type { WaitingFor } from '#libs/domain/task/waiting-events.js';
import { questionOf } from '#libs/testing/questions.js';
import { snapshotWith, UNKNOWN_COSTS } from '#libs/testing/snapshots.js';
import { bookOf, ledgerOf } from '#libs/testing/spec.js';

type TaskFact = TaskRecord['event'];
type Fact = GpuRecord['event'];
type Given = {
  readonly tasks?: readonly TaskFact[];
  readonly servers?: readonly Fact[];
  readonly snapshot?: Partial<Omit<Snapshot, 'settings'>>;
  readonly hold?: boolean;
};

const paused = (scope: PauseScope): TaskFact => ({
  type: 'scheduling.paused',
  scope,
  reason: 'repair',
  by: 'ada',
  at: NOW,
});

const LLAMA = 'llama3:8b';
const LONG_AGO = later(-3_600_000);
const onLlama = submitted({ steps: [stepSpec('a', { requirement: needsModel(LLAMA) })] });
const held = resident('gpu1', 'r1', profileOf('qwen2.5:7b'), { bytes: gib(20), at: LONG_AGO });

/** What is told of the steps of task `t1`. */
const explained = ({
  tasks = [onLlama],
  servers = [],
  snapshot,
  hold,
}: Given): readonly StepExplanation[] => {
  const book = bookOf(tasks);
  const index = new TaskIndex(book, UNKNOWN_COSTS);
  index.rebuild(NOW_MS);
  if (hold) index.hold('t1', 'a', NOW_MS);
  const task = book.open.get('t1');
  if (task === undefined) throw new Error('task t1 is not open');
  const moment = snapshotWith({
    ready: index.ready,
    ledger: ledgerForPlan(ledgerOf(...servers), book.pauses),
    knownBytes: new Map([[profileKey(profileOf(LLAMA)), gib(10)]]),
    ...snapshot,
  });
  return explainTask(task, { book, index, snapshot: moment, forecast: forecastOf(moment) });
};

/** For what step `a` of task `t1` waits. */
const waitFor = (given: Given): object => {
  const [step] = explained(given);
  if (step?.state !== 'waiting') throw new Error(`step a is ${step?.state}`);
  return step.wait;
};

const leasesOf = (residencyId: string | undefined, ...taskIds: readonly string[]): Fact => ({
  type: 'lease.granted',
  serverId: residencyId === undefined ? 'cpu' : 'gpu1',
  leases: taskIds.map((taskId) => ({
    leaseId: `l-${taskId}`,
    taskId,
    stepId: 'a',
    attempt: 1,
    ...(residencyId === undefined ? {} : { residencyId }),
  })),
  at: NOW,
});

describe('a step', () => {
  it('that is done, that runs, and that waits for it', () => {
    const steps = [stepSpec('a'), stepSpec('b', { needs: ['a'] }), stepSpec('c', { needs: ['b'] })];
    const done: TaskFact = { type: 'step.completed', taskId: 't1', step: success('a') };
    expect(explained({ tasks: [submitted({ steps }), dispatched('a'), done, dispatched('b')] })).toEqual([
      { stepId: 'a', model: null, state: 'done' },
      { stepId: 'b', model: null, state: 'running', attempt: 1, serverId: 'gpu1', since: NOW },
      {
        stepId: 'c',
        model: null,
        state: 'waiting',
        wait: { kind: 'steps', stepIds: ['b'] },
        start: { kind: 'not-before', atMs: NOW_MS + 15_000 },
      },
    ]);
  });

  it('that was left out, that has failed and may, and of which it is not decided whether it runs', () => {
    const failure = { code: 'MODEL_ERROR', message: 'broken' } as const;
    const steps = [
      stepSpec('a', { conditional: true }),
      stepSpec('b', { onFailure: 'continue' }),
      stepSpec('c', { needs: ['a', 'b'] }),
      stepSpec('d', { needs: ['c'], conditional: true }),
    ];
    const tasks: readonly TaskFact[] = [
      submitted({ steps }),
      { type: 'step.skipped', taskId: 't1', stepId: 'a', at: NOW },
      dispatched('b'),
      { type: 'step.abandoned', taskId: 't1', step: failureOf('b', 1, failure) },
    ];
    expect(explained({ tasks })).toMatchObject([
      { stepId: 'a', state: 'skipped' },
      { stepId: 'b', state: 'failed', failure },
      { stepId: 'c', state: 'waiting', wait: { kind: 'slot' } },
      { stepId: 'd', state: 'waiting', wait: { kind: 'steps', stepIds: ['c'], conditional: true } },
    ]);
  });

  it('of a task that is ending', () => {
    const steps = [stepSpec('a'), stepSpec('b')];
    const cancel: TaskFact = { type: 'task.cancel-requested', taskId: 't1', reason: 'enough', at: NOW };
    expect(explained({ tasks: [submitted({ steps }), dispatched('b'), cancel] })[0]).toMatchObject({
      wait: { kind: 'ending', how: 'cancelled' },
    });
  });

  it.each<{ readonly what: string; readonly given: Given; readonly want: object }>([
    {
      what: 'another task',
      given: { tasks: [submitted({ taskId: 't0' }), submitted({ dependsOn: ['t0'] })] },
      want: { kind: 'tasks', taskIds: ['t0'], names: [] },
    },
    ...(['queue', 'workspace:home', 'template:summarize'] as const).map((scope) => ({
      what: `a pause of ${scope}`,
      given: { tasks: [paused(scope), submitted({ runAt: later(2_000) })] },
      want: { kind: 'paused', pause: { scope, reason: 'repair', by: 'ada', since: NOW } },
    })),
    {
      what: 'a pause of the only server that could run it',
      given: {
        tasks: [paused('server:cpu'), submitted()],
        servers: [configured(cpuSpec(1)), ...serverUp('gpu1')],
      },
      want: { kind: 'paused', pause: { scope: 'server:cpu' } },
    },
    {
      what: 'a model, where another server is not paused',
      given: { tasks: [paused('server:gpu1'), onLlama], servers: [...serverUp('gpu1'), ...serverUp('gpu2')] },
      want: {
        kind: 'model',
        servers: [
          { serverId: 'gpu1', verdict: { obstacle: { kind: 'not-up', state: 'paused' } } },
          { serverId: 'gpu2', verdict: { may: true } },
        ],
      },
    },
    {
      what: 'the time from which it may run',
      given: {
        tasks: [submitted({ taskId: 't0' }), submitted({ dependsOn: ['t0'], runAt: later(2_000) })],
      },
      want: { kind: 'run-at', atMs: NOW_MS + 2_000 },
    },
    {
      what: 'its next attempt',
      given: {
        tasks: [
          submitted(),
          dispatched(),
          {
            type: 'step.failed',
            taskId: 't1',
            step: failureOf('a', 1, { code: 'SERVER_BUSY', message: 'busy' }),
            retryAt: later(2_000),
          },
        ],
      },
      want: { kind: 'retry', attempt: 2, atMs: NOW_MS + 2_000 },
    },
    { what: 'its lease', given: { hold: true }, want: { kind: 'lease' } },
    {
      what: 'a CPU slot that another has',
      given: {
        tasks: [submitted()],
        servers: [configured(cpuSpec(1)), leasesOf(undefined, 't9')],
      },
      want: {
        kind: 'slot',
        position: { ahead: 0, aheadOfSame: 0 },
        places: [
          {
            serverId: 'cpu',
            slots: 1,
            busy: 1,
            makesRoomFor: null,
            holders: [{ taskId: 't9', stepId: 'a' }],
          },
        ],
      },
    },
    {
      what: 'a slot of its model, behind others',
      given: {
        tasks: [
          submitted({ taskId: 't0', priority: 9, steps: onLlama.steps }),
          submitted({ taskId: 'tc', priority: 9 }),
          onLlama,
        ],
        servers: [
          ...serverUp('gpu1'),
          ...resident('gpu1', 'r1', profileOf(LLAMA)),
          leasesOf('r1', 't8', 't9'),
        ],
      },
      want: {
        kind: 'slot',
        position: { ahead: 2, aheadOfSame: 1 },
        places: [expect.objectContaining({ serverId: 'gpu1', slots: 2, busy: 2, makesRoomFor: null })],
      },
    },
    {
      what: 'a model that makes room for another',
      given: {
        tasks: [
          submitted({
            taskId: 't0',
            priority: 9,
            steps: [stepSpec('a', { requirement: needsModel('phi4:14b') })],
          }),
          onLlama,
        ],
        servers: [
          ...serverUp('gpu1'),
          ...resident('gpu1', 'r1', profileOf(LLAMA), { bytes: gib(20), at: LONG_AGO }),
          leasesOf('r1', 't9'),
        ],
        snapshot: { knownBytes: new Map([[profileKey(profileOf('phi4:14b')), gib(10)]]) },
      },
      want: { kind: 'slot', places: [expect.objectContaining({ busy: 1, makesRoomFor: 'phi4:14b' })] },
    },
    {
      what: 'its model to be loaded',
      given: { servers: [...serverUp('gpu1'), loadStarted('gpu1', 'r1', profileOf(LLAMA))] },
      want: { kind: 'loading', serverId: 'gpu1', since: NOW },
    },
    { what: 'a server that is not there', given: {}, want: { kind: 'model', servers: [] } },
    {
      what: 'a load that was asked for',
      given: { servers: serverUp('gpu1'), snapshot: { loadsAsked: new Set(['gpu1']) } },
      want: { kind: 'model', servers: [{ serverId: 'gpu1', verdict: { may: 'asked' } }] },
    },
    {
      what: 'a server with room',
      given: { servers: serverUp('gpu1') },
      want: {
        kind: 'model',
        servers: [{ serverId: 'gpu1', verdict: { may: true, evict: [], drain: null } }],
      },
    },
    {
      what: 'work that ends on a model that goes',
      given: { servers: [...serverUp('gpu1'), ...held, leasesOf('r1', 't9')] },
      want: {
        kind: 'model',
        servers: [{ serverId: 'gpu1', verdict: { may: true, evict: ['r1'], drain: 'r1' } }],
      },
    },
  ])('that waits for $what', ({ given, want }) => expect(waitFor(given)).toMatchObject(want));
});

describe('the latest start of a step that waits for a slot', () => {
  const promise = {
    startBy: later(900_000),
    allowanceMs: 600_000,
    aheadMs: 0,
    attemptMs: 60_000,
    swapMs: 10_000,
  };
  const boundOf = (given: Given) => {
    const [step] = explained(given);
    return step?.state === 'waiting' ? step.bound : undefined;
  };

  it('is the one that its submission was promised, and what is left of its allowance', () => {
    const waited = { nowMs: NOW_MS + 60_000 };
    expect(boundOf({ tasks: [{ ...onLlama, promise }], snapshot: waited })).toEqual({
      startByMs: NOW_MS + 900_000,
      mayBeOvertakenMs: 540_000,
    });
  });

  it('is made when it becomes ready where nothing was promised', () => {
    const bound = boundOf({});
    expect(bound?.mayBeOvertakenMs).toBe(720_000);
    expect(bound?.startByMs).toBeGreaterThan(NOW_MS + 720_000);
  });

  it('is none for one that waits for something else', () => {
    const needs = submitted({
      steps: [stepSpec('a', { requirement: needsModel(LLAMA), needs: ['b'] }), stepSpec('b')],
    });
    expect(boundOf({ tasks: [needs] })).toBeUndefined();
  });
});

describe('a server that may not load the model', () => {
  const rival = submitted({
    taskId: 't0',
    steps: [stepSpec('a', { requirement: needsModel('qwen2.5:7b') })],
  });
  const failed = (code: 'MODEL_NOT_FOUND' | 'MODEL_LOAD_FAILED'): readonly Fact[] => [
    loadStarted('gpu1', 'r1', profileOf(LLAMA)),
    {
      type: 'residency.load-failed',
      serverId: 'gpu1',
      residencyId: 'r1',
      failure: { code, message: 'no' },
      at: NOW,
    },
  ];

  it.each<{ readonly why: string; readonly given: Given; readonly want: object }>([
    {
      why: 'is down',
      given: { servers: [...serverUp('gpu1'), serverState('gpu1', 'down')] },
      want: { kind: 'not-up', state: 'down' },
    },
    {
      why: 'loads another one',
      given: { servers: [...serverUp('gpu1'), loadStarted('gpu1', 'r1', profileOf('phi4:14b'))] },
      want: { kind: 'other-load', model: 'phi4:14b', state: 'loading' },
    },
    {
      why: 'is too small',
      given: { servers: serverUp('gpu1', { vramBytes: gib(8) }) },
      want: { kind: 'too-large', needBytes: gib(10), vramBytes: gib(8) },
    },
    {
      why: 'failed to, a moment ago',
      given: { servers: [...serverUp('gpu1'), ...failed('MODEL_LOAD_FAILED')] },
      want: { kind: 'load-failed', againAtMs: NOW_MS + 10_000, failure: { code: 'MODEL_LOAD_FAILED' } },
    },
    {
      why: 'does not have it',
      given: { servers: [...serverUp('gpu1'), ...failed('MODEL_NOT_FOUND')] },
      want: { kind: 'load-failed', againAtMs: null },
    },
    {
      why: 'keeps one whose work is not behind, its turn being over since long',
      given: { tasks: [rival, onLlama], servers: [...serverUp('gpu1'), ...held] },
      want: { kind: 'in-use', model: 'qwen2.5:7b', turnUntilMs: NOW_MS - 3_600_000 + 27_000 },
    },
    {
      why: 'has what others have loaded',
      given: {
        servers: [
          ...serverUp('gpu1'),
          serverState('gpu1', 'up', { foreign: [{ model: 'mine:70b', bytes: gib(20) }] }),
        ],
      },
      want: { kind: 'foreign', models: [{ model: 'mine:70b' }] },
    },
  ])('$why', ({ given, want }) =>
    expect(waitFor(given)).toMatchObject({
      kind: 'model',
      servers: [{ serverId: 'gpu1', verdict: { may: false, obstacle: want } }],
    }),
  );
});

describe('a step that waits', () => {
  const asks = submitted({ steps: [stepSpec('a', { waits: 'approval' }), stepSpec('b', { needs: ['a'] })] });
  const begins = (waiting: WaitingFor): TaskFact => ({
    type: 'step.waiting',
    taskId: 't1',
    stepId: 'a',
    waiting,
    at: NOW,
  });

  it('is told with whom it has asked, since when and until when, and what is behind it waits for it', () => {
    expect(explained({ tasks: [asks] })[0]).toMatchObject({ wait: { kind: 'begin', of: 'approval' } });
    const [a, b] = explained({ tasks: [asks, begins(questionOf('approval', NOW_MS))] });
    expect(a).toMatchObject({
      state: 'waiting',
      wait: {
        kind: 'answer',
        asks: 'approval',
        assignees: ['ada'],
        sinceMs: NOW_MS,
        untilMs: NOW_MS + 12_000,
      },
    });
    expect(b).toMatchObject({ wait: { kind: 'steps', stepIds: ['a'] } });
    // How long people take cannot be told.
    expect(b).not.toHaveProperty('start');
  });

  it('for a time is told with its end, by which what is behind it starts', () => {
    const [a, b] = explained({ tasks: [asks, begins({ kind: 'delay', until: later(60_000) })] });
    expect(a).toMatchObject({ wait: { kind: 'time', untilMs: NOW_MS + 60_000 } });
    expect(b).toMatchObject({ start: { kind: 'not-before', atMs: NOW_MS + 60_000 } });
  });
});

describe('a step at the end of a task', () => {
  const atEnd = { limitMs: 60_000 };
  const task = submitted({ steps: [stepSpec('a'), stepSpec('b'), stepSpec('report', { atEnd })] });
  const failure = { code: 'MODEL_ERROR', message: 'broken' } as const;

  it('waits for all others to end', () =>
    expect(explained({ tasks: [task, dispatched('a')] }).at(-1)).toMatchObject({
      stepId: 'report',
      state: 'waiting',
      wait: { kind: 'end', stepIds: ['a', 'b'] },
    }));

  it('waits for a slot then, and the others are what became of them', () => {
    const end = { status: 'failed', failure, step: failureOf('a', 1, failure), stopped: [] } as const;
    const finishing = { type: 'task.finishing', taskId: 't1', end, until: later(60_000), at: NOW } as const;
    expect(explained({ tasks: [task, dispatched('a'), finishing] })).toMatchObject([
      { stepId: 'a', state: 'failed', ends: true },
      { stepId: 'b', state: 'stopped', begun: false },
      { stepId: 'report', state: 'waiting', wait: { kind: 'slot' } },
    ]);
  });
});
