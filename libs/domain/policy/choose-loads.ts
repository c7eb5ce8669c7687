import type { Failure } from '../errors.js';
import type { Ledger, Server } from '../gpu/gpu.js';
import type { ModelProfile } from '../gpu/profile.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { msOf } from '../time.js';
import { compareSteps } from './ordering.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { FINAL, judgeServer, type Candidate, type Heads, type Verdict } from './server-verdict.js';
import { nextOf, type LoadWish, type Snapshot } from './snapshot.js';

/** What to load, which residencies take no new work meanwhile and for whom, and what can never be loaded. */
export type LoadChoice = {
  readonly loads: LoadWish[];
  readonly closed: Map<ResidencyId, ModelProfile>;
  readonly impossible: { step: ReadyStep; failure: Failure }[];
};

export const chooseLoads = (groups: readonly ReadyGroup[], snapshot: Snapshot): LoadChoice => {
  const choice: LoadChoice = { loads: [], closed: new Map(), impossible: [] };
  const waiting = groups
    .flatMap((group) => {
      if (group.requirement.kind !== 'model' || isHeld(group.key, snapshot.ledger)) return [];
      const first = nextOf(group.steps);
      return first ? [{ group, head: first.head, profile: group.requirement.profile }] : [];
    })
    .toSorted((a, b) => compareSteps(a.head, b.head));
  const heads = headsOf(groups);
  const taken = new Set<ServerId>(snapshot.loadsAsked);
  const servers = modelServers(snapshot.ledger);
  for (const candidate of waiting) {
    const failure = hopeless(candidate, servers, snapshot);
    if (failure) choice.impossible.push({ step: candidate.head, failure });
    else chooseServer(candidate, { servers, heads, taken, choice, snapshot });
  }
  return choice;
};

/** The next step of each group. */
export const headsOf = (groups: readonly ReadyGroup[]): Heads =>
  new Map(groups.map((group) => [group.key, nextOf(group.steps)?.head]));

const isHeld = (key: string, ledger: Ledger): boolean => {
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    for (const residency of server.residencies.values())
      if (residency.key === key && residency.state !== 'unloading') return true;
  }
  return false;
};

export const modelServers = (ledger: Ledger): readonly Server[] =>
  [...ledger.servers.values()].filter(({ spec }) => spec.kind !== 'cpu');

/** Why no server will ever hold this model, as far as is known; null while there is hope. */
const hopeless = (
  { group, head, profile }: Candidate,
  servers: readonly Server[],
  snapshot: Snapshot,
): Failure | null => {
  if (servers.length === 0) {
    return {
      code: 'NO_SERVER_FITS',
      message: `No inference server is configured; ${profile.model} needs one.`,
    };
  }
  const known = snapshot.knownBytes.get(group.key);
  const largest = Math.max(...servers.map(({ spec }) => spec.vramBytes));
  if (known !== undefined && known > largest) {
    return {
      code: 'NO_SERVER_FITS',
      message: `${profile.model} with num_ctx ${profile.options.numCtx} needs about ${known} bytes; the largest server has ${largest}.`,
      details: { needBytes: known, largestVramBytes: largest },
    };
  }
  const failures = servers.map((server) => server.loadFailures.get(group.key));
  const final = failures.every(
    (last) =>
      last !== undefined &&
      (FINAL.has(last.failure.code) || last.count >= snapshot.settings.loadFailuresMax) &&
      // A task submitted after the failure deserves a try of its own: the model may have been installed since.
      msOf(last.at) >= head.submittedAtMs,
  );
  return final ? (failures[0]?.failure ?? null) : null;
};

type Choosing = {
  readonly servers: readonly Server[];
  readonly heads: Heads;
  /** Servers that have been asked for a load, in this plan or before. */
  readonly taken: Set<ServerId>;
  readonly choice: LoadChoice;
  readonly snapshot: Snapshot;
};

const chooseServer = (candidate: Candidate, { servers, heads, taken, choice, snapshot }: Choosing): void => {
  let best: { readonly serverId: ServerId; readonly room: Room } | null = null;
  for (const server of servers) {
    const { serverId } = server.spec;
    const room = taken.has(serverId) ? null : judgeServer(server, candidate, heads, snapshot);
    if (room?.may !== true) continue;
    if (best === null || disturbance(room) < disturbance(best.room)) best = { serverId, room };
  }
  if (best === null) return;
  const { serverId, room } = best;
  taken.add(serverId);
  // All of them: a victim left open while another one drains would be given work again and never be idle.
  for (const residencyId of room.evict) choice.closed.set(residencyId, candidate.profile);
  if (room.drain !== null) return;
  const because =
    room.evict.length === 0
      ? 'there is room'
      : `in place of ${room.evict.length} that nobody waits for first`;
  choice.loads.push({ serverId, profile: candidate.profile, evict: room.evict, because });
};

type Room = Extract<Verdict, { readonly may: true }>;

/** Free room first, then idle victims, then draining a busy one. */
const disturbance = ({ evict, drain }: Room): number => (drain === null ? (evict.length > 0 ? 1 : 0) : 2);
