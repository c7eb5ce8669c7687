import { describe, expect, it } from '@jest/globals';
import type { ErrorCode } from '#libs/domain/errors.js';
import type { GpuRecord } from '#libs/domain/gpu/gpu.js';
import { profileKey, type ModelProfile } from '#libs/domain/gpu/profile.js';
import { paceAfter } from '#libs/domain/policy/pace.js';
import { plan } from '#libs/domain/policy/plan.js';
import type { PolicySettings } from '#libs/domain/policy/settings.js';
import type { Plan, Snapshot } from '#libs/domain/policy/snapshot.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import {
  configured,
  CPU,
  cpuSpec,
  gib,
  later,
  loadStarted,
  NOW,
  NOW_MS,
  profileOf,
  readyStep,
  resident,
  serverState,
  serverUp,
} from '#libs/testing/builders.js';
import { snapshotWith } from '#libs/testing/snapshots.js';
import { ledgerOf } from '#libs/testing/spec.js';

type Fact = GpuRecord['event'];

const LLAMA = profileOf('llama3:8b');
const QWEN = profileOf('qwen2.5:7b');
const PHI = profileOf('phi4:14b');
/** Each takes 10 of 24 GiB: two fit, three do not. */
const KNOWN = new Map([LLAMA, QWEN, PHI].map((profile) => [profileKey(profile), gib(10)]));
const LONG_AGO = later(-3_600_000);

const on = (profile: ModelProfile, taskId: string, more: Partial<ReadyStep> = {}): ReadyStep =>
  readyStep(taskId, { requirement: { kind: 'model', profile }, seq: Number(taskId.slice(1)), ...more });
const cpuStep = (taskId: string, more: Partial<ReadyStep> = {}): ReadyStep =>
  readyStep(taskId, { seq: Number(taskId.slice(1)), requirement: CPU, ...more });

const SETTINGS = { agingMs: 60_000, swapLeadMs: 60_000, swapShareMax: 0.2, fairQuantumMs: 60_000 };

const planFor = (
  facts: readonly Fact[],
  steps: readonly ReadyStep[],
  more: Partial<Omit<Snapshot, 'settings'>> & { readonly settings?: Partial<PolicySettings> } = {},
): Plan => {
  const ready = new ReadyQueue();
  for (const step of steps) ready.put(step);
  return plan(
    snapshotWith({ ready, ledger: ledgerOf(...facts), knownBytes: KNOWN, settings: SETTINGS, ...more }),
  );
};
/** `t1@gpu1/r1`, or `t1@cpu`. */
const places = ({ placements }: Plan): readonly string[] =>
  placements.map(
    ({ step, serverId, residencyId }) => `${step.taskId}@${serverId}${residencyId ? `/${residencyId}` : ''}`,
  );
/** `llama3:8b on gpu1, without r1 r2`. */
const loads = ({ loads: wished }: Plan): readonly string[] =>
  wished.map(
    ({ profile, serverId, evict }) =>
      `${profile.model} on ${serverId}${evict.length > 0 ? `, without ${evict.join(' ')}` : ''}`,
  );

const cpu = configured(cpuSpec(2));
const gpu1 = serverUp('gpu1');
const gpu2 = serverUp('gpu2');
/** Loaded long ago, so that nothing is owed to them. */
const model = (residencyId: string, profile: ModelProfile, server = 'gpu1', at = LONG_AGO, slots = 2) =>
  resident(server, residencyId, profile, { bytes: gib(10), at, slots });
const leases = (serverId: string, residencyId: string | undefined, ...leaseIds: readonly string[]): Fact => ({
  type: 'lease.granted',
  serverId,
  leases: leaseIds.map((leaseId) => ({
    leaseId,
    taskId: 't99',
    stepId: leaseId,
    attempt: 1,
    ...(residencyId === undefined ? {} : { residencyId }),
  })),
  at: NOW,
});
const waited = (ms: number): Partial<ReadyStep> => ({ submittedAtMs: NOW_MS - ms });

