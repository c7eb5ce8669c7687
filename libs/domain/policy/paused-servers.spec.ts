import { describe, expect, it } from '@jest/globals';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { ledgerForPlan } from '#libs/domain/policy/paused-servers.js';
import { plan } from '#libs/domain/policy/plan.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { Pauses, PauseScope } from '#libs/domain/task/pauses.js';
import {
  configured,
  cpuSpec,
  gib,
  needsModel,
  NOW,
  profileOf,
  readyStep,
  resident,
  serverUp,
} from '#libs/testing/builders.js';
import { snapshotWith } from '#libs/testing/snapshots.js';
import { ledgerOf } from '#libs/testing/spec.js';

const LLAMA = profileOf('llama3:8b');
const pausesOf = (...scopes: readonly PauseScope[]): Pauses =>
  new Map(scopes.map((scope) => [scope, { scope, reason: 'repair', by: 'ada', since: NOW }]));

const planWith = (pauses: Pauses, ...facts: readonly GpuRecord['event'][]) => {
  const ready = new ReadyQueue();
  ready.put(readyStep('t1', { requirement: needsModel('llama3:8b') }));
  ready.put(readyStep('t2'));
  const ledger = ledgerForPlan(ledgerOf(...facts), pauses);
  return plan(snapshotWith({ ready, ledger, knownBytes: new Map([[profileKey(LLAMA), gib(8)]]) }));
};

describe('a plan', () => {
  it('places nothing on a server that is paused, and loads nothing there', () => {
    const servers = [...serverUp('gpu1'), ...resident('gpu1', 'r1', LLAMA), configured(cpuSpec())];
    const open = planWith(pausesOf(), ...servers);
    expect(open.placements.map(({ serverId }) => serverId).toSorted()).toEqual(['cpu', 'gpu1']);
    const held = planWith(pausesOf('server:gpu1', 'server:cpu'), ...servers);
    expect(held).toMatchObject({ placements: [], loads: [] });
  });

  it('does not call impossible what only a paused server can do', () =>
    expect(planWith(pausesOf('server:gpu1'), ...serverUp('gpu1')).impossible).toEqual([]));

  it('loads on another server what only a paused one holds', () => {
    const servers = [...serverUp('gpu1'), ...resident('gpu1', 'r1', LLAMA), ...serverUp('gpu2')];
    expect(planWith(pausesOf(), ...servers).loads).toEqual([]);
    expect(planWith(pausesOf('server:gpu1'), ...servers).loads).toMatchObject([{ serverId: 'gpu2' }]);
  });

  it('is made from the ledger itself where no server is paused', () => {
    const ledger = ledgerOf(...serverUp('gpu1'));
    expect(ledgerForPlan(ledger, pausesOf('queue', 'server:gone'))).toBe(ledger);
    const seen = ledgerForPlan(ledger, pausesOf('server:gpu1')).servers.get('gpu1');
    expect([seen?.state, ledger.servers.get('gpu1')?.state]).toEqual(['paused', 'up']);
  });
});
