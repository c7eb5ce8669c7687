import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from '#libs/domain/canonical.js';
import { grantLeases, planLoad } from '#libs/domain/gpu/decide.js';
import { busySlots } from '#libs/domain/gpu/room.js';
import { profileKey } from '#libs/domain/gpu/profile.js';
import { compareSteps } from '#libs/domain/policy/ordering.js';
import { plan } from '#libs/domain/policy/plan.js';
import { rankingOf, slotPlace, type Placement, type Snapshot } from '#libs/domain/policy/snapshot.js';
import { ReadyQueue } from '#libs/domain/policy/ready-queue.js';
import type { ReadyStep } from '#libs/domain/policy/ready-step.js';
import { requirementKey } from '#libs/domain/task/requirement.js';
import { queueView } from '#libs/domain/policy/queue-view.js';
import { waitsIn } from '#libs/domain/policy/ready-wait.js';
import { CPU, NOW_MS, readyStep } from '#libs/testing/builders.js';
import { snapshotWith } from '#libs/testing/snapshots.js';
import { gpuActions, GpuWorld, PROFILES } from '#libs/testing/gpu-world.js';

const KNOWN = new Map(PROFILES.map(({ profile, bytes }) => [profileKey(profile), bytes]));

const stepOf = (spec: {
  readonly task: number;
  readonly step: string;
  readonly needs: number;
  readonly priority: number;
  readonly waitedMs: number;
  readonly workspace: string;
  readonly urgentInMs: number | null;
}): ReadyStep => {
  const profile = PROFILES[spec.needs]?.profile;
  return readyStep(`t${spec.task}`, {
    stepId: spec.step,
    seq: spec.task,
    priority: spec.priority,
    submittedAtMs: NOW_MS - spec.waitedMs,
    workspace: spec.workspace,
    urgentByMs: spec.urgentInMs === null ? null : NOW_MS + spec.urgentInMs,
    requirement: profile ? { kind: 'model', profile } : CPU,
  });
};
const readySteps = fc.array(
  fc
    .record({
      task: fc.integer({ min: 1, max: 8 }),
      step: fc.constantFrom('a', 'b'),
      needs: fc.nat(PROFILES.length),
      priority: fc.integer({ min: 1, max: 10 }),
      waitedMs: fc.constantFrom(0, 1000, 59_999, 60_000, 600_000),
      workspace: fc.constantFrom('home', 'home', 'lab'),
      urgentInMs: fc.constantFrom(null, null, null, 10_000, 20_000),
    })
    .map(stepOf),
  { maxLength: 16, size: 'max' },
);

const snapshots: fc.Arbitrary<Snapshot & { readonly steps: readonly ReadyStep[] }> = fc
  .record({
    steps: readySteps,
    actions: gpuActions,
    asked: fc.array(fc.nat(2), { maxLength: 5 }),
    loadsAsked: fc.subarray(['gpu1', 'gpu2']),
    known: fc.boolean(),
    settled: fc.boolean(),
    placementsMax: fc.constantFrom(1, 3, 100),
    loadFailuresMax: fc.constantFrom(1, 3),
    nowMs: fc.constantFrom(NOW_MS, NOW_MS + 30_000, NOW_MS + 600_000),
    labServedMs: fc.constantFrom(0, 0, 100_000),
    overtaken: fc.option(fc.nat(15), { freq: 3 }),
  })
  .map(({ steps, actions, asked, loadsAsked, known, settled, overtaken, labServedMs, ...moment }) => {
    const world = new GpuWorld();
    for (const action of actions) world.act(action);
    if (settled) {
      for (const server of ['gpu1', 'gpu2', 'gpu1', 'gpu2', 'gpu1', 'gpu2'] as const) {
        world.act({ do: 'proceed', server, fails: false });
      }
    }
    const ready = new ReadyQueue();
    const queued = new Map<string, ReadyStep>();
    for (const step of steps) {
      if (queued.has(`${step.taskId}/${step.stepId}`)) continue;
      queued.set(`${step.taskId}/${step.stepId}`, step);
      ready.put(step);
    }
    const places = [...world.ledger.servers.values()].flatMap(({ spec, residencies }) =>
      spec.kind === 'cpu'
        ? [slotPlace(spec.serverId)]
        : [...residencies.keys()].map((id) => slotPlace(spec.serverId, id)),
    );
    const { placementsMax, loadFailuresMax, nowMs } = moment;
    const must = overtaken === null ? undefined : steps[overtaken % Math.max(1, steps.length)];
    const snapshot = snapshotWith({
      ready,
      ledger: world.ledger,
      asked: new Map(places.flatMap((place, n) => (asked[n] ? [[place, asked[n]] as const] : []))),
      loadsAsked: new Set(loadsAsked),
      knownBytes: known ? KNOWN : new Map<string, number>(),
      servedMs: new Map([['lab', labServedMs]]),
      overtaken: { cpu: null, model: must?.requirement.kind === 'model' ? must : null },
      nowMs,
      placementsMax,
      settings: { loadFailuresMax },
    });
    return { ...snapshot, steps: [...queued.values()] };
  });