describe('placing ready steps', () => {
  it.each<{
    name: string;
    facts: readonly Fact[];
    steps: readonly ReadyStep[];
    more?: Parameters<typeof planFor>[2];
    want: readonly string[];
  }>([
    {
      name: 'uses CPU slots for steps that need no model',
      facts: [cpu],
      steps: [cpuStep('t1')],
      want: ['t1@cpu'],
    },
    {
      name: 'uses a slot of the model that is loaded with the same options',
      facts: [...gpu1, ...model('r1', QWEN), ...model('r2', LLAMA)],
      steps: [on(LLAMA, 't1')],
      want: ['t1@gpu1/r2'],
    },
    {
      name: 'does not use the model with other options',
      facts: [...gpu1, ...model('r1', profileOf('llama3:8b', 8192))],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'puts priority before age',
      facts: [configured(cpuSpec(1))],
      steps: [cpuStep('t1'), cpuStep('t2', { priority: 6 })],
      want: ['t2@cpu'],
    },
    {
      name: 'puts age before all else among equals',
      facts: [configured(cpuSpec(1))],
      steps: [cpuStep('t2'), cpuStep('t1')],
      want: ['t1@cpu'],
    },
    {
      name: 'fills all slots in order',
      facts: [cpu],
      steps: [cpuStep('t3'), cpuStep('t1'), cpuStep('t2')],
      want: ['t1@cpu', 't2@cpu'],
    },
    {
      name: 'keeps the order over all groups',
      facts: [cpu, ...gpu1, ...model('r1', LLAMA)],
      steps: [cpuStep('t4'), on(LLAMA, 't3'), cpuStep('t2'), on(LLAMA, 't1', { priority: 4 })],
      want: ['t2@cpu', 't3@gpu1/r1', 't4@cpu', 't1@gpu1/r1'],
    },
    {
      name: 'spreads over servers, the freest first',
      facts: [
        ...gpu1,
        ...gpu2,
        ...model('r1', LLAMA),
        ...model('r2', LLAMA, 'gpu2'),
        leases('gpu1', 'r1', 'l1'),
      ],
      steps: [on(LLAMA, 't1'), on(LLAMA, 't2'), on(LLAMA, 't3'), on(LLAMA, 't4')],
      want: ['t1@gpu2/r2', 't2@gpu1/r1', 't3@gpu2/r2'],
    },
    {
      name: 'leaves leased slots alone',
      facts: [...gpu1, ...model('r1', LLAMA), leases('gpu1', 'r1', 'l1')],
      steps: [on(LLAMA, 't1'), on(LLAMA, 't2')],
      want: ['t1@gpu1/r1'],
    },
    {
      name: 'leaves slots alone that were asked for and are not in the ledger yet',
      facts: [cpu, ...gpu1, ...model('r1', LLAMA)],
      steps: [on(LLAMA, 't1'), on(LLAMA, 't2'), cpuStep('t3')],
      more: {
        asked: new Map([
          ['gpu1/r1', 1],
          ['cpu/cpu', 2],
        ]),
      },
      want: ['t1@gpu1/r1'],
    },
    {
      name: 'places nothing where fewer slots are configured than leased',
      facts: [cpu, leases('cpu', undefined, 'l1', 'l2'), configured(cpuSpec(1))],
      steps: [cpuStep('t1')],
      want: [],
    },
    {
      name: 'places nothing on a server that is down',
      facts: [...gpu1, ...model('r1', LLAMA), serverState('gpu1', 'down')],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'places nothing on a suspect server',
      facts: [...gpu1, ...model('r1', LLAMA), serverState('gpu1', 'suspect')],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'places nothing on a model that is loading',
      facts: [...gpu1, loadStarted('gpu1', 'r1', LLAMA)],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'places nothing on a model that is unloading',
      facts: [
        ...gpu1,
        ...model('r1', LLAMA),
        { type: 'residency.unload-started', serverId: 'gpu1', residencyId: 'r1', reason: '', at: NOW },
      ],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'makes no more placements than a cycle may',
      facts: [configured(cpuSpec(50))],
      steps: [cpuStep('t1'), cpuStep('t2'), cpuStep('t3')],
      more: { placementsMax: 2 },
      want: ['t1@cpu', 't2@cpu'],
    },
    {
      name: 'does not let a group without slots hold up another one',
      facts: [cpu, ...gpu1, ...model('r1', LLAMA), leases('gpu1', 'r1', 'l1', 'l2')],
      steps: [on(LLAMA, 't1', { priority: 10 }), cpuStep('t2', { priority: 1 })],
      want: ['t2@cpu'],
    },
  ])('$name', ({ facts, steps, more, want }) => expect(places(planFor(facts, steps, more))).toEqual(want));

  it('places nothing when nothing is ready', () => {
    expect(planFor([cpu, ...gpu1], [])).toEqual({ placements: [], loads: [], impossible: [] });
  });
});

