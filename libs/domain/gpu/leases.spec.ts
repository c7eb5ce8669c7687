import { describe, expect, it } from '@jest/globals';
import { closeLeases, grantLeases, type LeaseRequest } from '#libs/domain/gpu/decide.js';
import { configureServers } from '#libs/domain/gpu/fleet.js';
import type { GrantedLease, LeasesGranted, ServerSpec } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { busySlots } from '#libs/domain/gpu/room.js';
import {
  configured,
  cpuSpec,
  later,
  loaded,
  loadStarted,
  NOW,
  profileOf,
  resident,
  serverSpec,
  serverState,
  serverUp,
} from '#libs/testing/builders.js';
import { givenServers, ledgerOf } from '#libs/testing/spec.js';

const LLAMA = profileOf('llama3:8b');

const lease = (leaseId: string, residencyId?: string): GrantedLease => ({
  leaseId,
  taskId: 't1',
  stepId: 'a',
  attempt: 1,
  ...(residencyId === undefined ? {} : { residencyId }),
});
const ask = (serverId: string, leaseId: string, residencyId?: string): LeaseRequest => ({
  ...lease(leaseId, residencyId),
  serverId,
});
const granted = (serverId: string, ...leases: readonly GrantedLease[]): LeasesGranted => ({
  type: 'lease.granted',
  serverId,
  leases,
  at: NOW,
});
/** `gpu1` with llama in residency `r1`, two slots. */
const loadedServer = [...serverUp('gpu1'), ...resident('gpu1', 'r1', LLAMA)] as const;
const cpu = configured(cpuSpec(2));

const grant = (ledger: Ledger, ...requests: readonly LeaseRequest[]) => grantLeases(ledger, requests, NOW);
const refusals = (ledger: Ledger, ...requests: readonly LeaseRequest[]) =>
  grant(ledger, ...requests).refused.map(({ leaseId, failure }) => [leaseId, failure.code]);

