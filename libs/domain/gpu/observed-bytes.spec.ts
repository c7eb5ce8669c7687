import { describe, expect, it } from '@jest/globals';
import { gib, NOW, profileOf, serverSpec } from '#libs/testing/builders.js';
import { ledgerOf } from '#libs/testing/spec.js';
import type { GpuEvent } from './events.js';
import { loadKey, observeBytes } from './observed-bytes.js';

const profile = profileOf('llama3.2:3b');
const KEY = loadKey('gpu', profile, 2);

const begun = (serverId: string, residencyId: string): readonly GpuEvent[] => [
  { type: 'server.configured', server: serverSpec(serverId, { slots: 2 }), at: NOW },
  {
    type: 'residency.load-started',
    serverId,
    residencyId,
    profile,
    bytes: gib(3),
    slots: 2,
    at: NOW,
  },
];
const loaded = (serverId: string, residencyId: string, bytes: number): readonly GpuEvent[] => [
  ...begun(serverId, residencyId),
  { type: 'residency.loaded', serverId, residencyId, bytes, vramBytes: bytes, loadMs: 9, at: NOW },
];
const failed = (code: 'MODEL_SPILLED' | 'MODEL_LOAD_FAILED'): GpuEvent => ({
  type: 'residency.load-failed',
  serverId: 'gpu1',
  residencyId: 'r1',
  failure: { code, message: 'no', details: { sizeBytes: gib(9), vramBytes: gib(4) } },
  at: NOW,
});

describe('what loads really took', () => {
  it('is remembered for every server of that kind, the most of it', () => {
    const { observed } = ledgerOf(...loaded('gpu1', 'r1', gib(4)), ...loaded('gpu2', 'r2', gib(3.5)));
    expect([...observed]).toEqual([[KEY, gib(4)]]);
  });

  it('outlives the server and the residency', () => {
    const removed: GpuEvent = { type: 'server.removed', serverId: 'gpu1', at: NOW };
    expect(ledgerOf(...loaded('gpu1', 'r1', gib(4)), removed).observed.get(KEY)).toBe(gib(4));
  });

  it('is what a load that spilled would have taken, and nothing of one that failed otherwise', () => {
    expect(ledgerOf(...begun('gpu1', 'r1'), failed('MODEL_SPILLED')).observed.get(KEY)).toBe(gib(9));
    expect(ledgerOf(...begun('gpu1', 'r1'), failed('MODEL_LOAD_FAILED')).observed.size).toBe(0);
  });

  it('is another thing for other slots, other options and another kind of memory', () => {
    const keys = [
      KEY,
      loadKey('gpu', profile, 4),
      loadKey('cpu', profile, 2),
      loadKey('gpu', profileOf('llama3.2:3b', 8192), 2),
    ];
    expect(new Set(keys).size).toBe(keys.length);
  });

  it('has a limit, and forgets what was seen longest ago', () => {
    const observed = new Map<string, number>();
    for (let n = 0; n < 1_200; n += 1) {
      observeBytes(observed, 'kept', 1);
      observeBytes(observed, `k${n}`, n);
    }
    expect([observed.size, observed.has('kept'), observed.has('k0')]).toEqual([1_000, true, false]);
  });
});