describe('wishing for a load', () => {
  it.each<{
    name: string;
    facts: readonly Fact[];
    steps: readonly ReadyStep[];
    more?: Parameters<typeof planFor>[2];
    want: readonly string[];
  }>([
    {
      name: 'asks for a model that no server holds',
      facts: gpu1,
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1'],
    },
    {
      name: 'asks for a model of unknown size too',
      facts: gpu1,
      steps: [on(LLAMA, 't1')],
      more: { knownBytes: new Map() },
      want: ['llama3:8b on gpu1'],
    },
    {
      name: 'asks beside another model while there is room',
      facts: [...gpu1, ...model('r1', QWEN)],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1'],
    },
    {
      name: 'does not ask for what is loaded',
      facts: [...gpu1, ...model('r1', LLAMA)],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'does not ask for what is loading',
      facts: [...gpu1, ...gpu2, loadStarted('gpu1', 'r1', LLAMA)],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'asks elsewhere for what is loaded on a server that is down',
      facts: [...gpu1, ...model('r1', LLAMA), serverState('gpu1', 'down'), ...gpu2],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu2'],
    },
    {
      name: 'asks one server for one load at a time, for the best step first',
      facts: gpu1,
      steps: [on(LLAMA, 't1'), on(QWEN, 't2', { priority: 9 })],
      want: ['qwen2.5:7b on gpu1'],
    },
    {
      name: 'asks several servers at once',
      facts: [...gpu1, ...gpu2],
      steps: [on(LLAMA, 't1'), on(QWEN, 't2')],
      want: ['llama3:8b on gpu1', 'qwen2.5:7b on gpu2'],
    },
    {
      name: 'does not ask a server that was asked already',
      facts: gpu1,
      steps: [on(LLAMA, 't1')],
      more: { loadsAsked: new Set(['gpu1']) },
      want: [],
    },
    {
      name: 'does not ask a server that is loading something',
      facts: [...gpu1, loadStarted('gpu1', 'r1', QWEN)],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'does not ask a server that is down',
      facts: [...gpu1, serverState('gpu1', 'down')],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'does not ask a server that is too small',
      facts: [...serverUp('small', { vramBytes: gib(8) }), ...gpu2],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu2'],
    },
    {
      name: 'waits where foreign models leave no room',
      facts: [...gpu1, serverState('gpu1', 'up', { foreign: [{ model: 'mistral', bytes: gib(20) }] })],
      steps: [on(LLAMA, 't1')],
      want: [],
    },
    {
      name: 'evicts an idle model that nobody waits for',
      facts: [...gpu1, ...model('r1', QWEN), ...model('r2', PHI)],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1, without r1'],
    },
    {
      name: 'evicts the idle one that was loaded first',
      facts: [...gpu1, ...model('r1', QWEN, 'gpu1', later(-1000)), ...model('r2', PHI, 'gpu1', later(-2000))],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1, without r2'],
    },
    {
      name: 'evicts an idle one before one that others wait for',
      facts: [...gpu1, ...model('r1', QWEN), ...model('r2', PHI, 'gpu1', NOW)],
      steps: [on(LLAMA, 't1', waited(60_000)), on(QWEN, 't2')],
      want: ['llama3:8b on gpu1, without r2'],
    },
    {
      name: 'evicts an idle one before one that is in use',
      facts: [...gpu1, ...model('r1', QWEN), ...model('r2', PHI, 'gpu1', NOW), leases('gpu1', 'r1', 'l1')],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1, without r2'],
    },
    {
      name: 'uses free room on the second server before it evicts on the first',
      facts: [...gpu1, ...model('r1', QWEN), ...model('r2', PHI), ...gpu2],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu2'],
    },
    {
      name: 'uses free room on the second server before it drains the first',
      facts: [
        ...gpu1,
        ...model('r1', QWEN),
        ...model('r2', PHI),
        leases('gpu1', 'r1', 'l1'),
        leases('gpu1', 'r2', 'l2'),
        ...gpu2,
      ],
      steps: [on(LLAMA, 't1', waited(60_000))],
      want: ['llama3:8b on gpu2'],
    },
    {
      name: 'evicts the same model with other options, although there is room',
      facts: [...gpu1, ...model('r1', profileOf('llama3:8b', 8192))],
      steps: [on(LLAMA, 't1')],
      want: ['llama3:8b on gpu1, without r1'],
    },
    {
      name: 'evicts the same model with other options and what else is needed',
      facts: [...gpu1, ...model('r1', profileOf('llama3:8b', 8192)), ...model('r2', QWEN)],
      steps: [on(LLAMA, 't1')],
      more: { knownBytes: new Map([[profileKey(LLAMA), gib(20)]]) },
      want: ['llama3:8b on gpu1, without r1 r2'],
    },
  ])('$name', ({ facts, steps, more, want }) => expect(loads(planFor(facts, steps, more))).toEqual(want));

  it('starts nothing on what it evicts', () => {
    const facts = [...serverUp('gpu1', { vramBytes: gib(10) }), ...model('r1', QWEN)];
    const outranked = planFor(facts, [on(QWEN, 't1'), on(LLAMA, 't2', { priority: 9 })]);
    expect([loads(outranked), places(outranked)]).toEqual([['llama3:8b on gpu1, without r1'], []]);
  });

  it('says why', () => {
    const reasons = (facts: readonly Fact[]) =>
      planFor(facts, [on(LLAMA, 't1')]).loads.map(({ because }) => because);
    expect(reasons(gpu1)).toEqual(['there is room']);
    expect(reasons([...gpu1, ...model('r1', QWEN), ...model('r2', PHI)])[0]).toMatch(/in place of 1/);
  });
});

