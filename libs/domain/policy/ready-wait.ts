import type { GrantedLease } from '../gpu/events.js';
import type { Ledger } from '../gpu/gpu.js';
import { busySlots } from '../gpu/room.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { requirementKey, type Requirement } from '../task/requirement.js';
import { chooseLoads, modelServers } from './choose-loads.js';
import { compareSteps, type Compare } from './ordering.js';
import { queueOf } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { judgeServer, type Verdict } from './server-verdict.js';
import { slotPlace, type Snapshot } from './snapshot.js';

/** For what a step waits that could run now, if there were a slot for it. */
export type ReadyWait =
  /** What it needs is loaded, or needs no loading. */
  | { readonly kind: 'slot'; readonly position: Position; readonly places: readonly PlaceView[] }
  | {
      readonly kind: 'loading';
      readonly position: Position;
      readonly serverId: ServerId;
      readonly since: string;
    }
  /** No server holds its model. One verdict per server; a load that has been asked for does not show there yet. */
  | {
      readonly kind: 'model';
      readonly position: Position;
      readonly servers: readonly ServerVerdict[];
    };

/** Ready steps that go first: of those that need the same, and of all. */
export type Position = { readonly aheadOfSame: number; readonly ahead: number };

export type PlaceView = {
  readonly serverId: ServerId;
  readonly slots: number;
  readonly busy: number;
  /** Nothing new starts there, because it is to make room for this model. */
  readonly makesRoomFor: string | null;
  /** Who has its slots; the first of them where there are many. */
  readonly holders: readonly Pick<GrantedLease, 'taskId' | 'stepId'>[];
};

export type ServerVerdict = {
  readonly serverId: ServerId;
  readonly verdict: Verdict | { readonly may: 'asked' };
};

/** Holders that are named of one place. */
const HOLDERS_MAX = 20;

/**
 * For what ready steps wait, each by the functions that the plan of this moment is made of. What is the same for all of them is
 * worked out once.
 */
export const waitsIn = (snapshot: Snapshot): ((step: ReadyStep) => ReadyWait) => {
  const queue = queueOf(snapshot);
  const { groups, heads } = queue;
  const goesFirst = compareSteps(queue.ranking);
  const { closed } = chooseLoads(queue, snapshot);
  const makesRoomFor = (id: ResidencyId): string | null => closed.get(id)?.model ?? null;
  return (step) => {
    const { requirement } = step;
    const key = requirementKey(requirement);
    const group = groups.find((other) => other.key === key);
    const position = positionOf(step, group, groups, goesFirst);
    const places = placesOf(requirement, key, snapshot, makesRoomFor);
    if (requirement.kind === 'cpu' || places.length > 0) return { kind: 'slot', position, places };
    const loading = loadingOf(key, snapshot.ledger);
    if (loading) return { kind: 'loading', position, ...loading };
    const head = heads.get(key);
    const candidate = group && head ? { group, head, profile: requirement.profile } : null;
    const servers = modelServers(snapshot.ledger).map((server): ServerVerdict => {
      const { serverId } = server.spec;
      const isAsked = snapshot.loadsAsked.has(serverId) || candidate === null;
      return {
        serverId,
        verdict: isAsked ? { may: 'asked' } : judgeServer(server, candidate, queue, snapshot),
      };
    });
    return { kind: 'model', position, servers };
  };
};

const positionOf = (
  step: ReadyStep,
  same: ReadyGroup | undefined,
  groups: readonly ReadyGroup[],
  compare: Compare,
): Position => {
  const aheadIn = (group: ReadyGroup): number => {
    let ahead = 0;
    for (const other of group.steps) {
      if (compare(other, step) >= 0) break;
      ahead += 1;
    }
    return ahead;
  };
  return {
    aheadOfSame: same ? aheadIn(same) : 0,
    ahead: groups.reduce((sum, group) => sum + aheadIn(group), 0),
  };
};

/** Where it could run: loaded residencies of its profile, or CPU slots. */
const placesOf = (
  requirement: Requirement,
  key: string,
  { ledger, asked }: Snapshot,
  makesRoomFor: (residencyId: ResidencyId) => string | null,
): readonly PlaceView[] => {
  const places: PlaceView[] = [];
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    const { serverId, kind, slots } = server.spec;
    const view = (residencyId: ResidencyId | undefined, slotCount: number): PlaceView => ({
      serverId,
      slots: slotCount,
      busy: busySlots(server, residencyId) + (asked.get(slotPlace(serverId, residencyId)) ?? 0),
      makesRoomFor: residencyId === undefined ? null : makesRoomFor(residencyId),
      holders: [...server.leases.values()]
        .filter((lease) => lease.residencyId === residencyId)
        .slice(0, HOLDERS_MAX)
        .map(({ taskId, stepId }) => ({ taskId, stepId })),
    });
    if (requirement.kind === 'cpu') {
      if (kind === 'cpu') places.push(view(undefined, slots));
      continue;
    }
    for (const residency of server.residencies.values())
      if (residency.key === key && residency.state === 'loaded')
        places.push(view(residency.residencyId, residency.slots));
  }
  return places;
};

const loadingOf = (
  key: string,
  ledger: Ledger,
): { readonly serverId: ServerId; readonly since: string } | null => {
  for (const { state, spec, residencies } of ledger.servers.values()) {
    if (state !== 'up') continue;
    for (const residency of residencies.values())
      if (residency.key === key && residency.state === 'loading')
        return { serverId: spec.serverId, since: residency.since };
  }
  return null;
};
