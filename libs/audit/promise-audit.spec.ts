import { describe, expect, it } from '@jest/globals';
import { later } from '#libs/testing/builders.js';
import type { AuditRecord } from './audit-record.js';
import { Findings } from './findings.js';
import { PromiseAudit } from './promise-audit.js';

type Told = { readonly type: string; readonly atMs: number; readonly data?: object };

const recordOf = ({ type, atMs, data = {} }: Told, seq: number): AuditRecord => ({
  seq,
  subject: '',
  id: `e-${seq}`,
  type,
  version: 1,
  time: later(atMs),
  epoch: 1,
  prevHash: '',
  ...('taskId' in data ? { taskId: String(data.taskId) } : {}),
  data: data as Readonly<Record<string, unknown>>,
  payload: '',
});

const promiseUntil = (ms: number) => ({
  startBy: later(ms),
  allowanceMs: 1,
  aheadMs: 1,
  attemptMs: 10_000,
  swapMs: 5_000,
});
const moved = (more: object, taskId = 't1'): Told => ({
  type: 'task.moved',
  atMs: 20_000,
  data: { taskId, to: { kind: 'back' }, at: later(20_000), ...more },
});
const submitted: Told = {
  type: 'task.submitted',
  atMs: 0,
  data: {
    taskId: 't1',
    submittedAt: later(0),
    promise: promiseUntil(60_000),
  },
};
const started = (atMs: number, taskId = 't1', leaseId = 'l1'): Told => ({
  type: 'step.dispatched',
  atMs,
  data: { taskId, stepId: 'a', attempt: 1, lease: { leaseId, token: 1, serverId: 'gpu1' } },
});
const done = (atMs: number, leaseId: string): Told => ({
  type: 'task.completed',
  atMs,
  data: { taskId: 't0', step: { stepId: 'a', attempt: 1, leaseId } },
});

/** Messages of what was found, an hour after the submission. */
const found = (tasks: readonly Told[], leases: readonly Told[] = []): number => {
  const findings = new Findings();
  const audit = new PromiseAudit('TASKS', findings);
  for (const [place, told] of tasks.entries()) audit.task(recordOf(told, place + 1));
  for (const [place, told] of leases.entries()) audit.lease(recordOf(told, place + 1));
  audit.report(Date.parse(later(3_600_000)));
  return findings.total;
};

describe('a promised start', () => {
  it('is kept up to its moment, and broken after it', () => {
    expect([found([submitted, started(60_000)]), found([submitted, started(60_001)])]).toEqual([0, 1]);
  });

  it('is broken by a task that does not start at all, but not by one that ends before', () => {
    expect(found([submitted])).toBe(1);
    expect(found([submitted, { type: 'task.cancelled', atMs: 5, data: { taskId: 't1', stopped: [] } }])).toBe(
      0,
    );
  });

  it('is the new one of a task that was moved back, and none where that has none', () => {
    const promise = promiseUntil(90_000);
    expect(found([submitted, moved({ promise }), started(90_000)])).toBe(0);
    expect(found([submitted, moved({ promise }), started(90_001)])).toBe(1);
    expect(found([submitted, moved({ promise: null }), started(3_000_000)])).toBe(0);
  });

  it('is still that of its submission where it was moved forward, and that of those which are passed', () => {
    expect(found([submitted, moved({}), started(60_001)])).toBe(1);
    expect(found([submitted, moved({ promise: null }, 't0'), started(60_001)])).toBe(1);
  });

  it.each<{ readonly what: string; readonly tasks?: readonly Told[]; readonly leases?: readonly Told[] }>([
    {
      what: 'an attempt that was repeated',
      tasks: [{ type: 'task.failing', atMs: 10, data: { taskId: 't0' } }],
    },
    {
      what: 'a changed priority',
      tasks: [{ type: 'task.priority-changed', atMs: 10, data: { taskId: 't0' } }],
    },
    { what: 'another leader', tasks: [{ type: 'leader.elected', atMs: 10 }] },
    { what: 'a longer attempt', tasks: [started(0, 't0', 'l0'), done(10_001, 'l0')] },
    { what: 'an attempt that has not ended', tasks: [started(0, 't0', 'l0')] },
    {
      what: 'a server that went away',
      leases: [{ type: 'server.state-changed', atMs: 10, data: { state: 'down' } }],
    },
    {
      what: 'a server that was away before',
      leases: [
        { type: 'server.state-changed', atMs: -10, data: { serverId: 'gpu1', state: 'down' } },
        { type: 'server.state-changed', atMs: 1, data: { serverId: 'gpu1', state: 'up' } },
      ],
    },
    { what: 'a load that failed', leases: [{ type: 'residency.load-failed', atMs: 10 }] },
    {
      what: 'a longer load',
      leases: [
        { type: 'residency.load-started', atMs: 10, data: { residencyId: 'r1' } },
        { type: 'residency.loaded', atMs: 5_011, data: { residencyId: 'r1' } },
      ],
    },
  ])('is void after $what', ({ tasks = [], leases = [] }) => {
    expect(found([submitted, ...tasks, started(61_000)], leases)).toBe(0);
  });

  it.each<{ readonly what: string; readonly tasks?: readonly Told[]; readonly leases?: readonly Told[] }>([
    { what: 'an attempt as long as expected', tasks: [started(0, 't0', 'l0'), done(10_000, 'l0')] },
    { what: 'another leader afterwards', tasks: [started(60_500), { type: 'leader.elected', atMs: 60_001 }] },
    {
      what: 'a server that came',
      leases: [{ type: 'server.state-changed', atMs: 10, data: { state: 'up' } }],
    },
    {
      what: 'a load as long as expected',
      leases: [
        { type: 'residency.load-started', atMs: 10, data: { residencyId: 'r1' } },
        { type: 'residency.loaded', atMs: 5_010, data: { residencyId: 'r1' } },
      ],
    },
  ])('is not void after $what', ({ tasks = [], leases = [] }) => {
    expect(found([submitted, ...tasks, started(61_000)], leases)).toBe(1);
  });
});
