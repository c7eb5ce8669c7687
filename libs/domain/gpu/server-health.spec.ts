import { describe, expect, it } from '@jest/globals';
import { cpuSpec, gib, NOW, profileOf, serverSpec } from '#libs/testing/builders.js';
import { configureServers } from './fleet.js';
import type { GpuEvent } from './events.js';
import { applyToLedger, emptyLedger, type Server } from './gpu.js';
import { freeBytes } from './room.js';
import { serverLost, serverSeen, serverSuspected } from './server-health.js';

const ID = 'gpu1';
const RESIDENCY = { serverId: ID, residencyId: 'r1', at: NOW } as const;

const state = (to: 'up' | 'down' | 'suspect', reason?: string): GpuEvent => ({
  type: 'server.state-changed',
  serverId: ID,
  state: to,
  version: '1',
  foreign: [],
  at: NOW,
  ...(reason === undefined ? {} : { reason }),
});

const LOADED: readonly GpuEvent[] = [
  state('up'),
  {
    type: 'residency.load-started',
    ...RESIDENCY,
    profile: profileOf('llama3.2:3b'),
    bytes: gib(3),
    slots: 2,
  },
  { type: 'residency.loaded', ...RESIDENCY, bytes: gib(3), vramBytes: gib(3), loadMs: 900 },
];
const LEASED: GpuEvent = {
  type: 'lease.granted',
  serverId: ID,
  leases: [{ leaseId: 'l1', taskId: 't1', stepId: 'a', attempt: 1, residencyId: 'r1' }],
  at: NOW,
};

const serverAfter = (...events: readonly GpuEvent[]): Server => {
  const ledger = emptyLedger();
  const all = [...configureServers(ledger, [cpuSpec(2), serverSpec(ID)], NOW), ...events];
  for (const [place, event] of all.entries()) applyToLedger(ledger, { seq: place + 1, event });
  const server = ledger.servers.get(ID);
  if (!server) throw new Error('the server is not there');
  return server;
};

const listed = (model: string) => ({ model, sizeBytes: gib(3) });

describe('a server that is looked at', () => {
  it('adds nothing while all is as known', () => {
    const seen = { version: '1', resident: [listed('llama3.2:3b')] };
    expect(serverSeen(serverAfter(...LOADED), seen, NOW)).toEqual([]);
  });

  it('has lost what it no longer lists, and holds for others what is not ours', () => {
    const seen = { version: '1', resident: [listed('qwen2.5:7b')] };
    expect(serverSeen(serverAfter(...LOADED), seen, NOW)).toMatchObject([
      { type: 'residency.unloaded', residencyId: 'r1' },
      {
        type: 'server.state-changed',
        state: 'up',
        foreign: [{ model: 'qwen2.5:7b', bytes: gib(3) }],
      },
    ]);
  });

  it.each(['down', 'suspect'] as const)('is up again after it was %s', (before) => {
    const seen = { version: '1', resident: [] };
    expect(serverSeen(serverAfter(state(before)), seen, NOW)).toMatchObject([{ state: 'up' }]);
  });
});

describe('a server that is gone', () => {
  it('takes its leases with it before its residencies, and says why', () => {
    const events = serverLost(serverAfter(...LOADED, LEASED), 'connection refused', NOW);
    expect(events).toMatchObject([
      { type: 'lease.expired', leaseIds: ['l1'], ttlMs: 0, reason: 'the server is down' },
      { type: 'server.state-changed', state: 'down', reason: 'connection refused' },
      { type: 'residency.unloaded', residencyId: 'r1' },
    ]);
    const after = serverAfter(...LOADED, LEASED, ...events);
    expect([after.leases.size, after.residencies.size, after.state]).toEqual([0, 0, 'down']);
  });

  it('is told once', () => {
    expect(serverLost(serverAfter(state('down')), 'connection refused', NOW)).toEqual([]);
  });
});

describe('a server that does not do what it is asked', () => {
  it('is suspect with the reason, and what runs there may end', () => {
    const events = serverSuspected(serverAfter(...LOADED, LEASED), 'the model stays', NOW);
    expect(events).toMatchObject([{ state: 'suspect', reason: 'the model stays' }]);
    expect(serverAfter(...LOADED, LEASED, ...events).leases.size).toBe(1);
  });

  it('is told once per reason, and not at all while it is down', () => {
    expect(serverSuspected(serverAfter(state('suspect', 'a')), 'a', NOW)).toEqual([]);
    expect(serverSuspected(serverAfter(state('suspect', 'a')), 'b', NOW)).toHaveLength(1);
    expect(serverSuspected(serverAfter(state('down')), 'a', NOW)).toEqual([]);
  });

  it('may load again, when it is well, what it could not load before', () => {
    const failed: GpuEvent = {
      type: 'residency.load-failed',
      ...RESIDENCY,
      failure: { code: 'NO_PROGRESS', message: 'nothing came' },
    };
    const [up, started] = LOADED as [GpuEvent, GpuEvent, GpuEvent];
    expect(serverAfter(up, started, failed, state('suspect')).loadFailures.size).toBe(1);
    expect(serverAfter(up, started, failed, state('suspect'), state('up')).loadFailures.size).toBe(0);
    expect(serverAfter(up, started, failed, state('up')).loadFailures.size).toBe(1);
  });
});

describe('a model of somebody else that we load', () => {
  it('is taken over, and does not take its memory twice', () => {
    const [up, ...load] = LOADED as [GpuEvent, GpuEvent, GpuEvent];
    const foreign = [
      { model: 'llama3.2:3b', bytes: gib(2) },
      { model: 'qwen2.5:7b', bytes: gib(5) },
    ];
    const after = serverAfter({ ...up, foreign } as GpuEvent, ...load);
    expect(after.foreign).toEqual([{ model: 'qwen2.5:7b', bytes: gib(5) }]);
    expect(freeBytes(after)).toBe(after.spec.vramBytes - gib(5) - gib(3));
  });
});