const always = (
  check: (snapshot: Snapshot & { readonly steps: readonly ReadyStep[] }) => void,
  runs = 400,
): void => fc.assert(fc.property(snapshots, check), { numRuns: runs });

const orderOf = (snapshot: Snapshot) => compareSteps(rankingOf(snapshot));
const placeOf = ({ serverId, residencyId }: Placement): string => slotPlace(serverId, residencyId);
const nameOf = ({ taskId, stepId }: ReadyStep): string => `${taskId}/${stepId}`;

/** Free slots of a place, as plainly as it can be said. */
const freeSlots = ({ ledger, asked }: Snapshot, serverId: string, residencyId?: string): number => {
  const server = ledger.servers.get(serverId);
  if (server === undefined) return 0;
  const slots =
    residencyId === undefined ? server.spec.slots : (server.residencies.get(residencyId)?.slots ?? 0);
  return slots - busySlots(server, residencyId) - (asked.get(slotPlace(serverId, residencyId)) ?? 0);
};

describe('the snapshots that are tried here', () => {
  it('lead to placements, loads, evictions, waits and impossible tasks', () => {
    const seen = { placements: 0, loads: 0, evictions: 0, waits: 0, impossible: 0 };
    for (const snapshot of fc.sample(snapshots, { numRuns: 1_000, seed: 1 })) {
      const { placements, loads, impossible } = plan(snapshot);
      seen.placements += placements.length;
      seen.loads += loads.length;
      seen.evictions += loads.filter(({ evict }) => evict.length > 0).length;
      seen.impossible += impossible.length;
      const idle = placements.length === 0 && loads.length === 0 && impossible.length === 0;
      if (idle && snapshot.steps.length > 0) seen.waits += 1;
    }
    expect(Object.entries(seen).filter(([, count]) => count <= 5)).toEqual([]);
  });
});

