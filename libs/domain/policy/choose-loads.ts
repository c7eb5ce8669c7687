import type { Failure } from '../errors.js';
import type { Ledger, Server } from '../gpu/gpu.js';
import { busySlots, fits } from '../gpu/room.js';
import type { ModelProfile } from '../gpu/profile.js';
import type { ResidencyId, ServerId } from '../ids.js';
import { requirementKey } from '../task/requirement.js';
import { msOf } from '../time.js';
import { compareSteps } from './ordering.js';
import { loadMsOf, meanMsOf, UNLOAD_MS } from './pace.js';
import type { Copies } from './copies.js';
import { isNeededByLarger } from './larger-models.js';
import { loadAhead } from './prefetch.js';
import type { Queue } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { FINAL, judgeServer, yieldsNothing, type Candidate, type Verdict } from './server-verdict.js';
import type { LoadWish, Snapshot } from './snapshot.js';

/** What to load, which residencies take no new work meanwhile and for whom, and what can never be loaded. */
export type LoadChoice = {
  readonly loads: LoadWish[];
  readonly closed: Map<ResidencyId, ModelProfile>;
  readonly impossible: { step: ReadyStep; failure: Failure }[];
};

/**
 * 1. Models that no server holds, the one whose first step goes first, first; on the server that larger ones need least, where it
 *    disturbs least.
 * 2. Models whose work is about to be ready, where nothing has to give way that has work.
 * 3. A second copy of one that has more work than its slots can do soon, on a server that has nothing to do.
 */
export const chooseLoads = (queue: Queue, snapshot: Snapshot): LoadChoice => {
  const choice: LoadChoice = { loads: [], closed: new Map(), impossible: [] };
  const servers = modelServers(snapshot.ledger);
  const taken = new Set(snapshot.loadsAsked);
  const choosing = { servers, queue, taken, settled: new Set<ServerId>(), choice, snapshot };
  const candidates = candidatesOf(queue);
  for (const candidate of candidates) {
    if (queue.copies.has(candidate.group.key)) continue;
    const failure = hopeless(candidate, servers, snapshot);
    if (failure) choice.impossible.push({ step: candidate.head, failure });
    else chooseServer(candidate, choosing);
  }
  for (const step of snapshot.soon.values()) chooseAhead(step, choosing);
  for (const candidate of candidates)
    if (isOverloaded(candidate.group, queue.copies, snapshot)) addCopy(candidate, choosing);
  return choice;
};

const candidatesOf = ({ groups, ranking }: Queue): readonly Candidate[] => {
  const compare = compareSteps(ranking);
  return groups
    .flatMap((group) =>
      group.requirement.kind === 'model'
        ? [{ group, head: group.first, profile: group.requirement.profile }]
        : [],
    )
    .toSorted((a, b) => compare(a.head, b.head));
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
  readonly queue: Queue;
  /** Servers that have been asked for a load, in this plan or before. */
  readonly taken: Set<ServerId>;
  /** Servers on which nothing gives way to a candidate that was looked at, and so to none of those behind it. */
  readonly settled: Set<ServerId>;
  readonly choice: LoadChoice;
  readonly snapshot: Snapshot;
};

type Room = Extract<Verdict, { readonly may: true }>;

const chooseServer = (candidate: Candidate, choosing: Choosing): void => {
  const { servers, queue, taken, choice } = choosing;
  let best: { readonly server: Server; readonly room: Room; readonly rank: readonly number[] } | null = null;
  for (const server of servers) {
    const room = roomOn(server, candidate, choosing);
    if (room === null) continue;
    const rank = [
      Number(isNeededByLarger(server, candidate, choosing)),
      disturbance(room),
      working(server, queue),
      server.spec.vramBytes,
    ];
    if (best === null || isLess(rank, best.rank)) best = { server, room, rank };
  }
  if (best === null) return;
  const { server, room } = best;
  taken.add(server.spec.serverId);
  // All of them: a victim left open while another one drains would be given work again and never be idle.
  for (const residencyId of room.evict) choice.closed.set(residencyId, candidate.profile);
  if (room.drain === null) choice.loads.push(wish(candidate, server, room));
};

const NOTHING: ReadonlySet<ResidencyId> = new Set();

