import { readFileSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { AllocatorEvent, GpuEvent } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger } from '#libs/domain/gpu/gpu.js';
import { submissionsOf } from '#libs/domain/task/decide-workflow.js';
import type { SchedulerEvent } from '#libs/domain/task/scheduler-events.js';
import type { TaskEvent } from '#libs/domain/task/events.js';
import { applyToBook, emptyBook } from '#libs/domain/task/task-book.js';

/**
 * Events that were written once are read for ever: each story below is a log made of the frozen examples, and folding it
 * must still give what it gave when they were frozen.
 */
const frozen = (type: string): Readonly<Record<string, unknown>> => ({
  type,
  ...(JSON.parse(readFileSync(`test/fixtures/events/${type}.v1.json`, 'utf8')) as object),
});

const foldTasks = (...types: readonly string[]) => {
  const book = emptyBook();
  for (const [place, type] of types.entries()) {
    applyToBook(book, { seq: place + 1, event: frozen(type) as unknown as TaskEvent | SchedulerEvent });
  }
  return book;
};

const foldLeases = (...types: readonly string[]) => {
  const ledger = emptyLedger();
  for (const [place, type] of types.entries()) {
    applyToLedger(ledger, { seq: place + 1, event: frozen(type) as unknown as GpuEvent | AllocatorEvent });
  }
  return ledger;
};

const BEGIN = [
  'log.started',
  'leader.elected',
  'template.registered',
  'task.submitted',
  'task.priority-changed',
] as const;