describe('a model that fits on a small server too', () => {
  const [small, other, large, largest] = [LLAMA, QWEN, PHI, profileOf('gemma2:9b')];
  const sizes = [
    [small, 8],
    [other, 8],
    [large, 14],
    [largest, 14],
  ] as const;
  const knownBytes = new Map(sizes.map(([profile, size]) => [profileKey(profile), gib(size)]));
  const facts = [
    ...serverUp('gpu1', { vramBytes: gib(24), besideShare: 1 }),
    ...serverUp('gpu2', { vramBytes: gib(12) }),
    ...resident('gpu1', 'r1', large, { bytes: gib(14), at: NOW, slots: 2 }),
    ...resident('gpu2', 'r2', other, { bytes: gib(8), at: LONG_AGO, slots: 2 }),
  ];
  const works = on(large, 't1');

  it('leaves the large one to those that fit nowhere else', () => {
    const steps = [works, on(largest, 't2'), on(small, 't3')];
    expect(loads(planFor(facts, steps, { knownBytes }))).toEqual(['llama3:8b on gpu2, without r2']);
  });

  it('goes to where it disturbs nobody while there are none', () => {
    expect(loads(planFor(facts, [works, on(small, 't3')], { knownBytes }))).toEqual(['llama3:8b on gpu1']);
  });
});