/** The verdict, if it is that the server may; most of forty models have no place on any of eight servers, and that is seen at once. */
const roomOn = (server: Server, candidate: Candidate, choosing: Choosing): Room | null => {
  const { queue, taken, settled, snapshot } = choosing;
  const { serverId } = server.spec;
  if (taken.has(serverId)) return null;
  const { group, profile } = candidate;
  const needBytes = snapshot.knownBytes.get(group.key) ?? 0;
  if (settled.has(serverId) && !fits(server, profile.model, needBytes, NOTHING)) return null;
  const verdict = judgeServer(server, candidate, queue, snapshot);
  if (verdict.may) return verdict;
  if (verdict.obstacle.kind === 'in-use' && yieldsNothing(server, candidate, queue, snapshot))
    settled.add(serverId);
  return null;
};

/** Free room first, then idle victims, then draining a busy one. */
const disturbance = ({ evict, drain }: Room): number => (drain === null ? (evict.length > 0 ? 1 : 0) : 2);

/** Models that share the computing of a server: loaded, and with something to do. */
const working = (server: Server, { rivals }: Queue): number => {
  let count = 0;
  for (const { key, residencyId } of server.residencies.values())
    if (rivals.has(key) || busySlots(server, residencyId) > 0) count += 1;
  return count;
};

const isLess = (a: readonly number[], b: readonly number[]): boolean => {
  for (let place = 0; place < a.length; place += 1) {
    const [value = 0, other = 0] = [a[place], b[place]];
    if (value !== other) return value < other;
  }
  return false;
};

const wish = ({ profile }: Candidate, { spec }: Server, { evict }: Room): LoadWish => ({
  serverId: spec.serverId,
  profile,
  evict,
  because: evict.length === 0 ? 'there is room' : `in place of ${evict.length} that may go`,
});

/** Where it disturbs least. */
const chooseAhead = ({ requirement }: ReadyStep, choosing: Choosing): void => {
  const { servers, queue, taken, choice, snapshot } = choosing;
  const key = requirementKey(requirement);
  if (requirement.kind !== 'model' || queue.heads.has(key) || queue.copies.has(key)) return;
  let best: { readonly load: LoadWish; readonly rank: readonly number[] } | null = null;
  for (const server of servers) {
    if (taken.has(server.spec.serverId)) continue;
    const load = loadAhead(server, { key, profile: requirement.profile }, queue, snapshot);
    const rank = [load?.evict.length ?? 0, working(server, queue), server.spec.vramBytes];
    if (load !== null && (best === null || isLess(rank, best.rank))) best = { load, rank };
  }
  if (best === null) return;
  const { load } = best;
  taken.add(load.serverId);
  for (const residencyId of load.evict) choice.closed.set(residencyId, load.profile);
  choice.loads.push(load);
};

/** Whether what waits beyond the free slots is more than all copies can do while another one is loaded. */
const isOverloaded = (
  { key, size }: ReadyGroup,
  all: Copies,
  { ledger, paces, settings }: Snapshot,
): boolean => {
  const copies = all.get(key);
  if (copies === undefined || copies.some(({ residency }) => residency.state !== 'loaded')) return false;
  let [slots, busy] = [0, 0];
  for (const { server, residency } of copies) {
    slots += residency.slots;
    busy += busySlots(server, residency.residencyId);
  }
  const drainMs = ((size - (slots - busy)) * meanMsOf(paces.get(key))) / Math.max(1, slots);
  const loadMs = loadMsOf(ledger.loadMs.get(key)) + UNLOAD_MS;
  return drainMs > settings.copyAfterLoads * loadMs;
};

const addCopy = (candidate: Candidate, choosing: Choosing): void => {
  const { servers, queue, taken, choice, snapshot } = choosing;
  for (const server of servers) {
    if (taken.has(server.spec.serverId) || working(server, queue) > 0) continue;
    const room = judgeServer(server, candidate, queue, snapshot);
    if (!room.may || room.drain !== null) continue;
    taken.add(server.spec.serverId);
    for (const residencyId of room.evict) choice.closed.set(residencyId, candidate.profile);
    choice.loads.push(wish(candidate, server, room));
    return;
  }
};
