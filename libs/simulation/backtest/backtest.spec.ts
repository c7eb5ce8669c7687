import { describe, expect, it } from '@jest/globals';
import { DEFAULT_POLICY, type PolicySettings } from '#libs/domain/policy/settings.js';
import { gib, later, NOW_MS, serverSpec, workflowOf } from '#libs/testing/builders.js';
import { submissionsOf } from '#libs/domain/task/decide-workflow.js';
import { LogStory, modelStep } from '#libs/testing/log-story.js';
import { backtest, type Backtest } from './backtest.js';
import type { Change } from './change.js';

const WORK_MS = 1_000;
const LOAD_MS = 3_000;

const changedTo = (policy: Partial<PolicySettings>): Change => ({ policy: { ...DEFAULT_POLICY, ...policy } });

/** One server with one slot, on which only one model fits at a time. */
const oneModelServer = (): LogStory => new LogStory().server('gpu1', { slots: 1, vramBytes: gib(12) });

/**
 * Tasks of two models, submitted one second apart in turn, as a server without batches would have run them: each loads its model anew.
 */
const alternating = (count: number): LogStory => {
  const story = oneModelServer();
  const models = ['a', 'b'] as const;
  const modelOf = (n: number) => models[n % 2] ?? 'a';
  let freeMs = 0;
  const told: { atMs: number; tell: () => void }[] = [];
  for (let n = 0; n < count; n += 1) {
    const model = modelOf(n);
    told.push({
      atMs: n * 1_000,
      tell: () => story.submits(`t${n}`, { steps: [modelStep(model)], workspace: `of-${model}` }),
    });
    const beganMs = Math.max(freeMs, n * 1_000);
    told.push({ atMs: beganMs, tell: () => story.loads(model, LOAD_MS, { slots: 1 }) });
    told.push({ atMs: beganMs + LOAD_MS, tell: () => story.starts(`t${n}`, { model }) });
    told.push({ atMs: beganMs + LOAD_MS + WORK_MS, tell: () => story.completes(`t${n}`) });
    freeMs = beganMs + LOAD_MS + WORK_MS;
    const residencyId = `res-gpu1-${model}`;
    told.push({
      atMs: freeMs,
      tell: () =>
        story
          .lease({
            type: 'residency.unload-started',
            serverId: 'gpu1',
            residencyId,
            reason: '',
            at: story.now,
          })
          .lease({ type: 'residency.unloaded', serverId: 'gpu1', residencyId, reason: '', at: story.now }),
    });
  }
  for (const { atMs, tell } of told.toSorted((x, y) => x.atMs - y.atMs)) {
    story.at(atMs);
    tell();
  }
  return story;
};

const lengthOf = (story: LogStory): Backtest => backtest(story.recording(), {});

describe('what happened in a window', () => {
  it('is told by the log: loads, waits, ends, busy time', () => {
    const { asItWas } = lengthOf(alternating(3));
    // Ready at 0, 1 and 2 s; the server works for each in turn, 4 s with its load.
    expect(asItWas).toMatchObject({
      tasks: { all: 3, completed: 3, open: 0 },
      makespanMs: 12_000,
      loads: 3,
      busyShare: 0.25,
      waitsMs: { tasks: 3, p50: 6_000, max: 9_000 },
      waitsMsByPriority: { 5: { tasks: 3, p50: 6_000 } },
      workspaces: { 'of-a': { serviceMs: 500 }, 'of-b': { serviceMs: 250 } },
    });
  });

  it('goes on until its tasks are over, and does not count those that came later', () => {
    const { asItWas, replayed } = backtest(alternating(6).recording(0, 1_500), {});
    expect(asItWas).toMatchObject({ tasks: { all: 2, completed: 2 }, makespanMs: 8_000, loads: 3 });
    expect(replayed).toMatchObject({ tasks: { all: 2, completed: 2 }, loads: 2 });
  });

  it('counts what has not started or ended when the log ends as waiting, and as open', () => {
    const story = alternating(3);
    const early = ({ atMs }: { readonly atMs: number }): boolean => atMs <= NOW_MS + 5_999;
    story.tasks.splice(0, story.tasks.length, ...story.tasks.filter(early));
    story.leases.splice(0, story.leases.length, ...story.leases.filter(early));
    const { asItWas, replayed } = lengthOf(story.at(5_999).submits('last', { steps: [modelStep('a')] }));
    expect(asItWas).toMatchObject({
      tasks: { all: 4, completed: 1, open: 3 },
      makespanMs: 6_000,
      stepsNotStarted: 3,
      waitsMs: { tasks: 4, max: 5_000 },
    });
    expect(replayed.tasks).toMatchObject({ all: 4, completed: 4 });
  });

  it('has a step wait from when what it needs is done, and from when its task may run', () => {
    const story = new LogStory().server('gpu1').lease({
      type: 'server.configured',
      server: serverSpec('cpu', { kind: 'cpu', slots: 4 }),
      at: '',
    });
    story
      .submits('t1')
      .submits('t2', { dependsOn: ['t1'] })
      .submits('t3', { runAt: later(5_000) });
    story.at(100).starts('t1', { serverId: 'cpu' }).at(2_000).completes('t1', { serverId: 'cpu' });
    story.at(2_700).starts('t2', { serverId: 'cpu' }).at(3_000).completes('t2', { serverId: 'cpu' });
    story.at(5_050).starts('t3', { serverId: 'cpu' }).at(6_000).completes('t3', { serverId: 'cpu' });
    const { asItWas, replayed } = lengthOf(story);
    expect(asItWas.waitsMs).toMatchObject({ tasks: 3, p50: 100, max: 700 });
    expect(replayed.waitsMs).toMatchObject({ tasks: 3, max: 0 });
    expect(replayed.makespanMs).toBe(5_000 + 950);
  });
});