describe('swapping out a model that has work of its own', () => {
  /** Room for one model; qwen is on it since `at`. */
  const tight = (at = LONG_AGO) => [
    ...serverUp('gpu1', { vramBytes: gib(10) }),
    ...model('r1', QWEN, 'gpu1', at),
  ];
  const qwenWork = on(QWEN, 't1', { seq: 1 });
  const outcome = (
    facts: readonly Fact[],
    steps: readonly ReadyStep[],
    more?: Parameters<typeof planFor>[2],
  ) => {
    const made = planFor(facts, steps, more);
    return [loads(made), places(made)];
  };
  const STAYS = [[], ['t1@gpu1/r1']];
  const YIELDS = [['llama3:8b on gpu1, without r1'], []];

  it('is done once what waits is ahead by the lead, in age and priority together', () => {
    const after = (ms: number, more: Partial<ReadyStep> = {}) =>
      outcome(tight(), [qwenWork, on(LLAMA, 't2', { ...waited(ms), ...more })]);
    expect([after(59_999), after(60_000)]).toEqual([STAYS, YIELDS]);
    expect([after(0, { priority: 5 }), after(0, { priority: 6 })]).toEqual([STAYS, YIELDS]);
    expect([after(119_999, { priority: 4 }), after(120_000, { priority: 4 })]).toEqual([STAYS, YIELDS]);
  });

  it('is not done before the turn of the loaded model is over', () => {
    // The load took one second, unloading takes two: twelve seconds of work make a fifth of the time of them.
    const urgent = on(LLAMA, 't2', { priority: 10, urgentByMs: NOW_MS + 60_000 });
    expect(outcome(tight(later(-11_999)), [qwenWork, urgent])).toEqual(STAYS);
    expect(outcome(tight(later(-12_000)), [qwenWork, urgent])).toEqual(YIELDS);
  });

  it('is done at once for what must run, unless what is loaded has work that must run', () => {
    const overtaken = on(LLAMA, 't2', { seq: 2, ...waited(30_000) });
    const must = { overtaken: { cpu: null, model: overtaken } };
    expect(outcome(tight(NOW), [qwenWork, overtaken], must)).toEqual(YIELDS);
    const older = on(QWEN, 't1', { seq: 1, ...waited(30_001) });
    expect(outcome(tight(), [older, overtaken], must)).toEqual(STAYS);
  });

  it('is not done while what is loaded has work that must run', () => {
    const overtaken = on(QWEN, 't1', { seq: 1, ...waited(30_000) });
    const better = on(LLAMA, 't2', { priority: 10, urgentByMs: NOW_MS });
    expect(outcome(tight(), [overtaken, better], { overtaken: { cpu: null, model: overtaken } })).toEqual(
      STAYS,
    );
  });

  it('is done for a workspace that has had less, and not for one that has had more', () => {
    const modest = on(LLAMA, 't2', { workspace: 'modest', priority: 1 });
    const served = (homeMs: number, modestMs: number) => ({
      servedMs: new Map([
        ['home', homeMs],
        ['modest', modestMs],
      ]),
    });
    expect(outcome(tight(), [qwenWork, modest], served(59_999, 0))).toEqual(STAYS);
    expect(outcome(tight(), [qwenWork, modest], served(60_000, 0))).toEqual(YIELDS);
    const greedy = on(LLAMA, 't2', { workspace: 'modest', priority: 10 });
    expect(outcome(tight(), [qwenWork, greedy], served(0, 60_000))).toEqual(STAYS);
  });

  it('is done for a deadline that is near, and not for one that is farther than that of what is loaded', () => {
    const urgent = (inMs: number, priority = 1) => on(LLAMA, 't2', { priority, urgentByMs: NOW_MS + inMs });
    expect(outcome(tight(), [qwenWork, urgent(60_000)])).toEqual(YIELDS);
    const qwenUrgent = on(QWEN, 't1', { seq: 1, urgentByMs: NOW_MS + 50_000 });
    expect(outcome(tight(), [qwenUrgent, urgent(60_000, 10)])).toEqual(STAYS);
    expect(outcome(tight(), [qwenUrgent, urgent(40_000)])).toEqual(YIELDS);
  });

  it('drains one that is in use: nothing new starts on it, and nothing is loaded yet', () => {
    const facts = [...tight(), leases('gpu1', 'r1', 'l1')];
    expect(outcome(facts, [qwenWork, on(LLAMA, 't2', waited(60_000))])).toEqual([[], []]);
  });

  it('drains one for which a slot was asked that is not in the ledger yet', () => {
    const asked = new Map([['gpu1/r1', 1]]);
    expect(outcome(tight(), [qwenWork, on(LLAMA, 't2', waited(60_000))], { asked })).toEqual([[], []]);
  });

  it('drains all that have to go together, so that none is given new work meanwhile', () => {
    const facts = [...gpu1, ...model('r1', QWEN), ...model('r2', PHI), leases('gpu1', 'r1', 'l1')];
    const steps = [qwenWork, on(PHI, 't2'), on(LLAMA, 't3', waited(60_000))];
    expect(outcome(facts, steps, { knownBytes: new Map([[profileKey(LLAMA), gib(24)]]) })).toEqual([[], []]);
  });

  it('takes the one that may go when another one may not', () => {
    const facts = [...gpu1, ...model('r1', QWEN), ...model('r2', PHI)];
    const steps = [on(QWEN, 't1', { priority: 9 }), on(PHI, 't2', { priority: 1 }), on(LLAMA, 't3')];
    expect(loads(planFor(facts, steps))).toEqual(['llama3:8b on gpu1, without r2']);
  });

  it('takes the cheapest that make room together', () => {
    const facts = [
      ...serverUp('gpu1', { vramBytes: gib(30), besideShare: 1 }),
      ...model('r1', QWEN),
      ...model('r2', PHI),
      ...model('r3', profileOf('mistral:7b')),
    ];
    // Work waits for two of the three; the third one is enough where 10 of 30 GiB are needed, and two have to go for 20.
    const steps = [on(QWEN, 't1'), on(profileOf('mistral:7b'), 't2'), on(LLAMA, 't3', waited(60_000))];
    const needing = (bytes: number) =>
      loads(planFor(facts, steps, { knownBytes: new Map([[profileKey(LLAMA), bytes]]) }));
    expect(needing(gib(10))).toEqual(['llama3:8b on gpu1, without r2']);
    expect(needing(gib(20))).toEqual(['llama3:8b on gpu1, without r2 r1']);
  });
});