describe('any plan', () => {
  it('places no more steps anywhere than there are free slots', () =>
    always((snapshot) => {
      const counts = new Map<string, number>();
      const { placements } = plan(snapshot);
      for (const placement of placements)
        counts.set(placeOf(placement), (counts.get(placeOf(placement)) ?? 0) + 1);
      for (const placement of placements) {
        const free = freeSlots(snapshot, placement.serverId, placement.residencyId);
        expect(counts.get(placeOf(placement))).toBeLessThanOrEqual(free);
      }
    }));

  it('places a step once, and only what is ready', () =>
    always((snapshot) => {
      const placed = plan(snapshot).placements.map(({ step }) => nameOf(step));
      expect(new Set(placed).size).toBe(placed.length);
      const ready = new Set(snapshot.steps.map(nameOf));
      for (const name of placed) expect(ready).toContain(name);
    }));

  it('places steps only where they can run: on servers that are up, on what they need, wholly loaded', () =>
    always((snapshot) => {
      for (const { step, serverId, residencyId } of plan(snapshot).placements) {
        const server = snapshot.ledger.servers.get(serverId);
        expect(server?.state).toBe('up');
        if (residencyId === undefined) {
          expect([server?.spec.kind, step.requirement.kind]).toEqual(['cpu', 'cpu']);
        } else {
          expect(server?.residencies.get(residencyId)).toMatchObject({
            state: 'loaded',
            key: requirementKey(step.requirement),
          });
        }
      }
    }));

  it('makes placements in the order of the steps, the best of each group first, and no more than a cycle may', () =>
    always((snapshot) => {
      const { placements } = plan(snapshot);
      expect(placements.length).toBeLessThanOrEqual(snapshot.placementsMax);
      const placed = placements.map(({ step }) => step);
      expect(placed.toSorted(orderOf(snapshot))).toEqual(placed);
      for (const key of new Set(placed.map(({ requirement }) => requirementKey(requirement)))) {
        const inGroup = (step: ReadyStep) => requirementKey(step.requirement) === key;
        const best = snapshot.steps.filter(inGroup).toSorted(orderOf(snapshot));
        const chosen = placed.filter(inGroup);
        expect(chosen.map(nameOf)).toEqual(best.slice(0, chosen.length).map(nameOf));
      }
    }));

  it('leaves no CPU slot free while a step waits for one', () =>
    always((snapshot) => {
      const { placements } = plan(snapshot);
      const cpu = snapshot.ledger.servers.get('cpu');
      if (cpu?.state !== 'up' || placements.length === snapshot.placementsMax) return;
      const free = Math.max(0, freeSlots(snapshot, 'cpu'));
      const waiting = snapshot.steps.filter(({ requirement }) => requirement.kind === 'cpu').length;
      const placed = placements.filter(({ serverId }) => serverId === 'cpu').length;
      expect(placed).toBe(Math.min(free, waiting));
    }));

  it('is granted by the allocator in full, when nothing else was asked for', () =>
    always((snapshot) => {
      const { placements } = plan({ ...snapshot, asked: new Map() });
      const requests = placements.map(({ step, serverId, residencyId }, n) => ({
        leaseId: `new-${n}`,
        taskId: step.taskId,
        stepId: step.stepId,
        attempt: step.attempt,
        serverId,
        ...(residencyId === undefined ? {} : { residencyId }),
      }));
      expect(grantLeases(snapshot.ledger, requests, 'now').refused).toEqual([]);
    }));

  it('asks a server for one load at most, and none that is busy with one, asked already or not up', () =>
    always((snapshot) => {
      const { loads } = plan(snapshot);
      const servers = loads.map(({ serverId }) => serverId);
      expect(new Set(servers).size).toBe(servers.length);
      for (const serverId of servers) {
        expect(snapshot.loadsAsked).not.toContain(serverId);
        const server = snapshot.ledger.servers.get(serverId);
        expect(server?.state).toBe('up');
        expect([...(server?.residencies.values() ?? [])].every(({ state }) => state === 'loaded')).toBe(true);
      }
    }));

  it('asks for loads that the allocator accepts, where the sizes are known', () =>
    always((snapshot) => {
      for (const { serverId, profile, evict } of plan({ ...snapshot, knownBytes: KNOWN }).loads) {
        const server = snapshot.ledger.servers.get(serverId);
        const need = KNOWN.get(profileKey(profile)) ?? 0;
        expect(server && planLoad(server, profile, need, evict)).toEqual({ kind: 'swap', unload: evict });
      }
    }));

  it('starts nothing on what it evicts, and evicts nothing that is in use or asked for', () =>
    always((snapshot) => {
      const { loads, placements } = plan(snapshot);
      const used = new Set(placements.map(placeOf));
      for (const { serverId, evict } of loads) {
        for (const residencyId of evict) {
          expect(used).not.toContain(slotPlace(serverId, residencyId));
          const server = snapshot.ledger.servers.get(serverId);
          expect(server && busySlots(server, residencyId)).toBe(0);
          expect(snapshot.asked.get(slotPlace(serverId, residencyId)) ?? 0).toBe(0);
        }
      }
    }));

  it('is the same for the same snapshot, and leaves the snapshot as it was', () =>
    always((snapshot) => {
      const before = canonicalJson(snapshot.ledger);
      const first = canonicalJson(plan(snapshot));
      expect(canonicalJson(plan(snapshot))).toBe(first);
      expect([canonicalJson(snapshot.ledger), snapshot.ready.size]).toEqual([before, snapshot.steps.length]);
    }, 200));
});