describe('the same window under another policy', () => {
  it('has fewer loads with batches than without, and is done sooner', () => {
    const story = alternating(12);
    const { asItWas, replayed, changed } = backtest(
      story.recording(),
      changedTo({ swapLeadMs: 0, swapShareMax: 0.9, agingMs: 0 }),
    );
    expect(asItWas.loads).toBe(12);
    expect(replayed.loads).toBeLessThanOrEqual(4);
    expect(changed.loads).toBeGreaterThan(replayed.loads + 2);
    expect(changed.makespanMs).toBeGreaterThan(replayed.makespanMs);
    expect(changed.tasks).toEqual(replayed.tasks);
  });

  it('lets a workspace of more weight wait less, and the others more', () => {
    const story = oneModelServer().loads('a', LOAD_MS, { slots: 1 });
    const steps = [modelStep('a')];
    for (let n = 0; n < 20; n += 1)
      story.submits(`t${n}`, { steps, workspace: n % 2 === 0 ? 'lab' : 'home' });
    for (let n = 0; n < 20; n += 1) {
      story.at(LOAD_MS + n * WORK_MS).starts(`t${n}`, { model: 'a' });
      story.at(LOAD_MS + (n + 1) * WORK_MS).completes(`t${n}`);
    }
    const { replayed, changed } = backtest(
      story.recording(),
      changedTo({ weights: { lab: 9 }, fairQuantumMs: 1_000 }),
    );
    const waits = (measures: typeof replayed, name: string): number =>
      measures.workspaces[name]?.waitsMs.p50 ?? 0;
    expect(waits(changed, 'lab')).toBeLessThan(waits(replayed, 'lab') - 1_000);
    expect(waits(changed, 'home')).toBeGreaterThan(waits(replayed, 'home') + 1_000);
    expect(changed.workspaces['lab']?.serviceMs).toBeCloseTo(replayed.workspaces['lab']?.serviceMs ?? 0, 0);
  });

  it('keeps a policy that was changed in the window for the replay, and not for the change', () => {
    const story = alternating(12);
    story.tasks.splice(2, 0);
    const eager = { ...DEFAULT_POLICY, swapLeadMs: 0, swapShareMax: 0.9, agingMs: 0 };
    const [first, ...rest] = story.tasks;
    if (first === undefined) throw new Error('a story begins with its template');
    const changedThen = { ...first, event: { type: 'policy.changed', policy: eager, at: later(0) } as const };
    const told = [first, changedThen, ...rest].map((record, place) => ({ ...record, seq: place + 1 }));
    story.tasks.splice(0, story.tasks.length, ...told);
    const { replayed, changed } = backtest(story.recording(), changedTo({}));
    expect(replayed.loads).toBeGreaterThan(changed.loads + 2);
  });
});