describe('swapping out a model that has no work now, where the server works on another one', () => {
  /** Room for two: phi works, and an attempt on qwen ended a moment ago. The load of llama takes eight seconds, the unload two. */
  const facts = [...gpu1, ...model('r1', QWEN), ...model('r2', PHI), leases('gpu1', 'r2', 'l1')];
  const JUST_NOW = { tookMs: 1_000, together: 1, endedAtMs: NOW_MS - 1_000 };
  const ended = (agoMs: number) =>
    new Map([[profileKey(QWEN), paceAfter(undefined, { ...JUST_NOW, endedAtMs: NOW_MS - agoMs })]]);
  const YIELDS = ['llama3:8b on gpu1, without r1'];
  const of = (steps: readonly ReadyStep[], more: Parameters<typeof planFor>[2] = {}) =>
    loads(
      planFor(facts, [on(PHI, 't1'), ...steps], {
        paces: ended(1_000),
        ...more,
        settings: { ...SETTINGS, swapAfterLoads: 3, ...more.settings },
      }),
    );

  it('is done once what waits has waited for so many swaps, all of it added up', () => {
    expect([of([on(LLAMA, 't2', waited(29_999))]), of([on(LLAMA, 't2', waited(30_000))])]).toEqual([
      [],
      YIELDS,
    ]);
    const three = (ms: number) => of(['t2', 't3', 't4'].map((id) => on(LLAMA, id, waited(ms))));
    expect([three(9_999), three(10_000)]).toEqual([[], YIELDS]);
  });

  it('is done once nothing has ended on it for as long, and at once where nothing ever did', () => {
    const after = (agoMs: number) => of([on(LLAMA, 't2')], { paces: ended(agoMs) });
    expect([after(29_999), after(30_000)]).toEqual([[], YIELDS]);
    expect(of([on(LLAMA, 't2')], { paces: new Map() })).toEqual(YIELDS);
  });

  it('is done at once for what must run, for a deadline that is near, and where its owner says so', () => {
    const overtaken = on(LLAMA, 't2', { seq: 2 });
    expect(of([overtaken], { overtaken: { cpu: null, model: overtaken } })).toEqual(YIELDS);
    expect(of([on(LLAMA, 't2', { urgentByMs: NOW_MS + 60_000 })])).toEqual(YIELDS);
    expect(of([on(LLAMA, 't2')], { settings: { swapAfterLoads: 0 } })).toEqual(YIELDS);
  });

  it('is done at once where the server does nothing', () => {
    const idle = [...gpu1, ...model('r1', QWEN), ...model('r2', PHI)];
    const paces = new Map([...ended(1_000), [profileKey(PHI), paceAfter(undefined, JUST_NOW)]]);
    const more = { paces, settings: { ...SETTINGS, swapAfterLoads: 3 } };
    expect(loads(planFor(idle, [on(LLAMA, 't2')], more))).toHaveLength(1);
    const busy = [...idle, leases('gpu1', 'r2', 'l1')];
    expect(loads(planFor(busy, [on(LLAMA, 't2')], more))).toEqual([]);
  });

  it('keeps no other model from a server on which it is not done yet', () => {
    // Llama goes first and has to wait; what waits for mistral has waited for long enough, by its number.
    const mistral = profileOf('mistral:7b');
    const many = ['t3', 't4', 't5', 't6'].map((id) => on(mistral, id, { ...waited(10_000), priority: 1 }));
    const knownBytes = new Map([...KNOWN, [profileKey(mistral), gib(10)]]);
    expect(of([on(LLAMA, 't2'), ...many], { knownBytes })).toEqual(['mistral:7b on gpu1, without r1']);
  });
});

