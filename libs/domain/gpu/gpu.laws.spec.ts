import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { closeLeases, grantLeases } from '#libs/domain/gpu/decide.js';
import { LEASE_STREAM_TYPES } from '#libs/domain/gpu/events.js';
import { applyToLedger, emptyLedger, type GpuRecord, type Ledger } from '#libs/domain/gpu/gpu.js';
import { busySlots } from '#libs/domain/gpu/room.js';
import { gpuActions, GpuWorld } from '#libs/testing/gpu-world.js';

/** Plays random requests, looking at the ledger after each fact. */
const always = (runs: number, look: (ledger: Ledger, record: GpuRecord) => void): void =>
  fc.assert(
    fc.property(gpuActions, (actions) => {
      const world = new GpuWorld(look);
      for (const action of actions) world.act(action);
    }),
    { numRuns: runs },
  );

const folded = (records: readonly GpuRecord[], from: Ledger = emptyLedger()): Ledger => {
  for (const record of records) applyToLedger(from, record);
  return from;
};

describe('the histories that are tried here', () => {
  it('contain every fact of the allocator', () => {
    const types = new Set<string>();
    for (const actions of fc.sample(gpuActions, { numRuns: 300, seed: 1 })) {
      const world = new GpuWorld((_, { event }) => types.add(event.type));
      for (const action of actions) world.act(action);
    }
    const missing = [...LEASE_STREAM_TYPES].filter((type) => !types.has(type));
    expect(missing).toEqual(['leader.elected', 'log.started']);
  });
});

describe('at every point of any history', () => {
  it('leases fit the slots of what they are for', () =>
    always(250, ({ servers }) => {
      for (const server of servers.values()) {
        if (server.spec.kind === 'cpu') expect(busySlots(server)).toBeLessThanOrEqual(server.spec.slots);
        for (const { residencyId, slots } of server.residencies.values()) {
          expect(busySlots(server, residencyId)).toBeLessThanOrEqual(slots);
        }
      }
    }));

  it('a lease that has expired is never live again', () =>
    always(250, ({ servers, expired }) => {
      for (const { leases } of servers.values()) {
        for (const leaseId of leases.keys()) expect(expired.has(leaseId)).toBe(false);
      }
    }));

  it('residencies fit the memory, those that are loading or unloading included', () =>
    always(250, ({ servers }) => {
      for (const { spec, residencies } of servers.values()) {
        let bytes = 0;
        for (const residency of residencies.values()) bytes += residency.bytes;
        expect(bytes).toBeLessThanOrEqual(spec.vramBytes);
      }
    }));

  it('at most one residency of a server is loading, and nothing loads while something unloads', () =>
    always(150, ({ servers }) => {
      for (const { residencies } of servers.values()) {
        const states = [...residencies.values()].map(({ state }) => state);
        expect(states.filter((state) => state === 'loading').length).toBeLessThanOrEqual(1);
        expect(states.includes('loading') && states.includes('unloading')).toBe(false);
      }
    }));

  it('a server holds a model once, with one set of options', () =>
    always(150, ({ servers }) => {
      for (const { residencies } of servers.values()) {
        const models = [...residencies.values()].map(({ profile }) => profile.model);
        expect(new Set(models).size).toBe(models.length);
      }
    }));

  it('nothing is granted and nothing loaded on a server that is being drained', () =>
    always(250, ({ servers }, { event }) => {
      if (event.type !== 'lease.granted' && event.type !== 'residency.load-started') return;
      expect(servers.get(event.serverId)?.drain).toBeNull();
    }));

  it('no lease is for a model that is not loaded', () =>
    always(250, ({ servers }) => {
      for (const { spec, leases, residencies } of servers.values()) {
        if (spec.kind === 'cpu') continue;
        for (const { residencyId } of leases.values()) {
          expect(residencyId && residencies.get(residencyId)?.state).toBe('loaded');
        }
      }
    }));

  it('grants name the sequence as token, and only servers that are up', () =>
    always(150, ({ servers }, { seq, event }) => {
      if (event.type !== 'lease.granted') return;
      const server = servers.get(event.serverId);
      expect(server?.state).toBe('up');
      for (const { leaseId } of event.leases) expect(server?.leases.get(leaseId)?.token).toBe(seq);
    }));
});

describe('any grant request', () => {
  it('is answered for each lease once: granted, repeated or refused', () =>
    fc.assert(
      fc.property(gpuActions, (actions) => {
        const world = new GpuWorld();
        for (const action of actions) {
          if (action.do === 'grant') {
            const requests = world.requestsOf(action);
            const { events, repeated, refused } = grantLeases(world.ledger, requests, world.at);
            const granted = events.flatMap((event) =>
              event.type === 'lease.granted' ? event.leases.map(({ leaseId }) => leaseId) : [],
            );
            expect(new Set(granted).size).toBe(granted.length);
            const answered = [...granted, ...[...repeated, ...refused].map(({ leaseId }) => leaseId)];
            expect(new Set(answered)).toEqual(new Set(requests.map(({ leaseId }) => leaseId)));
          }
          world.act(action);
        }
      }),
      { numRuns: 200 },
    ));

  it('is granted nothing new when it is delivered again', () =>
    fc.assert(
      fc.property(gpuActions, (actions) => {
        const world = new GpuWorld();
        for (const action of actions) {
          if (action.do !== 'grant') {
            world.act(action);
            continue;
          }
          const requests = world.requestsOf(action);
          const first = grantLeases(world.ledger, requests, world.at);
          world.append(first.events);
          const again = grantLeases(world.ledger, requests, world.at);
          expect(again.events).toEqual([]);
          for (const event of first.events) {
            if (event.type !== 'lease.granted') continue;
            const repeated = again.repeated.map(({ leaseId }) => leaseId);
            for (const { leaseId } of event.leases) expect(repeated).toContain(leaseId);
          }
        }
      }),
      { numRuns: 200 },
    ));
});

describe('closing leases', () => {
  it('again changes nothing', () =>
    fc.assert(
      fc.property(gpuActions, (actions) => {
        const world = new GpuWorld();
        for (const action of actions) {
          world.act(action);
          if (action.do !== 'close') continue;
          const ids = action.leases.map((n) => `l${n}`);
          expect(closeLeases(world.ledger, ids, { type: 'lease.released' }, world.at)).toEqual([]);
        }
      }),
      { numRuns: 200 },
    ));
});

describe('the fold of any history', () => {
  it('is the live ledger, byte for byte, and the fold of its tail over a snapshot of its head', () =>
    fc.assert(
      fc.property(gpuActions, fc.nat(), (actions, n) => {
        const world = new GpuWorld();
        for (const action of actions) world.act(action);
        const { ledger, log } = world;
        const live = canonicalJson(ledger);
        expect(canonicalJson(folded(log))).toBe(live);
        const cut = n % (log.length + 1);
        const snapshot = structuredClone(folded(log.slice(0, cut)));
        expect(canonicalJson(folded(log.slice(cut), snapshot))).toBe(live);
      }),
      { numRuns: 200 },
    ));
});