describe('the same window on other servers', () => {
  it('has no swaps where both models fit, and is done sooner', () => {
    const servers = [serverSpec('gpu1', { slots: 1, vramBytes: gib(48) })];
    const { replayed, changed } = backtest(alternating(12).recording(), { servers });
    expect(changed.loads).toBe(2);
    expect(changed.makespanMs).toBeLessThan(replayed.makespanMs);
  });

  it('is shared by servers that were not there', () => {
    const servers = ['gpu1', 'gpu2'].map((id) => serverSpec(id, { slots: 1, vramBytes: gib(12) }));
    const { changed } = backtest(alternating(12).recording(), { servers });
    expect(changed.loads).toBe(2);
    expect(changed.waitsMs.max).toBeLessThanOrEqual(LOAD_MS + WORK_MS);
  });

  it('fails where no server can hold what is asked for, as the platform would', () => {
    const servers = [serverSpec('gpu1', { slots: 1, vramBytes: gib(4) })];
    const { changed } = backtest(alternating(4).recording(), { servers });
    expect(changed.tasks).toMatchObject({ failed: 4, completed: 0 });
  });

  it('takes what ran on a server that is gone up again elsewhere', () => {
    const story = alternating(4);
    const servers = [serverSpec('gpu9', { slots: 1, vramBytes: gib(12) })];
    const { changed, openAtStart } = backtest(story.recording(3_500), { servers });
    expect(openAtStart).toBe(4);
    expect(changed.tasks).toMatchObject({ all: 4, completed: 4 });
  });
});

/** A model that is loaded and a task that runs from 3 to 4 s, and what else is told. */
const ranOnce = (more: (story: LogStory) => void): LogStory => {
  const story = oneModelServer()
    .submits('t0', { steps: [modelStep('a')] })
    .loads('a', LOAD_MS, { slots: 1 });
  story
    .at(LOAD_MS)
    .starts('t0', { model: 'a' })
    .at(LOAD_MS + WORK_MS)
    .completes('t0');
  more(story);
  return story;
};