describe('a second copy of a model', () => {
  const first = [...gpu1, ...model('r1', LLAMA, 'gpu1', LONG_AGO, 2), ...gpu2];
  const busy = leases('gpu1', 'r1', 'l1', 'l2');
  const many = (count: number): readonly ReadyStep[] =>
    Array.from({ length: count }, (_, n) => on(LLAMA, `t${n + 1}`));
  // Ten seconds each on two slots: five seconds of work per step, against a load of one second and an unload of two.
  const paces = new Map([
    [profileKey(LLAMA), { count: 50, meanMs: 10_000, aloneMs: 10_000, longestMs: 10_000, endedAtMs: 0 }],
  ]);
  const loadsFor = (facts: readonly Fact[], steps: readonly ReadyStep[], copyAfterLoads = 2) =>
    loads(planFor(facts, steps, { paces, settings: { ...SETTINGS, copyAfterLoads } }));

  it('is loaded where there is nothing to do, when what waits takes longer than it is worth', () => {
    expect(loadsFor([...first, busy], many(1))).toEqual([]);
    expect(loadsFor([...first, busy], many(2))).toEqual(['llama3:8b on gpu2']);
  });

  it('is loaded later where its owner says so, or never', () => {
    // Three seconds a load: thirty are six steps.
    expect(loadsFor([...first, busy], many(6), 10)).toEqual([]);
    expect(loadsFor([...first, busy], many(7), 10)).toEqual(['llama3:8b on gpu2']);
    expect(loadsFor([...first, busy], many(500), 1_000_000)).toEqual([]);
  });

  it('is not loaded on a server that works for another model', () => {
    const facts = [...first, busy, ...model('r2', QWEN, 'gpu2')];
    expect(loadsFor(facts, [...many(9), on(QWEN, 't20')])).toEqual([]);
    expect(loadsFor([...facts, leases('gpu2', 'r2', 'l9')], many(9))).toEqual([]);
    expect(loadsFor(facts, many(9))).toEqual(['llama3:8b on gpu2']);
  });

  it('waits for a model that no server holds', () => {
    expect(loadsFor([...first, busy], [...many(9), on(PHI, 't20')])).toEqual(['phi4:14b on gpu2']);
  });

  it('is not loaded while another copy is', () => {
    expect(
      loadsFor([...first, busy, loadStarted('gpu2', 'r5', LLAMA), ...serverUp('gpu3')], many(9)),
    ).toEqual([]);
  });
});