describe('granting leases', () => {
  it('gives slots of a loaded model, those of one server in one fact', () => {
    expect(grant(ledgerOf(...loadedServer), ask('gpu1', 'l1', 'r1'), ask('gpu1', 'l2', 'r1'))).toEqual({
      events: [granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1'))],
      repeated: [],
      refused: [],
    });
  });

  it('gives CPU slots without asking any server', () => {
    expect(grant(ledgerOf(cpu), ask('cpu', 'l1')).events).toEqual([granted('cpu', lease('l1'))]);
  });

  it('makes one fact for each server', () => {
    const ledger = ledgerOf(cpu, ...loadedServer);
    const { events } = grant(ledger, ask('gpu1', 'l1', 'r1'), ask('cpu', 'l2'), ask('gpu1', 'l3', 'r1'));
    expect(events).toEqual([
      granted('gpu1', lease('l1', 'r1'), lease('l3', 'r1')),
      granted('cpu', lease('l2')),
    ]);
  });

  it('never gives more slots in one decision than there are, first come first served', () => {
    const ledger = ledgerOf(...loadedServer);
    const decision = grant(ledger, ask('gpu1', 'l1', 'r1'), ask('gpu1', 'l2', 'r1'), ask('gpu1', 'l3', 'r1'));
    expect(decision.events).toEqual([granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1'))]);
    expect(decision.refused).toEqual([
      { leaseId: 'l3', failure: { code: 'CAPACITY_TAKEN', message: 'All 2 slots of r1 are taken.' } },
    ]);
  });

  it('never gives a slot that an earlier decision gave', () => {
    const ledger = ledgerOf(...loadedServer, granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1')));
    expect(refusals(ledger, ask('gpu1', 'l3', 'r1'))).toEqual([['l3', 'CAPACITY_TAKEN']]);
  });

  it('never gives more CPU slots than there are', () => {
    const ledger = ledgerOf(cpu, granted('cpu', lease('l1')));
    expect(refusals(ledger, ask('cpu', 'l2'), ask('cpu', 'l3'))).toEqual([['l3', 'CAPACITY_TAKEN']]);
  });

  it('counts the slots of each loaded model for itself', () => {
    const ledger = ledgerOf(
      ...loadedServer,
      ...resident('gpu1', 'r2', profileOf('qwen')),
      granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1')),
    );
    expect(grant(ledger, ask('gpu1', 'l3', 'r2')).events).toEqual([granted('gpu1', lease('l3', 'r2'))]);
  });

  it('gives a slot again when it was released', () => {
    const ledger = ledgerOf(...loadedServer, granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1')), {
      type: 'lease.released',
      serverId: 'gpu1',
      leaseIds: ['l1'],
      at: NOW,
    });
    expect(grant(ledger, ask('gpu1', 'l3', 'r1')).events).toEqual([granted('gpu1', lease('l3', 'r1'))]);
  });

  it('answers a repeated request with the token of the first, even when all slots are taken', () => {
    const ledger = ledgerOf(...loadedServer, granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1')));
    expect(grant(ledger, ask('gpu1', 'l1', 'r1'))).toEqual({
      events: [],
      repeated: [{ leaseId: 'l1', token: ledger.seq }],
      refused: [],
    });
  });

  it('gives none of a name that has expired: who asks again did not hear that it had it', () => {
    const expired = {
      type: 'lease.expired',
      serverId: 'gpu1',
      leaseIds: ['l1'],
      ttlMs: 9000,
      at: NOW,
    } as const;
    const ledger = ledgerOf(...loadedServer, granted('gpu1', lease('l1', 'r1')), expired);
    const decision = grant(ledger, ask('gpu1', 'l1', 'r1'), ask('gpu1', 'l2', 'r1'));
    expect(decision.events).toEqual([granted('gpu1', lease('l2', 'r1'))]);
    expect(decision.refused).toMatchObject([{ leaseId: 'l1', failure: { code: 'LEASE_LOST' } }]);
  });

  it('remembers ten thousand expired names and no more', () => {
    const ids = Array.from({ length: 10_001 }, (_, n) => `l${n}`);
    const expired = { type: 'lease.expired', serverId: 'gpu1', leaseIds: ids, ttlMs: 9000, at: NOW } as const;
    const ledger = ledgerOf(...loadedServer, expired);
    expect(ledger.expired.size).toBe(10_000);
    expect([ledger.expired.has('l0'), ledger.expired.has('l1')]).toEqual([false, true]);
  });

  it('answers the same for a lease that is live on another server than the one asked for', () => {
    const ledger = ledgerOf(cpu, ...loadedServer, granted('gpu1', lease('l1', 'r1')));
    expect(grant(ledger, ask('cpu', 'l1'))).toEqual({
      events: [],
      repeated: [{ leaseId: 'l1', token: ledger.seq }],
      refused: [],
    });
  });

  it('takes one slot for a lease that is asked for twice in one request', () => {
    const { events, refused } = grant(
      ledgerOf(...loadedServer),
      ask('gpu1', 'l1', 'r1'),
      ask('gpu1', 'l1', 'r1'),
      ask('gpu1', 'l2', 'r1'),
    );
    expect(events).toEqual([granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1'))]);
    expect(refused).toEqual([]);
  });

  it.each([
    { name: 'a server that is not configured', facts: [], want: 'SERVER_UNKNOWN' },
    {
      name: 'a server that has not answered yet',
      facts: [configured(serverSpec('gpu1'))],
      want: 'CAPACITY_TAKEN',
    },
    {
      name: 'a server that is down',
      facts: [...loadedServer, serverState('gpu1', 'down')],
      want: 'CAPACITY_TAKEN',
    },
    {
      name: 'a suspect server',
      facts: [...loadedServer, serverState('gpu1', 'suspect')],
      want: 'CAPACITY_TAKEN',
    },
    { name: 'a residency that is unknown', facts: serverUp('gpu1'), want: 'CAPACITY_TAKEN' },
    {
      name: 'a residency that is still loading',
      facts: [...serverUp('gpu1'), loadStarted('gpu1', 'r1', LLAMA)],
      want: 'CAPACITY_TAKEN',
    },
    {
      name: 'a residency that is being unloaded',
      facts: [
        ...loadedServer,
        {
          type: 'residency.unload-started',
          serverId: 'gpu1',
          residencyId: 'r1',
          reason: 'room',
          at: NOW,
        } as const,
      ],
      want: 'CAPACITY_TAKEN',
    },
  ])('is refused for $name', ({ facts, want }) => {
    expect(refusals(ledgerOf(...facts), ask('gpu1', 'l1', 'r1'))).toEqual([['l1', want]]);
    expect(grant(ledgerOf(...facts), ask('gpu1', 'l1', 'r1')).events).toEqual([]);
  });

  it('is refused for a CPU slot of a model server, and for a model on the CPU server', () => {
    expect(refusals(ledgerOf(...loadedServer), ask('gpu1', 'l1'))).toEqual([['l1', 'CAPACITY_TAKEN']]);
    expect(refusals(ledgerOf(cpu), ask('cpu', 'l1', 'r1'))).toEqual([['l1', 'CAPACITY_TAKEN']]);
  });

  it('makes the sequence of the grant the token of each lease in it', () => {
    const ledger = emptyLedger();
    const facts = [...loadedServer, granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1'))];
    for (const [place, event] of facts.entries()) applyToLedger(ledger, { seq: 100 + place, event });
    const tokens = [...(ledger.servers.get('gpu1')?.leases.values() ?? [])].map(({ token }) => token);
    expect(tokens).toEqual([ledger.seq, ledger.seq]);
  });
});

describe('closing leases', () => {
  const facts = [
    cpu,
    ...loadedServer,
    granted('gpu1', lease('l1', 'r1'), lease('l2', 'r1')),
    granted('cpu', lease('l3')),
  ] as const;
  const release =
    (...leaseIds: readonly string[]) =>
    (ledger: Ledger) =>
      closeLeases(ledger, leaseIds, { type: 'lease.released' }, NOW);

  it('makes one fact for each server that holds some of them', () =>
    givenServers(...facts)
      .when(release('l3', 'l2', 'l1'))
      .then(
        { type: 'lease.released', serverId: 'cpu', leaseIds: ['l3'], at: NOW },
        { type: 'lease.released', serverId: 'gpu1', leaseIds: ['l2', 'l1'], at: NOW },
      ));

  it('says how long an expired lease was not renewed', () =>
    givenServers(...facts)
      .when((ledger) => closeLeases(ledger, ['l3'], { type: 'lease.expired', ttlMs: 9000 }, NOW))
      .then({ type: 'lease.expired', serverId: 'cpu', leaseIds: ['l3'], ttlMs: 9000, at: NOW }));

  it('says nothing new the second time', () =>
    givenServers(...facts, { type: 'lease.released', serverId: 'gpu1', leaseIds: ['l1'], at: NOW })
      .when(release('l1'))
      .thenNothing());

  it('names a lease once that is closed twice in one request', () =>
    givenServers(...facts)
      .when(release('l3', 'l3'))
      .then({ type: 'lease.released', serverId: 'cpu', leaseIds: ['l3'], at: NOW }));

  it('passes over leases that nobody holds', () =>
    givenServers(...facts)
      .when(release('l9'))
      .thenNothing());
});

describe('configuring servers', () => {
  const wanted =
    (...servers: readonly ServerSpec[]) =>
    (ledger: Ledger) =>
      configureServers(ledger, servers, NOW);

  it('adds what is new', () =>
    givenServers(cpu)
      .when(wanted(cpuSpec(2), serverSpec('gpu1')))
      .then(configured(serverSpec('gpu1'))));

  it('says nothing when nothing changed, whatever the order of fields and labels', () =>
    givenServers(configured(serverSpec('gpu1', { labels: { room: 'a', rack: 'b' } })))
      .when(
        wanted(
          Object.assign(
            { labels: { rack: 'b', room: 'a' } },
            { ...serverSpec('gpu1'), labels: { rack: 'b', room: 'a' } },
          ),
        ),
      )
      .thenNothing());

  it.each<[string, Partial<ServerSpec>]>([
    ['slots', { slots: 4 }],
    ['memory', { vramBytes: 1 }],
    ['url', { url: 'http://elsewhere:1' }],
    ['labels', { labels: { rack: 'c' } }],
    ['device', { device: 'cpu' }],
    ['downloads', { pullMissing: true }],
  ])('notes changed %s', (_, change) =>
    givenServers(...serverUp('gpu1'))
      .when(wanted(serverSpec('gpu1', change)))
      .then(configured(serverSpec('gpu1', change))),
  );

  it('keeps what is loaded and leased when a server changes', () => {
    const ledger = ledgerOf(
      ...loadedServer,
      granted('gpu1', lease('l1', 'r1')),
      configured(serverSpec('gpu1', { slots: 4 })),
    );
    const server = ledger.servers.get('gpu1');
    expect(server).toMatchObject({ state: 'up', spec: { slots: 4 } });
    expect([server?.leases.size, server?.residencies.size]).toEqual([1, 1]);
  });

  it('lets the leases of a removed server expire, so that their attempts are made again elsewhere', () =>
    givenServers(...loadedServer, granted('gpu1', lease('l1', 'r1')))
      .when(wanted())
      .then(
        {
          type: 'lease.expired',
          serverId: 'gpu1',
          leaseIds: ['l1'],
          ttlMs: 0,
          reason: 'the server was removed',
          at: NOW,
        },
        { type: 'server.removed', serverId: 'gpu1', at: NOW },
      ));

  it('removes an idle server without more ado', () =>
    givenServers(...serverUp('gpu1'))
      .when(wanted())
      .then({ type: 'server.removed', serverId: 'gpu1', at: NOW }));
});

describe('the ledger', () => {
  it('counts the slots in use of one residency, and of the whole CPU server', () => {
    const ledger = ledgerOf(
      cpu,
      ...loadedServer,
      ...resident('gpu1', 'r2', profileOf('qwen')),
      granted('gpu1', lease('l1', 'r1'), lease('l2', 'r2'), lease('l3', 'r2')),
      granted('cpu', lease('l4')),
    );
    const [gpu1, cpuServer] = [ledger.servers.get('gpu1'), ledger.servers.get('cpu')];
    if (!gpu1 || !cpuServer) throw new Error('both servers are configured');
    expect([busySlots(gpu1, 'r1'), busySlots(gpu1, 'r2'), busySlots(cpuServer)]).toEqual([1, 2, 1]);
  });

  it('counts failed loads of a profile until one succeeds', () => {
    const failing = (residencyId: string, at: string) =>
      [
        loadStarted('gpu1', residencyId, LLAMA),
        {
          type: 'residency.load-failed',
          serverId: 'gpu1',
          residencyId,
          failure: { code: 'MODEL_LOAD_FAILED', message: 'out of memory' },
          at,
        } as const,
      ] as const;
    const facts: GpuRecord['event'][] = [
      ...serverUp('gpu1'),
      ...failing('r1', NOW),
      ...failing('r2', later(5)),
    ];
    const failures = () => [
      ...(ledgerOf(...facts)
        .servers.get('gpu1')
        ?.loadFailures.values() ?? []),
    ];
    expect(failures()).toMatchObject([{ count: 2, at: later(5), failure: { code: 'MODEL_LOAD_FAILED' } }]);
    expect(ledgerOf(...facts).servers.get('gpu1')?.residencies.size).toBe(0);
    facts.push(loadStarted('gpu1', 'r3', LLAMA), loaded('gpu1', 'r3'));
    expect(failures()).toEqual([]);
  });

  it('forgets the reason of a state when the next one has none', () => {
    const ledger = ledgerOf(
      ...serverUp('gpu1'),
      serverState('gpu1', 'down', { reason: 'refused', version: '0.24.0' }),
      serverState('gpu1', 'up', { version: '0.24.1' }),
    );
    expect(ledger.servers.get('gpu1')).toMatchObject({ state: 'up', version: '0.24.1' });
    expect(ledger.servers.get('gpu1')).not.toHaveProperty('reason');
  });

  it('follows the task log and never goes back', () => {
    const ledger = emptyLedger();
    for (const [place, causationId] of ['tsk:7', 'tsk:5', 'cmd:9'].entries()) {
      applyToLedger(ledger, { seq: place + 1, causationId, event: cpu });
    }
    expect(ledger.positions.tasks).toBe(7);
  });

  it('stops at a fact about a server that is not configured: the log is damaged', () => {
    expect(() => ledgerOf(serverState('gpu9', 'up'))).toThrow(
      /at 1 for server gpu9, which is not configured/,
    );
  });
});
