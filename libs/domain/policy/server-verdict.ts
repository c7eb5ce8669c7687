import type { Failure } from '../errors.js';
import type { ForeignModel } from '../gpu/events.js';
import type { Residency, Server } from '../gpu/gpu.js';
import { sameModel, type ModelProfile } from '../gpu/profile.js';
import { busySlots, fits } from '../gpu/room.js';
import type { ResidencyId } from '../ids.js';
import { msOf } from '../time.js';
import { givesWayAtMs } from './gathering.js';
import { agedMs, byDeadline } from './ordering.js';
import { loadMsOf } from './pace.js';
import type { Queue } from './queue.js';
import type { ReadyGroup } from './ready-queue.js';
import type { ReadyStep } from './ready-step.js';
import { slotPlace, type Snapshot } from './snapshot.js';
import { cheapestVictims } from './victims.js';

/** A model that no server holds, and the first step that waits for it. */
export type Candidate = {
  readonly group: ReadyGroup;
  readonly head: ReadyStep;
  readonly profile: ModelProfile;
};

/**
 * Whether a server may load the candidate now: at once, or once the victim that is in use has drained. The plan is made of
 * these, and `explain` tells them, so that what is told is what is done.
 */
export type Verdict =
  | { readonly may: true; readonly evict: readonly ResidencyId[]; readonly drain: ResidencyId | null }
  | { readonly may: false; readonly obstacle: Obstacle };

export type Obstacle =
  | { readonly kind: 'not-up'; readonly state: Server['state'] }
  /** Servers load and unload one model at a time. */
  | { readonly kind: 'other-load'; readonly model: string; readonly state: Residency['state'] }
  /** Null: not again for tasks that were submitted before it failed. */
  | { readonly kind: 'load-failed'; readonly failure: Failure; readonly againAtMs: number | null }
  | { readonly kind: 'too-large'; readonly needBytes: number; readonly vramBytes: number }
  /** A loaded model with work of its own keeps its place: until the end of its turn, and then as long as its work is not behind. */
  | { readonly kind: 'in-use'; readonly model: string; readonly turnUntilMs: number }
  /** A loaded model without work stays until what waits for the other one has waited long enough together; see `givesWayAtMs`. */
  | { readonly kind: 'gathering'; readonly model: string; readonly untilMs: number }
  /** What somebody else has loaded there leaves too little. */
  | { readonly kind: 'foreign'; readonly models: readonly ForeignModel[] };

export const judgeServer = (
  server: Server,
  candidate: Candidate,
  queue: Queue,
  snapshot: Snapshot,
): Verdict => {
  const obstacle = obstacleAhead(server, candidate, snapshot);
  return obstacle ? { may: false, obstacle } : makeRoom({ server, candidate, queue, snapshot });
};

/**
 * Whether no loaded model gives way to the candidate. Then none gives way to one that comes after it in the order either, as each of the
 * rules by which one does compares as the order does, but for that of models without work: those go for what has waited most.
 */
export const yieldsNothing = (
  server: Server,
  candidate: Candidate,
  queue: Queue,
  snapshot: Snapshot,
): boolean => {
  const judging = { server, candidate, queue, snapshot };
  for (const residency of server.residencies.values())
    if (!queue.rivals.has(residency.key) || mayYield(residency, judging)) return false;
  return true;
};

/** What a verdict is made from. */
type Judging = {
  readonly server: Server;
  readonly candidate: Candidate;
  readonly queue: Queue;
  readonly snapshot: Snapshot;
};

export const FINAL: ReadonlySet<string> = new Set([
  'MODEL_NOT_FOUND',
  'MODEL_SPILLED',
  'MODEL_REQUEST_REFUSED',
  'NO_SERVER_FITS',
]);

/** Servers load one model at a time, and a load that has just failed there is not repeated at once. */
const obstacleAhead = (
  server: Server,
  { group, head }: Candidate,
  { nowMs, settings, knownBytes }: Snapshot,
): Obstacle | null => {
  if (server.state !== 'up') return { kind: 'not-up', state: server.state };
  for (const { state, profile } of server.residencies.values())
    if (state !== 'loaded') return { kind: 'other-load', model: profile.model, state };
  const needBytes = knownBytes.get(group.key) ?? 0;
  const { vramBytes } = server.spec;
  if (needBytes > vramBytes) return { kind: 'too-large', needBytes, vramBytes };
  const last = server.loadFailures.get(group.key);
  if (last === undefined || msOf(last.at) < head.submittedAtMs) return null;
  const { failure } = last;
  if (FINAL.has(failure.code)) return { kind: 'load-failed', failure, againAtMs: null };
  const againAtMs = msOf(last.at) + settings.loadRetryMs;
  return nowMs < againAtMs ? { kind: 'load-failed', failure, againAtMs } : null;
};

/**
 * Which residencies have to go: the one with other options of the same model, and the cheapest set of those that yield. One that is
 * in use is drained: nothing new starts on it.
 */