describe('frozen task events', () => {
  it('fold a task that completes', () => {
    const book = foldTasks(...BEGIN, 'step.dispatched', 'step.completed', 'task.completed');
    expect(book.closed.get('t-1')).toBe('completed');
    expect(book.templates.has('two-step-summary@0f1e2d3c4b5a6978')).toBe(true);
    expect(book.idempotency.get('default/k-1')?.taskId).toBe('t-1');
  });

  it('fold a task whose first attempt is lost', () => {
    const task = foldTasks(...BEGIN, 'step.dispatched', 'step.failed', 'commands.refused').open.get('t-1');
    expect(task?.priority).toBe(9);
    expect(task?.steps[0]?.progress).toMatchObject({
      status: 'pending',
      attempts: 1,
      notBefore: '2026-01-02T03:04:05.678Z',
    });
  });

  it('fold a task that was moved back, until its priority is changed', () => {
    const moved = foldTasks(...BEGIN, 'task.moved').open.get('t-1');
    expect(moved?.moved).toEqual({
      to: { kind: 'after', taskId: 't-0' },
      place: { priority: 7, fromMs: Date.parse('2026-01-02T03:04:05.678Z'), seq: 3, nth: [2 ** 32, -1] },
      reason: 'the demo goes first',
      by: 'ada',
      at: '2026-01-02T03:04:05.678Z',
    });
    expect(moved?.promise?.aheadMs).toBe(600_000);
    expect(moved?.line).toEqual({ sinceMs: Date.parse('2026-01-02T03:04:05.678Z'), seq: 6 });
    const changed = foldTasks(...BEGIN, 'task.moved', 'task.priority-changed').open.get('t-1');
    expect([changed?.moved, changed?.line, changed?.promise]).toEqual([null, moved?.line, moved?.promise]);
  });

  it('fold a step that is left out, one that may run, and one that the task goes on without', () => {
    const progress = (...types: readonly string[]) =>
      foldTasks(...BEGIN, ...types).open.get('t-1')?.steps[0]?.progress;
    expect(progress('step.skipped')).toEqual({ status: 'skipped' });
    expect(progress('step.admitted')).toMatchObject({ status: 'pending', attempts: 0, admitted: true });
    expect(progress('step.dispatched', 'step.abandoned')).toEqual({
      status: 'failed',
      attempt: 1,
      failure: { code: 'MODEL_ERROR', message: 'The server said 500.' },
    });
  });

  it('fold a step whose items are open as its own steps, and one by one in its output', () => {
    const steps = (...types: readonly string[]) => foldTasks(...BEGIN, ...types).open.get('t-1')?.steps;
    const [draft, , item] = steps('step.expanded') ?? [];
    expect(draft?.progress).toMatchObject({ status: 'each', total: 3, opened: 1, completed: 0 });
    expect([item?.spec.id, item?.progress.status]).toEqual(['draft[0]', 'pending']);
  });

  it('fold a step that asks, reminds, asks others, is answered and goes on', () => {
    const progress = (...types: readonly string[]) =>
      foldTasks(...BEGIN, ...types).open.get('t-1')?.steps[0]?.progress;
    expect(progress('step.waiting')).toMatchObject({
      status: 'waiting',
      seq: 6,
      waiting: { kind: 'approval', choices: ['approve', 'reject', 'later'] },
      since: '2026-01-02T03:04:05.678Z',
      reminders: 0,
      escalated: false,
      answer: null,
    });
    expect(progress('step.waiting', 'step.reminded', 'step.escalated')).toMatchObject({
      reminders: 1,
      askedAt: '2026-01-02T04:04:05.678Z',
      escalated: true,
    });
    const answered = ['step.waiting', 'step.answered'] as const;
    expect(progress(...answered)).toMatchObject({ answer: { by: 'grace', choice: 'approve' } });
    expect(progress(...answered, 'step.waited')).toEqual({
      status: 'done',
      attempt: 1,
      output: { decision: 'approved', choice: 'approve', text: 'Rivers are very long.' },
      answered: { by: 'grace', at: '2026-01-02T16:04:05.678Z' },
    });
  });

  it('fold a task of which only the steps at its end are left, and one of these that cannot begin', () => {
    const finishing = ['step.dispatched', 'task.finishing'] as const;
    const open = foldTasks(...BEGIN, ...finishing).open.get('t-1');
    expect(open?.finishing).toEqual({
      end: {
        status: 'failed',
        failure: { code: 'LEASE_LOST', message: 'Lease l-1 on attic was not renewed in time.' },
        stepId: 'draft',
      },
      until: '2026-01-02T04:04:05.678Z',
    });
    expect([open?.ending, open?.steps.map(({ progress }) => progress.status)]).toEqual([
      null,
      ['failed', 'stopped'],
    ]);
    const closed = foldTasks(...BEGIN, ...finishing, 'step.impossible', 'task.failed').closed;
    expect(closed.get('t-1')).toBe('failed');
  });

  it('fold where artifacts were removed last', () => {
    const types = ['step.dispatched', 'artifact.uploaded', 'task.completed', 'artifact.removed'] as const;
    expect(foldTasks(...BEGIN, ...types).artifactsRemovedSeq).toBe(BEGIN.length + 4);
  });

  it('fold a pause that is lifted', () => {
    expect(foldTasks(...BEGIN, 'scheduling.paused').pauses.get('workspace:default')).toEqual({
      scope: 'workspace:default',
      reason: 'the GPU is needed for a demo',
      by: 'ada',
      since: '2026-01-02T03:04:05.678Z',
    });
    expect(foldTasks(...BEGIN, 'scheduling.paused', 'scheduling.resumed').pauses.size).toBe(0);
  });

  it.each([
    ['cancelled', ['task.cancel-requested', 'step.stopped', 'task.cancelled']],
    ['failed', ['task.failing', 'task.failed']],
  ])('fold a task that is %s while it runs', (status, ending) => {
    expect(foldTasks(...BEGIN, 'step.dispatched', ...ending).closed.get('t-1')).toBe(status);
  });
});

describe('a frozen workflow', () => {
  it('folds to what was accepted, and its tasks begin from it', () => {
    const book = foldTasks(...BEGIN, 'workflow.submitted');
    expect(book.idempotency.get('default/k-2')?.workflowId).toBe('w-1');
    const accepted = book.workflows.get('w-1')?.accepted;
    expect(accepted?.name).toBe('nightly');
    if (!accepted) throw new Error('w-1 is not open');
    for (const [place, event] of submissionsOf(accepted).entries())
      applyToBook(book, { seq: BEGIN.length + 2 + place, event });
    expect(book.workflows.get('w-1')).toEqual({ taskIds: ['w-1-first', 'w-1-second'], begun: 2, over: 0 });
    expect(book.open.get('w-1-second')).toMatchObject({
      dependsOn: ['w-1-first'],
      workflow: { task: 'second', needs: [{ onFailure: 'continue' }] },
    });
    expect([...book.results]).toEqual([['w-1-first', { users: 1, result: null }]]);
  });
});

