import { describe, expect, it } from '@jest/globals';
import { gib, later, NOW, profileOf, serverSpec } from '#libs/testing/builders.js';
import { ledgerOf } from '#libs/testing/spec.js';
import { drainsDone, drainServer, resumeServer, toUnload } from './drain.js';
import type { GpuEvent } from './events.js';
import type { Server } from './gpu.js';

const AT = { serverId: 'gpu1', at: NOW } as const;
const CONFIGURED: GpuEvent = { type: 'server.configured', server: serverSpec('gpu1'), at: NOW };
const state = (to: 'up' | 'down'): GpuEvent => ({
  type: 'server.state-changed',
  ...AT,
  state: to,
  foreign: [],
});
const LOADED: readonly GpuEvent[] = [
  CONFIGURED,
  state('up'),
  {
    type: 'residency.load-started',
    ...AT,
    residencyId: 'r1',
    profile: profileOf('llama3.2:3b'),
    bytes: gib(3),
    slots: 2,
  },
  { type: 'residency.loaded', ...AT, residencyId: 'r1', bytes: gib(3), vramBytes: gib(3), loadMs: 9 },
];
const LEASED: GpuEvent = {
  type: 'lease.granted',
  ...AT,
  leases: [{ leaseId: 'l1', taskId: 't1', stepId: 'a', attempt: 1, residencyId: 'r1' }],
};
const DRAINING: GpuEvent = { type: 'server.drain-started', ...AT, reason: 'maintenance' };
const DRAINED: GpuEvent = { type: 'server.drained', ...AT };

const serverAfter = (...events: readonly GpuEvent[]): Server => {
  const server = ledgerOf(...events).servers.get('gpu1');
  if (!server) throw new Error('the server is not there');
  return server;
};

describe('a drain', () => {
  it('is begun once, and refused for a server that does not exist', () => {
    const ledger = ledgerOf(CONFIGURED);
    expect(drainServer(ledger, 'gpu1', 'maintenance', NOW)).toEqual({ ok: true, events: [DRAINING] });
    expect(drainServer(ledgerOf(CONFIGURED, DRAINING), 'gpu1', 'again', NOW)).toEqual({
      ok: true,
      events: [],
    });
    expect(drainServer(ledger, 'gpu9', 'maintenance', NOW)).toMatchObject({
      ok: false,
      failure: { code: 'SERVER_UNKNOWN', message: "There is no server 'gpu9'." },
    });
  });

  it('leaves what is in use, and unloads it when nobody uses it any more', () => {
    expect(toUnload(serverAfter(...LOADED))).toEqual([]);
    expect(toUnload(serverAfter(...LOADED, LEASED, DRAINING))).toEqual([]);
    const released: GpuEvent = { type: 'lease.released', ...AT, leaseIds: ['l1'] };
    expect(toUnload(serverAfter(...LOADED, LEASED, DRAINING, released))).toMatchObject([
      { residencyId: 'r1' },
    ]);
    expect(toUnload(serverAfter(...LOADED, DRAINING, state('down')))).toEqual([]);
  });

  it('is done when nothing is leased and nothing loaded, and that is told once', () => {
    const unloaded: GpuEvent = { type: 'residency.unloaded', ...AT, residencyId: 'r1', reason: 'drain' };
    expect(drainsDone(ledgerOf(...LOADED, DRAINING), NOW)).toEqual([]);
    expect(drainsDone(ledgerOf(...LOADED, DRAINING, unloaded), later(5))).toEqual([
      { ...DRAINED, at: later(5) },
    ]);
    expect(drainsDone(ledgerOf(...LOADED, DRAINING, unloaded, DRAINED), NOW)).toEqual([]);
  });

  it('outlives a restart of the server, and ends when it is resumed', () => {
    expect(serverAfter(CONFIGURED, state('up'), DRAINING, state('down')).state).toBe('down');
    const back = [CONFIGURED, state('up'), DRAINING, DRAINED, state('down'), state('up')];
    expect(serverAfter(...back).state).toBe('drained');
    const decided = resumeServer(ledgerOf(...back), 'gpu1', NOW);
    expect(decided).toMatchObject({ events: [{ type: 'server.resumed' }] });
    expect(serverAfter(...back, { type: 'server.resumed', ...AT }).state).toBe('up');
    expect(resumeServer(ledgerOf(CONFIGURED), 'gpu1', NOW)).toEqual({ ok: true, events: [] });
  });
});