describe('a failed load', () => {
  const failedLoad = (
    code: ErrorCode,
    at: string,
    serverId = 'gpu1',
    residencyId = `r-${at}`,
  ): readonly Fact[] => [
    loadStarted(serverId, residencyId, LLAMA, { at }),
    {
      type: 'residency.load-failed',
      serverId,
      residencyId,
      failure: { code, message: `${code} on ${serverId}` },
      at,
    },
  ];
  const waiting = on(LLAMA, 't1', waited(60_000));
  const outcome = (facts: readonly Fact[], step = waiting) => {
    const made = planFor(facts, [step]);
    return { loads: loads(made), impossible: made.impossible.map(({ failure }) => failure.code) };
  };

  it('is not repeated at once on the same server', () => {
    expect(outcome([...gpu1, ...failedLoad('MODEL_LOAD_FAILED', later(-9_999))])).toEqual({
      loads: [],
      impossible: [],
    });
    expect(outcome([...gpu1, ...failedLoad('MODEL_LOAD_FAILED', later(-10_000))]).loads).toHaveLength(1);
  });

  it('is tried on another server at once', () => {
    expect(outcome([...gpu1, ...failedLoad('MODEL_NOT_FOUND', NOW), ...gpu2])).toEqual({
      loads: ['llama3:8b on gpu2'],
      impossible: [],
    });
  });

  it('is never repeated for the same task when it was final', () => {
    expect(
      outcome([
        ...gpu1,
        ...failedLoad('MODEL_NOT_FOUND', later(-50_000)),
        ...gpu2,
        serverState('gpu2', 'down'),
      ]),
    ).toEqual({
      loads: [],
      impossible: [],
    });
  });

  it.each(['MODEL_NOT_FOUND', 'MODEL_SPILLED', 'MODEL_REQUEST_REFUSED', 'NO_SERVER_FITS'] as const)(
    '(%s on every server) makes the task impossible',
    (code) => {
      expect(outcome([...gpu1, ...failedLoad(code, NOW), ...gpu2, ...failedLoad(code, NOW, 'gpu2')])).toEqual(
        {
          loads: [],
          impossible: [code],
        },
      );
    },
  );

  it('makes the task impossible when it happened too often on every server', () => {
    const often = (times: number) => [
      ...gpu1,
      ...Array.from({ length: times }, (_, n) => failedLoad('MODEL_LOAD_FAILED', later(-100 + n))).flat(),
    ];
    expect(outcome(often(2)).impossible).toEqual([]);
    expect(outcome(often(3)).impossible).toEqual(['MODEL_LOAD_FAILED']);
  });

  it('is tried anew for a task that was submitted after it: the model may have been installed since', () => {
    const facts = [...gpu1, ...failedLoad('MODEL_NOT_FOUND', later(-50_000))];
    expect(outcome(facts, on(LLAMA, 't1', waited(49_999)))).toEqual({
      loads: ['llama3:8b on gpu1'],
      impossible: [],
    });
    expect(outcome(facts, on(LLAMA, 't1', waited(50_000)))).toEqual({
      loads: [],
      impossible: ['MODEL_NOT_FOUND'],
    });
  });

  it('of one model says nothing about another one', () => {
    expect(loads(planFor([...gpu1, ...failedLoad('MODEL_NOT_FOUND', NOW)], [on(QWEN, 't1')]))).toEqual([
      'qwen2.5:7b on gpu1',
    ]);
  });
});

describe('a task that can never run', () => {
  it('is named when there is no inference server at all', () => {
    expect(planFor([cpu], [on(LLAMA, 't1')]).impossible).toMatchObject([
      {
        step: { taskId: 't1' },
        failure: { code: 'NO_SERVER_FITS', message: expect.stringMatching(/llama3:8b needs one/) },
      },
    ]);
  });

  it('is named with both numbers when its model is larger than the largest server', () => {
    const made = planFor([...serverUp('small', { vramBytes: gib(8) }), ...gpu1], [on(LLAMA, 't1')], {
      knownBytes: new Map([[profileKey(LLAMA), gib(24) + 1]]),
    });
    expect(made).toMatchObject({
      loads: [],
      impossible: [
        {
          failure: { code: 'NO_SERVER_FITS', details: { needBytes: gib(24) + 1, largestVramBytes: gib(24) } },
        },
      ],
    });
  });

  it('is not one whose model fits a server exactly', () => {
    const exact = planFor(gpu1, [on(LLAMA, 't1')], { knownBytes: new Map([[profileKey(LLAMA), gib(24)]]) });
    expect([loads(exact), exact.impossible]).toEqual([['llama3:8b on gpu1'], []]);
  });

  it('is not one whose only server is down', () => {
    expect(planFor([...gpu1, serverState('gpu1', 'down')], [on(LLAMA, 't1')]).impossible).toEqual([]);
  });

  it('does not hold up the others', () => {
    const made = planFor([cpu], [on(LLAMA, 't1', { priority: 10 }), cpuStep('t2')]);
    expect([places(made), made.impossible.length]).toEqual([['t2@cpu'], 1]);
  });
});
