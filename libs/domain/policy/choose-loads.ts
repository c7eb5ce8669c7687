import type { Failure } from '../errors.js';
import { busySlots, freeBytes, type Ledger, type Residency, type Server } from '../gpu/gpu.js';
import { sameModel, type ModelProfile } from '../gpu/profile.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { msOf } from '../time.js';
import { compareSteps } from './ordering.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { nextOf, slotPlace, type LoadWish, type Snapshot } from './snapshot.js';

/** What to load, which residencies take no new work meanwhile, and what can never be loaded. */
export type LoadChoice = {
  readonly loads: LoadWish[];
  readonly closed: Set<ResidencyId>;
  readonly impossible: { step: ReadyStep; failure: Failure }[];
};

export const chooseLoads = (groups: readonly ReadyGroup[], snapshot: Snapshot): LoadChoice => {
  const choice: LoadChoice = { loads: [], closed: new Set(), impossible: [] };
  const waiting = groups
    .flatMap((group) => {
      if (group.requirement.kind !== 'model' || isHeld(group.key, snapshot.ledger)) return [];
      const first = nextOf(group.steps);
      return first ? [{ group, head: first.head, profile: group.requirement.profile }] : [];
    })
    .toSorted((a, b) => compareSteps(a.head, b.head));
  const heads = new Map(groups.map((group) => [group.key, nextOf(group.steps)?.head]));
  const taken = new Set<ServerId>(snapshot.loadsAsked);
  for (const candidate of waiting) {
    const failure = hopeless(candidate, snapshot);
    if (failure) choice.impossible.push({ step: candidate.head, failure });
    else chooseServer(candidate, heads, taken, choice, snapshot);
  }
  return choice;
};

const isHeld = (key: string, ledger: Ledger): boolean => {
  for (const server of ledger.servers.values()) {
    if (server.state !== 'up') continue;
    for (const residency of server.residencies.values())
      if (residency.key === key && residency.state !== 'unloading') return true;
  }
  return false;
};

type Candidate = { readonly group: ReadyGroup; readonly head: ReadyStep; readonly profile: ModelProfile };

const modelServers = (ledger: Ledger): readonly Server[] =>
  [...ledger.servers.values()].filter(({ spec }) => spec.kind !== 'cpu');

/** Why no server will ever hold this model, as far as is known; null while there is hope. */
const hopeless = ({ group, head, profile }: Candidate, snapshot: Snapshot): Failure | null => {
  const servers = modelServers(snapshot.ledger);
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

const FINAL: ReadonlySet<string> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_SPILLED',
  'MODEL_REQUEST_REFUSED',
  'NO_SERVER_FITS',
]);

const chooseServer = (
  candidate: Candidate,
  heads: ReadonlyMap<string, ReadyStep | undefined>,
  taken: Set<ServerId>,
  choice: LoadChoice,
  snapshot: Snapshot,
): void => {
  let best: { readonly serverId: ServerId; readonly room: Room } | null = null;
  for (const server of modelServers(snapshot.ledger)) {
    const { serverId } = server.spec;
    if (taken.has(serverId) || !canTry(server, candidate, snapshot)) continue;
    const room = makeRoom(server, candidate, heads, snapshot);
    if (room && (best === null || disturbance(room) < disturbance(best.room))) best = { serverId, room };
  }
  if (best === null) return;
  const { serverId, room } = best;
  taken.add(serverId);
  // All of them: a victim left open while another one drains would be given work again and never be idle.
  for (const residencyId of room.evict) choice.closed.add(residencyId);
  if (room.drain) return;
  const because =
    room.evict.length === 0
      ? 'there is room'
      : `in place of ${room.evict.length} that nobody waits for first`;
  choice.loads.push({ serverId, profile: candidate.profile, evict: room.evict, because });
};

/** Free room first, then idle victims, then draining a busy one. */
const disturbance = ({ evict, drain }: Room): number => (drain ? 2 : evict.length > 0 ? 1 : 0);

/** Servers load one model at a time, and a load that has just failed there is not repeated at once. */
const canTry = (server: Server, { group, head }: Candidate, { nowMs, settings }: Snapshot): boolean => {
  if (server.state !== 'up') return false;
  for (const { state } of server.residencies.values()) if (state !== 'loaded') return false;
  const last = server.loadFailures.get(group.key);
  if (last === undefined || msOf(last.at) < head.submittedAtMs) return true;
  return !FINAL.has(last.failure.code) && nowMs - msOf(last.at) >= settings.loadRetryMs;
};

/** However short the patience, a model that was loaded serves before it goes again: two could otherwise swap for ever and do nothing. */
const RESIDENT_MIN_MS = 1_000;

type Room = { readonly evict: readonly ResidencyId[]; readonly drain?: ResidencyId };

/**
 * Which residencies have to go. Idle ones that nobody waits for go first, the longest loaded first; then, when the
 * candidate has waited its patience or outranks their next step, one that is in use is drained: nothing new starts on it.
 * One with work of its own that was loaded less than a patience ago stays, except where it is outranked and was not
 * loaded for work that had waited its patience: whoever waited gets a turn, and a swap is used before the next one.
 */
const makeRoom = (
  server: Server,
  { head, profile, group }: Candidate,
  heads: ReadonlyMap<string, ReadyStep | undefined>,
  snapshot: Snapshot,
): Room | null => {
  const { nowMs } = snapshot;
  const need = snapshot.knownBytes.get(group.key) ?? 0;
  if (need > server.spec.vramBytes) return null;
  const all = [...server.residencies.values()];
  const clash = all.find((other) => sameModel(other.profile.model, profile.model));
  const mayYield = (residency: Residency): boolean => {
    const rival = heads.get(residency.key);
    if (rival === undefined) return true;
    const overdue = (step: ReadyStep): boolean =>
      nowMs - step.submittedAtMs >= snapshot.settings.swapPatienceMs;
    const fresh = nowMs - msOf(residency.since) < Math.max(snapshot.settings.swapPatienceMs, RESIDENT_MIN_MS);
    return (head.priority > rival.priority && !(fresh && overdue(rival))) || (overdue(head) && !fresh);
  };
  if (clash && !mayYield(clash)) return null;
  const victims: Residency[] = clash ? [clash] : [];
  const fits = (): boolean =>
    freeBytes(server, profile.model) + victims.reduce((sum, { bytes }) => sum + bytes, 0) >= need;
  const others = all
    .filter((residency) => residency !== clash && mayYield(residency))
    .toSorted((a, b) => rank(a) - rank(b) || (a.since < b.since ? -1 : 1));
  function rank(residency: Residency): number {
    if (heads.get(residency.key) !== undefined) return 2;
    return busySlots(server, residency.residencyId) > 0 ? 1 : 0;
  }
  while (!fits()) {
    const next = others.shift();
    if (next === undefined) return null;
    victims.push(next);
  }
  const busy = victims.find(
    ({ residencyId }) =>
      busySlots(server, residencyId) +
        (snapshot.asked.get(slotPlace(server.spec.serverId, residencyId)) ?? 0) >
      0,
  );
  const evict = victims.map(({ residencyId }) => residencyId);
  return busy ? { evict, drain: busy.residencyId } : { evict };
};
