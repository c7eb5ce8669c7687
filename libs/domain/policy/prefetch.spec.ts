import { describe, expect, it } from '@jest/globals';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import { plan } from '#libs/domain/policy/plan.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import { requirementKey } from '#libs/domain/task/requirement.js';
import { gib, later, NOW, NOW_MS, profileOf, readyStep, resident, serverUp } from '#libs/testing/builders.js';
import { snapshotWith } from '#libs/testing/snapshots.js';
import { ledgerOf } from '#libs/testing/spec.js';

type Fact = GpuRecord['event'];

const [LLAMA, QWEN, PHI] = [profileOf('llama3:8b'), profileOf('qwen2.5:7b'), profileOf('phi4:14b')];
/** Each takes 10 of 24 GiB: two fit, three do not. */
const KNOWN = new Map([LLAMA, QWEN, PHI].map((profile) => [profileKey(profile), gib(10)]));

const step = (profile: ModelProfile, taskId: string, submittedAgoMs = 0): ReadyStep =>
  readyStep(taskId, {
    requirement: { kind: 'model', profile },
    submittedAtMs: NOW_MS - submittedAgoMs,
  });
const loaded = (residencyId: string, profile: ModelProfile, server = 'gpu1'): readonly Fact[] =>
  resident(server, residencyId, profile, { bytes: gib(10), at: later(-3_600_000), slots: 2 });
const leased = (residencyId: string, serverId = 'gpu1'): Fact => ({
  type: 'lease.granted',
  serverId,
  leases: [{ leaseId: `l-${residencyId}`, taskId: 't99', stepId: 'a', attempt: 1, residencyId }],
  at: NOW,
});

/** What is loaded where while `soon` is about to be ready: `phi4:14b on gpu1, without r1`. */
const loadsFor = (
  facts: readonly Fact[],
  { ready = [], soon }: { readonly ready?: readonly ReadyStep[]; readonly soon: readonly ReadyStep[] },
): readonly string[] => {
  const queue = new ReadyQueue();
  for (const one of ready) queue.put(one);
  const { loads } = plan(
    snapshotWith({
      ready: queue,
      ledger: ledgerOf(...facts),
      knownBytes: KNOWN,
      soon: new Map(soon.map((one) => [requirementKey(one.requirement), one])),
      settings: { agingMs: 60_000, swapLeadMs: 60_000 },
    }),
  );
  return loads.map(
    ({ profile, serverId, evict }) =>
      `${profile.model} on ${serverId}${evict.length > 0 ? `, without ${evict.join(' ')}` : ''}`,
  );
};

const gpu1 = serverUp('gpu1');

describe('a model for which work is about to be ready', () => {
  const soon = [step(PHI, 't1')];

  it('is loaded ahead where there is room', () =>
    expect(loadsFor([...gpu1, ...loaded('r1', LLAMA), leased('r1')], { soon })).toEqual([
      'phi4:14b on gpu1',
    ]));

  it('takes the place of an idle one', () =>
    expect(
      loadsFor([...gpu1, ...loaded('r1', LLAMA), leased('r1'), ...loaded('r2', QWEN)], { soon }),
    ).toEqual(['phi4:14b on gpu1, without r2']));

  it.each([
    ['that is in use', [leased('r1'), leased('r2')], []],
    ['for which work waits', [leased('r1')], [step(QWEN, 't2')]],
  ])('takes the place of none %s', (_, leases, ready) =>
    expect(
      loadsFor([...gpu1, ...loaded('r1', LLAMA), ...loaded('r2', QWEN), ...leases], { ready, soon }),
    ).toEqual([]),
  );

  it('takes the place of none for which work is about to be ready as well', () =>
    expect(
      loadsFor([...gpu1, ...loaded('r1', LLAMA), ...loaded('r2', QWEN), leased('r1')], {
        soon: [step(PHI, 't1'), step(QWEN, 't2')],
      }),
    ).toEqual([]));

  it('is loaded on one server, where it disturbs least', () =>
    expect(loadsFor([...gpu1, ...serverUp('gpu2'), ...loaded('r1', LLAMA), leased('r1')], { soon })).toEqual([
      'phi4:14b on gpu2',
    ]));

  it('is not loaded again', () => expect(loadsFor([...gpu1, ...loaded('r1', PHI)], { soon })).toEqual([]));

  it('is not loaded after that failed: its work says so when it is ready', () => {
    const failed: Fact = {
      type: 'residency.load-failed',
      serverId: 'gpu1',
      residencyId: 'r1',
      failure: { code: 'MODEL_LOAD_FAILED', message: 'broken' },
      at: NOW,
    };
    const [started] = loaded('r1', PHI);
    expect(loadsFor([...gpu1, ...(started ? [started] : []), failed], { soon })).toEqual([]);
  });

  it('lets what is ready go first', () =>
    expect(
      loadsFor([...gpu1, ...loaded('r1', LLAMA), leased('r1')], { ready: [step(QWEN, 't2')], soon }),
    ).toEqual(['qwen2.5:7b on gpu1']));

  it('keeps its place from work that is not ahead of its own by more than a swap is worth', () => {
    const facts = [...serverUp('gpu1', { vramBytes: gib(12) }), ...loaded('r2', QWEN)];
    const kept = [step(QWEN, 't2')];
    expect(loadsFor(facts, { ready: [step(PHI, 't3', 59_000)], soon: kept })).toEqual([]);
    expect(loadsFor(facts, { ready: [step(PHI, 't3', 60_000)], soon: kept })).toEqual([
      'phi4:14b on gpu1, without r2',
    ]);
  });
});