describe('what people and machines did', () => {
  it('is done again: a cancel, a pause, a time in the queue, a server that was away', () => {
    const steps = [modelStep('a')];
    const story = ranOnce((log) => {
      log
        .at(5_000)
        .task({ type: 'scheduling.paused', scope: 'queue', reason: 'lunch', by: 'me', at: log.now });
      log
        .at(6_000)
        .submits('cancelled', { steps })
        .submits('expired', { steps, queueTtlMs: 2_000 })
        .submits('runs', { steps });
      const failure = { code: 'QUEUE_TTL_EXPIRED', message: 'late' } as const;
      log
        .at(7_000)
        .task({ type: 'task.cancelled', taskId: 'cancelled', reason: 'no', stopped: [], at: log.now });
      log.at(8_000).task({ type: 'task.failed', taskId: 'expired', failure, stopped: [], at: log.now });
      log.at(9_000).task({ type: 'scheduling.resumed', scope: 'queue', by: 'me', at: log.now });
      log.state('gpu1', 'down').at(20_000).state('gpu1', 'up');
      log.loads('a', LOAD_MS, { slots: 1 });
      log.at(23_000).starts('runs', { model: 'a' }).at(24_000).completes('runs');
    });
    const { asItWas, replayed } = lengthOf(story);
    expect(asItWas.tasks).toEqual({ all: 4, completed: 2, failed: 1, cancelled: 1, open: 0 });
    expect(replayed.tasks).toEqual(asItWas.tasks);
    expect([replayed.loads, replayed.makespanMs, replayed.waitsMs.max]).toEqual([2, 24_000, 17_000]);
  });

  it('drains a server as it was drained, and empties one that was stuck before it is used again', () => {
    const steps = [modelStep('a')];
    const story = ranOnce((log) => {
      log
        .at(5_000)
        .lease({ type: 'server.drain-started', serverId: 'gpu1', reason: 'dust', at: log.now })
        .at(6_000)
        .submits('t1', { steps })
        .at(9_000)
        .lease({ type: 'server.resumed', serverId: 'gpu1', at: log.now })
        .loads('a', LOAD_MS, { slots: 1 })
        .at(12_000)
        .starts('t1', { model: 'a' })
        .at(13_000)
        .completes('t1');
      log.at(20_000).state('gpu1', 'suspect').submits('t2', { steps }).at(25_000).state('gpu1', 'up');
      log.loads('a', LOAD_MS, { slots: 1 });
      log.at(28_000).starts('t2', { model: 'a' }).at(29_000).completes('t2');
    });
    const { asItWas, replayed } = lengthOf(story);
    expect([asItWas.loads, asItWas.makespanMs, asItWas.waitsMs.max]).toEqual([3, 29_000, 8_000]);
    expect(replayed).toMatchObject({ loads: 3, makespanMs: 29_000, waitsMs: { tasks: 3, max: 8_000 } });
  });

  it('has what ran at the start of the window run on, for what was left of it', () => {
    const story = ranOnce((log) => log.at(3_500).submits('t1', { steps: [modelStep('a')] }));
    story.at(4_000).starts('t1', { model: 'a' }).at(5_000).completes('t1');
    // The task runs from 3 to 4 s, so that 0.6 s of it are left.
    story.tasks.sort((a, b) => a.atMs - b.atMs);
    const told = story.tasks.map((record, place) => ({ ...record, seq: place + 1 }));
    story.tasks.splice(0, story.tasks.length, ...told);
    const { openAtStart, replayed } = backtest(story.recording(3_400), {});
    expect([openAtStart, replayed.makespanMs, replayed.waitsMs.max]).toEqual([1, 1_600, 3_000]);
  });

  it('lets a workflow pass over what fails there, and ends what needs what failed', () => {
    const failure = { code: 'MODEL_ERROR', message: 'broken' } as const;
    const flow = workflowOf('w', 3, [
      { onFailure: 'continue', isRead: false },
      { onFailure: null, isRead: false },
      { onFailure: 'skip', isRead: false },
    ]);
    const story = new LogStory().lease({
      type: 'server.configured',
      server: serverSpec('cpu', { kind: 'cpu', slots: 4 }),
      at: '',
    });
    story.task({ type: 'workflow.submitted', ...flow });
    for (const submission of submissionsOf({ type: 'workflow.submitted', ...flow })) story.task(submission);
    story.starts('w-0', { serverId: 'cpu' }).at(1_000).failsTask('w-0', failure, { serverId: 'cpu' });
    story.starts('w-1', { serverId: 'cpu' }).at(3_000).failsTask('w-1', failure, { serverId: 'cpu' });
    story.task({
      type: 'task.cancelled',
      taskId: 'w-2',
      reason: 'skipped',
      skipped: failure,
      stopped: [],
      at: story.now,
    });
    const { asItWas, replayed } = lengthOf(story);
    expect(asItWas.tasks).toEqual({ all: 3, completed: 0, failed: 2, cancelled: 1, open: 0 });
    expect([replayed.tasks, replayed.makespanMs]).toEqual([asItWas.tasks, 3_000]);
  });

  it('leaves out an attempt that was lost, and repeats one that failed', () => {
    const [lost, broken] = [
      { code: 'LEASE_LOST', message: 'gone' },
      { code: 'MODEL_ERROR', message: 'broken' },
    ] as const;
    const steps = [modelStep('a', { retry: { attemptsMax: 3, backoffMs: 0 } })];
    const story = ranOnce((log) => {
      log.at(10_000).submits('t1', { steps }).starts('t1', { model: 'a' });
      log.at(15_000).failsAttempt('t1', lost).starts('t1', { model: 'a', attempt: 2 });
      log.at(17_000).failsAttempt('t1', broken, { attempt: 2 }).starts('t1', { model: 'a', attempt: 3 });
      log.at(18_000).completes('t1', { attempt: 3 });
    });
    const { asItWas, replayed, leftOut } = lengthOf(story);
    expect([asItWas.makespanMs, leftOut.lostAttempts]).toEqual([18_000, 1]);
    // Two seconds that fail, and one that does not.
    expect(replayed.makespanMs).toBe(13_000);
  });

  it('keeps deadlines, or does not', () => {
    const steps = [modelStep('a')];
    const story = ranOnce((log) => {
      log
        .at(10_000)
        .submits('early', { steps, deadlineAt: later(11_500) })
        .submits('late', { steps, deadlineAt: later(11_600) });
      log.starts('late', { model: 'a' }).at(11_000).completes('late').starts('early', { model: 'a' });
      log.at(12_000).completes('early');
      log.submits('open', { steps, deadlineAt: later(90_000) });
    });
    const { asItWas, replayed } = lengthOf(story);
    expect(asItWas.deadlines).toEqual({ kept: 1, missed: 1, pending: 1 });
    // It goes on behind the end of the log.
    expect(replayed.deadlines).toEqual({ kept: 2, missed: 1, pending: 0 });
  });
});