const makeRoom = (judging: Judging): Verdict => {
  const { server, candidate, snapshot } = judging;
  const { profile, group } = candidate;
  const need = snapshot.knownBytes.get(group.key) ?? 0;
  const all = [...server.residencies.values()];
  const keeps = (residency: Residency): boolean => !mayYield(residency, judging);
  const clash = all.find((other) => sameModel(other.profile.model, profile.model));
  if (clash && keeps(clash)) return kept([clash], judging);
  const others = all.filter((residency) => residency !== clash && !keeps(residency));
  const cheapest = cheapestVictims(
    others.map((residency) => ({ residency, costMs: costMs(residency, judging) })),
    (victims) => {
      const gone = new Set([...(clash ? [clash] : []), ...victims].map(({ residencyId }) => residencyId));
      return fits(server, profile.model, need, gone);
    },
  );
  if (cheapest === null) {
    const keeping = all.filter(keeps);
    return keeping.length > 0
      ? kept(keeping, judging)
      : { may: false, obstacle: { kind: 'foreign', models: server.foreign } };
  }
  const victims = clash ? [clash, ...cheapest] : cheapest;
  const busy = victims.find((residency) => usedSlots(server, residency, snapshot) > 0);
  return {
    may: true,
    evict: victims.map(({ residencyId }) => residencyId),
    drain: busy?.residencyId ?? null,
  };
};

const usedSlots = (server: Server, { residencyId }: Residency, { asked }: Snapshot): number =>
  busySlots(server, residencyId) + (asked.get(slotPlace(server.spec.serverId, residencyId)) ?? 0);

/** One that is waited for will be loaded again at once, one that is in use has to be waited for. */
const WANTED_COST = 100;
const USED_COST = 10;

const costMs = (residency: Residency, { server, queue, snapshot }: Judging): number => {
  const { ledger, paces } = snapshot;
  const loadMs = loadMsOf(ledger.loadMs.get(residency.key)) * (1 + (paces.get(residency.key)?.count ?? 0));
  if (queue.rivals.has(residency.key)) return loadMs * WANTED_COST;
  return usedSlots(server, residency, snapshot) > 0 ? loadMs * USED_COST : loadMs;
};

/**
 * Whether a loaded model gives way to the candidate.
 * 1. One for which nothing waits, nor is about to, does. While the server works on something, it does so once enough has gathered for the
 *    other one or it has had no work for long, and at once for what must run or has a deadline near.
 * 2. What must run is not kept waiting by what need not; a model with work that must run does that first.
 * 3. A turn is served to its end.
 * 4. After it, the one yields whose work is of a workspace that has had more, has no deadline or a later one, or is behind by
 *    `swapLeadMs` in age and priority: whatever is worth a swap. Until then all of its work is done in one go.
 */
const mayYield = (residency: Residency, judging: Judging): boolean => {
  const { candidate, queue, snapshot } = judging;
  const { head } = candidate;
  const { rivals, ranking, turns } = queue;
  const rival = rivals.get(residency.key);
  if (rival === undefined)
    return (
      ranking.mustRun(head) || head.urgentByMs !== null || goesAtMs(residency, judging) <= snapshot.nowMs
    );
  if (ranking.mustRun(head)) return !ranking.mustRun(rival);
  if (ranking.mustRun(rival) || snapshot.nowMs < (turns.get(residency.residencyId) ?? 0)) return false;
  const levels = ranking.levelOf(head.workspace) - ranking.levelOf(rival.workspace);
  if (levels !== 0) return levels < 0;
  const deadlines = byDeadline(head, rival);
  if (deadlines !== 0) return deadlines < 0;
  const { agingMs, swapLeadMs } = snapshot.settings;
  return agedMs(head, agingMs) + swapLeadMs <= agedMs(rival, agingMs);
};

/** A server that does nothing never waits to save a swap. */
const goesAtMs = ({ key }: Residency, { server, candidate, snapshot }: Judging): number =>
  server.leases.size === 0 ? snapshot.nowMs : givesWayAtMs(key, candidate.group, snapshot);

/** Why the one of them stays that may go first. */
const kept = (keeping: readonly Residency[], judging: Judging): Verdict => {
  const { rivals, turns } = judging.queue;
  let first: Obstacle = { kind: 'foreign', models: [] };
  let leastMs = Infinity;
  for (const residency of keeping) {
    const { model } = residency.profile;
    const isWorking = rivals.has(residency.key);
    const untilMs = isWorking
      ? (turns.get(residency.residencyId) ?? 0)
      : Math.ceil(goesAtMs(residency, judging));
    if (untilMs >= leastMs) continue;
    leastMs = untilMs;
    first = isWorking
      ? { kind: 'in-use', model, turnUntilMs: untilMs }
      : { kind: 'gathering', model, untilMs };
  }
  return { may: false, obstacle: first };
};