describe('a frozen schedule', () => {
  const nightly = (...types: readonly string[]) =>
    foldTasks(...BEGIN, 'schedule.created', ...types).schedules.get('nightly');

  it('folds what it says, and what holds from a change on', () => {
    expect(nightly()).toMatchObject({
      spec: { rule: { kind: 'cron', timeZone: 'Europe/Berlin' }, overlap: 'queue', firingsMax: 100 },
      createdAt: '2026-01-02T03:04:05.678Z',
      doneTo: '2026-01-02T03:04:05.678Z',
    });
    expect(nightly('schedule.changed')).toMatchObject({
      spec: { rule: { kind: 'every', everyMs: 900_000 } },
      doneTo: '2026-01-05T03:04:05.678Z',
    });
    expect(nightly('schedule.removed')).toBeUndefined();
    expect(nightly('schedule.paused')?.paused).toMatchObject({ by: 'ada', reason: 'holidays' });
    expect(nightly('schedule.paused', 'schedule.resumed')).toMatchObject({
      paused: null,
      doneTo: '2026-01-04T04:04:05.678Z',
    });
  });

  it('folds a firing to a task that is still to be submitted', () => {
    const book = foldTasks(...BEGIN, 'schedule.created', 'schedule.fired');
    const accepted = book.schedules.get('nightly')?.accepted;
    expect(accepted?.taskId).toBe('nightly-20260103013000000');
    if (!accepted) throw new Error('nothing is accepted');
    applyToBook(book, { seq: BEGIN.length + 3, event: { type: 'task.submitted', ...accepted } });
    expect(book.schedules.get('nightly')).toMatchObject({
      accepted: null,
      firings: 1,
      open: ['nightly-20260103013000000'],
      doneTo: '2026-01-03T01:30:00.000Z',
    });
    expect(book.open.get('nightly-20260103013000000')?.labels).toEqual({ team: 'red', schedule: 'nightly' });
  });

  it('folds what becomes no task', () =>
    expect(nightly('schedule.queued', 'schedule.skipped', 'schedule.failed')).toMatchObject({
      queued: ['2026-01-04T01:30:00.000Z'],
      skipped: 3,
      lastError: { failure: { code: 'PARAMETERS_INVALID' } },
      doneTo: '2026-01-08T01:30:00.000Z',
    }));
});

describe('frozen lease events', () => {
  const LOADED = [
    'log.started',
    'leader.elected',
    'server.configured',
    'server.state-changed',
    'residency.load-started',
    'residency.loaded',
  ] as const;

  it('fold a lease with its token', () => {
    const server = foldLeases(...LOADED, 'lease.granted').servers.get('attic');
    expect(server?.leases.get('l-1')?.token).toBe(7);
    expect(server?.residencies.get('r-1')?.bytes).toBe(2_500_000_000);
    expect(server?.foreign).toHaveLength(1);
  });

  it.each([['lease.released'], ['lease.expired']])('fold %s to a free slot', (type) => {
    expect(foldLeases(...LOADED, 'lease.granted', type).servers.get('attic')?.leases.size).toBe(0);
  });

  it('fold a failed load to free bytes and a remembered failure', () => {
    const server = foldLeases(...LOADED.slice(0, 5), 'residency.load-failed').servers.get('attic');
    expect(server?.residencies.size).toBe(0);
    expect(server?.loadFailures.get('llama3.2:3b|numCtx=4096')?.count).toBe(1);
  });

  it('fold a drain to a server that is not up until it is resumed', () => {
    const state = (...types: readonly string[]) =>
      foldLeases(...LOADED.slice(0, 4), ...types).servers.get('attic')?.state;
    expect(state('server.drain-started')).toBe('draining');
    expect(state('server.drain-started', 'server.drained')).toBe('drained');
    expect(state('server.drain-started', 'server.drained', 'server.resumed')).toBe('up');
  });

  it('fold an unload and a removal', () => {
    const unloaded = [...LOADED, 'residency.unload-started', 'residency.unloaded'];
    expect(foldLeases(...unloaded).servers.get('attic')?.residencies.size).toBe(0);
    expect(foldLeases(...unloaded, 'server.removed').servers.size).toBe(0);
  });
});