describe('what is told about a plan', () => {
  it('is a free slot for every step that is placed first in its group', () =>
    always((snapshot) => {
      const told = new Set<string>();
      for (const { step, serverId } of plan(snapshot).placements) {
        const key = requirementKey(step.requirement);
        if (told.has(key)) continue;
        told.add(key);
        const wait = waitsIn(snapshot)(step);
        expect(wait).toMatchObject({ kind: 'slot', position: { aheadOfSame: 0 } });
        const place = wait.kind === 'slot' ? wait.places.find((other) => other.serverId === serverId) : null;
        expect(place?.makesRoomFor).toBeNull();
        expect(place && place.busy < place.slots).toBe(true);
      }
    }));

  it('is the same server and the same victims for every load', () =>
    always((snapshot) => {
      for (const { serverId, profile, evict } of plan(snapshot).loads) {
        const first = snapshot.steps
          .filter(
            ({ requirement }) =>
              requirement.kind === 'model' && profileKey(requirement.profile) === profileKey(profile),
          )
          .toSorted(orderOf(snapshot))[0];
        const wait = first ? waitsIn(snapshot)(first) : null;
        // A second copy of what is loaded.
        if (wait?.kind === 'slot') continue;
        expect(wait).toMatchObject({
          kind: 'model',
          servers: expect.arrayContaining([{ serverId, verdict: { may: true, evict, drain: null } }]),
        });
      }
    }));

  it('is never a free slot for a step that stays where it is, unless the plan is full', () =>
    always((snapshot) => {
      const { placements } = plan(snapshot);
      if (placements.length >= snapshot.placementsMax) return;
      const placed = new Set(placements.map(({ step }) => nameOf(step)));
      for (const step of snapshot.steps.filter((one) => !placed.has(nameOf(one)))) {
        const wait = waitsIn(snapshot)(step);
        if (wait.kind !== 'slot') continue;
        const free = wait.places.reduce(
          (sum, { busy, slots, makesRoomFor }) =>
            sum + (makesRoomFor === null ? Math.max(0, slots - busy) : 0),
          0,
        );
        expect(free).toBeLessThanOrEqual(wait.position.aheadOfSame);
      }
    }));

  it('counts who goes first as the order says', () =>
    always((snapshot) => {
      for (const step of snapshot.steps) {
        const wait = waitsIn(snapshot)(step);
        if (wait.kind !== 'slot' && wait.kind !== 'model' && wait.kind !== 'loading') continue;
        expect(wait.position.ahead).toBe(
          snapshot.steps.filter((other) => orderOf(snapshot)(other, step) < 0).length,
        );
      }
    }));

  it('lists the queue in the order in which it goes, whole groups and single steps', () =>
    always((snapshot) => {
      const inOrder = snapshot.steps.toSorted(orderOf(snapshot));
      const { ready, groups, next } = queueView(
        snapshot,
        { ofReady: (_, place) => place ?? null },
        { groups: 3, steps: 5 },
      );
      expect(ready).toBe(inOrder.length);
      expect(next.map(({ taskId, stepId }) => `${taskId}/${stepId}`)).toEqual(
        inOrder.slice(0, 5).map(nameOf),
      );
      const keys = [...new Set(inOrder.map(({ requirement }) => requirementKey(requirement)))].slice(0, 3);
      const wanted = keys.map((key) => inOrder.filter((step) => requirementKey(step.requirement) === key));
      expect(groups.map(({ size }) => size)).toEqual(wanted.map((steps) => steps.length));
      expect(groups.map(({ wait }) => wait)).toEqual(
        wanted.flatMap(([first]) => (first ? [waitsIn(snapshot)(first)] : [])),
      );
    }));
});
